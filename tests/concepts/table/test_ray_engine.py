"""Extraction on Ray: the same table as from processes, also where a worker or its whole machine is killed meanwhile.

A real cluster is started on this machine: one Ray node each for two workers.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.rows import CaptionRow
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.table import ray_engine
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.format import part_paths
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.ray_engine import _Pool, extract_on_ray
from simzss.concepts.table.workers import ExtractorRecipe, extract_here
from simzss.errors import UserError

CLUSTER = """
import sys, time
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
nodes = [cluster.add_node(num_cpus=1, include_dashboard=False) for _ in range(2)]
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "kill a machine":
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        cluster.add_node(num_cpus=1, include_dashboard=False)
        print("killed", flush=True)
cluster.shutdown()
"""
PLAN_ROWS = 40_000


@dataclass
class RayCluster:
    """Two nodes of a worker each."""

    address: str
    process: "subprocess.Popen[str]"

    def kill_a_machine(self) -> None:
        """End one without warning; another joins in its place."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("kill a machine\n")
        self.process.stdin.flush()
        assert "killed" in self.process.stdout.readline()


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-c", CLUSTER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        yield RayCluster(process.stdout.readline().strip(), process)
        process.communicate(timeout=60)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """A corpus of some seconds."""
    path = tmp_path / "captions.jsonl"
    words = ("A dog near two stop signs", "a person on a wooden bench under the sky", "nothing of it")
    rows = ({"key": str(row), "caption": f"{words[row % 3]} number {row}"} for row in range(PLAN_ROWS))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def in_processes(captions: Path, folder: Path) -> dict[str, bytes]:
    recipe = ExtractorRecipe(ConceptBank.benchmarks(), "gazetteer", Match.EXACT, 512)
    extract(Plan(open_corpus(str(captions)), recipe), folder)
    return content(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("dies", ["a worker", "a machine"])
def test_the_table_is_the_same_to_the_byte_though_one_is_killed(captions: Path, tmp_path: Path, dies: str) -> None:
    expected = in_processes(captions, tmp_path / "local")
    command = [sys.executable, "-m", "simzss.cli", "concepts", str(captions), "--nlp", "gazetteer", "--workers", "2"]
    output = tmp_path / "ray"
    with ray_cluster() as cluster:
        environment = os.environ | {"RAY_ADDRESS": cluster.address}
        run = subprocess.Popen(
            [*command, "--engine", "ray", "--output", str(output)],
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        deadline = monotonic() + 120
        while not part_paths(output):
            assert run.poll() is None, run.communicate()
            assert monotonic() < deadline
            sleep(0.01)
        if dies == "a machine":
            cluster.kill_a_machine()
        else:
            workers = [
                each
                for each in psutil.Process(cluster.process.pid).children(recursive=True)
                if "Pipeline" in " ".join(each.cmdline())
            ]
            assert len(workers) == 2
            workers[0].kill()
        assert len(part_paths(output)) < PLAN_ROWS // 10_000, "the run ended before anything was killed"
        _, said = run.communicate(timeout=180)
        assert run.returncode == 0, said
    assert content(output) == expected
    assert f"{PLAN_ROWS:,} captions".encode() in said


def test_a_cluster_that_cannot_be_joined_is_told_with_what_it_may_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=refuse))
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    recipe = ExtractorRecipe(ConceptBank.benchmarks(), "gazetteer", Match.EXACT, 8)
    with pytest.raises(UserError, match=r"cluster ray://head:10001: no answer; .* set RAY_AUTH_MODE=token$"):
        next(extract_on_ray(recipe, [], 1))


def test_without_ray_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    recipe = ExtractorRecipe(ConceptBank.from_names(["dog"]), "gazetteer", Match.EXACT, 512)
    with pytest.raises(UserError, match=r"pip install 'simzss\[ray\]'"):
        list(extract_on_ray(recipe, [], 2))


class ActorLostError(Exception):
    """Stands for Ray's own."""


class FakeRay:
    """Ray with actors in this process; the answers that are looked at at certain times are lost with their actors."""

    exceptions = SimpleNamespace(RayActorError=ActorLostError, ObjectLostError=ActorLostError)

    def __init__(self, lost: set[int]) -> None:
        self.lost, self.looked_at, self.started = lost, 0, 0
        self.draw = random.Random(0)  # noqa: S311

    def put(self, thing: object) -> object:
        return thing

    def remote(self, num_cpus: int) -> Callable[[type], Any]:
        return lambda kind: SimpleNamespace(remote=lambda recipe: self._actor(kind(recipe)))

    def _actor(self, held: Any) -> Any:
        self.started += 1
        names = ("ready", "extract")
        return SimpleNamespace(**{name: SimpleNamespace(remote=partial(Answer, getattr(held, name))) for name in names})

    def wait(self, answers: list["Answer"], num_returns: int) -> tuple[list["Answer"], list["Answer"]]:
        return [self.draw.choice(answers)], []

    def get(self, answer: "Answer") -> Any:
        self.looked_at += 1
        if self.looked_at in self.lost:
            raise ActorLostError("it has died")
        return answer.work(*answer.arguments)


class Answer:
    """What an actor will say."""

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        self.work, self.arguments = work, arguments


CHUNKS = [[CaptionRow(f"{chunk}-{row}", "a dog") for row in range(3)] for chunk in range(30)]
RECIPE = ExtractorRecipe(ConceptBank.from_names(["dog"]), "gazetteer", Match.EXACT, 512)


@pytest.mark.parametrize("lost", [set(), {1}, {5, 6, 20, 33}, {2, 4, 6, 8, 10}])
@pytest.mark.parametrize("ahead", [1, 4, 20])
def test_results_come_once_and_in_order_whatever_is_lost(
    lost: set[int], ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "AHEAD_PER_ACTOR", ahead)
    monkeypatch.setattr(ray_engine, "MOST_LOSSES", 100)
    ray = FakeRay(lost)
    found = list(_Pool(ray, RECIPE, 2).results(CHUNKS))
    expected = list(extract_here(RECIPE.build(), CHUNKS))
    assert found == expected
    assert ray.started <= 2 + len(lost)


def test_rows_that_end_every_worker_end_the_run_in_one_line() -> None:
    with pytest.raises(UserError, match="3 workers were lost with the same rows, or while they started: it has died"):
        list(_Pool(FakeRay(set(range(3, 1000))), RECIPE, 1).results(CHUNKS))


def test_no_captions_are_no_results() -> None:
    assert list(_Pool(FakeRay(set()), RECIPE, 2).results([])) == []
