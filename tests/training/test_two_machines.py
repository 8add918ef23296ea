"""Runs on two machines: network namespaces of this one, each with an address and a host name of its own.

They are joined by a virtual cable, and torchrun starts a process in each as docs/training.md says; the one machine then
dies with all its processes. Needs root, for the namespaces.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest
import yaml

from simzss.training.callbacks import read_metrics
from tests.corpus import NAMES, Corpus
from tests.data.shards.shard_files import samples_of, write_shards

pytestmark = [
    pytest.mark.slow,
    pytest.mark.distributed,
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("ip") is None,
        reason="network namespaces are made by root, on Linux, with `ip`",
    ),
]
HOSTS = Path("/etc/netns")
LONGEST = 240.0
"""Seconds that a run may take."""


@dataclass(frozen=True)
class Machine:
    """A network namespace."""

    name: str
    address: str
    device: str

    def start(self, command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
        """Run something in it, under a host name of its own."""
        inside = ["ip", "netns", "exec", self.name, "unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"']
        environment = os.environ | {"GLOO_SOCKET_IFNAME": self.device, "TP_SOCKET_IFNAME": self.device}
        with log.open("wb") as file:
            return subprocess.Popen([*inside, self.name, *command], stdout=file, stderr=file, env=environment)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def two_machines() -> Iterator[list[Machine]]:
    """Made and joined while the block runs."""
    mark = os.getpid() % 100_000
    machines = [Machine(f"simzss-{place}-{mark}", f"10.231.0.{place}", f"sz{place}x{mark}") for place in (1, 2)]
    try:
        for machine in machines:
            ip("netns", "add", machine.name)
            hosts = HOSTS / machine.name / "hosts"  # which `ip netns exec` puts in the place of /etc/hosts
            hosts.parent.mkdir(parents=True)
            hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{one.address} {one.name}\n" for one in machines))
        ip("link", "add", machines[0].device, "type", "veth", "peer", "name", machines[1].device)
        for machine in machines:
            ip("link", "set", machine.device, "netns", machine.name)
            for words in (f"addr add {machine.address}/24 dev {machine.device}", f"link set {machine.device} up"):
                ip("-n", machine.name, *words.split())
            ip("-n", machine.name, "link", "set", "lo", "up")
        yield machines
    finally:
        for machine in machines:
            subprocess.run(["ip", "netns", "del", machine.name], check=False, capture_output=True)
            shutil.rmtree(HOSTS / machine.name, ignore_errors=True)


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    with two_machines() as both:
        yield both


def start(machines: list[Machine], recipe: Path, run: Path, *options: str) -> list["subprocess.Popen[bytes]"]:
    """`simzss fit` by torchrun on both; MACHINE in an option is the name of each."""
    both = []
    for machine in machines:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
        meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint={machines[0].address}:29500", "--rdzv-id=1"]
        here = [f"--local-addr={machine.address}", "--no-python", "--", sys.executable, "-m", "simzss.cli", "fit"]
        ours = ["--config", str(recipe), "--run", str(run), "--trainer.num_nodes=2", "--trainer.devices=1"]
        chosen = [option.replace("MACHINE", machine.name) for option in options]
        log = run.parent / f"{run.name}-{machine.name}.log"
        both.append(machine.start([*torchrun, *meeting, *here, *ours, "--trainer.strategy=ddp", *chosen], log))
    return both


def finish(both: list["subprocess.Popen[bytes]"], run: Path) -> list[float]:
    """Wait for a run; its losses."""
    ended = [process.wait(LONGEST) for process in both]
    assert ended == [0, 0], "\n".join(log.read_text() for log in run.parent.glob(f"{run.name}-*.log"))
    return read_metrics(run)["loss"].tolist()


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a machine: torchrun and what it has started."""
    everything = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for each in everything:
        each.kill()
    process.wait()


def kill_one_after_progress(both: list["subprocess.Popen[bytes]"], run: Path, dies: int) -> None:
    """Wait for a checkpoint, end one machine, and wait for the other to notice."""
    deadline = monotonic() + LONGEST
    while not (run / "checkpoints" / "last.ckpt").exists():
        assert monotonic() < deadline
        assert all(process.poll() is None for process in both), "the run ended before it could be killed"
        sleep(0.05)
    kill(both[dies])
    assert both[1 - dies].wait(LONGEST) != 0


@pytest.fixture
def shards(corpus: Corpus, recipe: Path, tmp_path: Path) -> Path:
    """The recipe on shards, in two streams."""
    (tmp_path / "bank.txt").write_text("\n".join(NAMES))
    stored = yaml.safe_load(recipe.read_text())
    pattern = write_shards(tmp_path / "shards", samples_of(corpus), (1, 3, 2))
    streaming = {"streams": 2, "buffer": 4, "bank": str(tmp_path / "bank.txt")}
    stored["data"] |= {"shards": pattern, "streaming": streaming, "table": None, "images": None, "cache_dir": None}
    path = tmp_path / "shards.yaml"
    path.write_text(yaml.safe_dump(stored))
    return path


@pytest.mark.parametrize(("source", "dies"), [("shards", 1), ("cache", 0)])
def test_a_machine_dies_and_the_resumed_run_ends_as_if_it_had_not(
    machines: list[Machine], recipe: Path, shards: Path, tmp_path: Path, source: str, dies: int
) -> None:
    caches = ["--data.cache=host", f"--data.cache_dir={tmp_path}/features-MACHINE"]
    options = ["--checkpoint_every=1", "--data.epochs=60", *([] if source == "shards" else caches)]
    chosen = shards if source == "shards" else recipe
    whole = finish(start(machines, chosen, tmp_path / "whole", *options), tmp_path / "whole")
    kill_one_after_progress(start(machines, chosen, tmp_path / "killed", *options), tmp_path / "killed", dies)
    resumed = start(machines, chosen, tmp_path / "killed", *options, "--resume=true")
    assert finish(resumed, tmp_path / "killed") == whole
    alone = [sys.executable, "-m", "simzss.cli", "fit", "--config", str(chosen), "--run", str(tmp_path / "alone")]
    here = [option.replace("MACHINE", "here") for option in options]
    subprocess.run([*alone, *here], check=True, capture_output=True)
    assert whole == pytest.approx(read_metrics(tmp_path / "alone")["loss"].tolist(), rel=1e-3)
