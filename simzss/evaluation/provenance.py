"""What a result was made with: enough to tell whether two results may stand side by side, and to make one again.

The same record guards a run that is continued: counts made with other settings or on other data are never mixed in.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from simzss import __version__
from simzss.distributed import rank
from simzss.errors import UserError
from simzss.evaluation.spec import Benchmark
from simzss.evaluation.vocabularies import words_of
from simzss.evaluation.wordings import Wording
from simzss.io.files import write_atomically
from simzss.model import AlignedModel
from simzss.segmentation.segmenter import PatchTextModel, Segmenter

Record = dict[str, Any]
"""What JSON holds."""

RUN = "run.json"

PACKAGES = ("modeling", "objectives", "segmentation", "benchmarks", "evaluation", "adapters")
"""The rooms whose code and data decide a score."""

GROWING = ("specs", "words")
"""What a later part of a run may add to."""

FREE = {"model path"}
"""What two parts of one run may differ in: a model is known by its weights, wherever it lies."""


def describe_run(
    model: Record, benchmarks: Sequence[Benchmark], root: Path, limit: int | None, settings: Record
) -> Record:
    """Everything that decides the counts of a run; `settings` are those of its scorer."""
    return {
        "model": model,
        "data_root": str(root.resolve()),
        **settings,
        "limit": limit,
        "specs": {benchmark.key: spec_hash(benchmark) for benchmark in benchmarks},
        "code": {
            "simzss": __version__,
            "source": source_hash(),
            "torch": torch.__version__,
            "timm": version("timm"),
        },
    }


def settings_of(segmenter: Segmenter, benchmarks: Sequence[Benchmark], wordings: Sequence[Wording]) -> Record:
    """How a model segments, and the words that files of one's own give its classes."""
    own = {wording.names for wording in wordings if wording.names.endswith((".yaml", ".yml"))}
    return {
        "protocol": asdict(segmenter.protocol),
        "precision": "bfloat16" if segmenter.half_precision else "float32",
        "words": {
            f"{names} for {benchmark.key}": _hash(repr(words_of(benchmark, names)).encode())
            for names in sorted(own)
            for benchmark in benchmarks
        },
    }


def settings_of_predictions(values: str) -> Record:
    """The same for saved label maps, which know neither protocol nor words."""
    return {"protocol": None, "precision": None, "words": {}, "prediction_ids": values}


def spec_hash(benchmark: Benchmark) -> str:
    """A hash of all that decides a score in a benchmark's description: not of what is there for people."""
    return _hash(repr(replace(benchmark, title="", source="", obtain="")).encode())


def describe_model(folder: Path, model: AlignedModel) -> Record:
    """Which weights, on which backbone, trained with which concepts."""
    weights = folder / "model.safetensors"
    bank = model.bank
    return {
        "path": str(folder),
        "weights": _hash(weights.read_bytes()),
        "backbone": model.config.backbone.name,
        "backbone_weights": model.backbone.fingerprint(),
        "objective": model.config.objective,
        "bank": None if bank is None else {"kind": bank.kind, "hash": bank.content_hash, "concepts": len(bank.names)},
    }


def describe_plugin(name: str, model: PatchTextModel) -> Record:
    """The same of another package's model; weights only where they are a module's."""
    weights = None
    if isinstance(model, torch.nn.Module):
        digest = hashlib.sha256()
        for key, tensor in sorted(model.state_dict().items()):
            digest.update(
                key.encode() + tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            )
        weights = digest.hexdigest()[:16]
    return {"path": name, "plugin": name, "weights": weights}


def source_hash() -> str:
    """A hash of the code and data that decide a score."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        folder = Path(str(files(f"simzss.{package}")))
        for path in sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".yaml"}):
            digest.update(f"{package}/{path.relative_to(folder).as_posix()}".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def claim(output: Path, run: Record) -> Record:
    """Make a folder this run's own, or find that it already is; the run with every benchmark claimed so far.

    Raises:
        UserError: If the folder holds a run of other settings (the first difference is named) or cannot be written to.
    """
    path = output / RUN
    if path.is_file():
        earlier = read_json(path, keys=GROWING)
        difference = _changed_setting(earlier, json.loads(json.dumps(run)))
        if difference:
            raise UserError(
                f"{output} holds a run with another {difference}; give another --output, or delete that folder"
            )
        run = run | {key: earlier[key] | run[key] for key in GROWING}
    elif (output / "counts").exists():
        raise UserError(f"{output} holds counts without {RUN}, which tells their settings; give another --output")
    write_json(path, run)
    return run


def read_json(path: Path, keys: Sequence[str]) -> Record:
    """Read what an evaluation wrote.

    Raises:
        UserError: If it cannot be read, or lacks one of these keys.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not written by `simzss evaluate` ({error}); evaluate anew") from error
    if missing := [key for key in keys if not isinstance(content, dict) or key not in content]:
        raise UserError(f"{path}: not written by this `simzss evaluate` (no {missing[0]!r}); evaluate anew")
    return content


def write_json(path: Path, content: Record) -> None:
    """Write JSON whole or not at all; what is no number is null. Every process may write."""
    write_atomically(path, json.dumps(content, indent=2, allow_nan=False) + "\n", writer=f".{rank()}")


def _changed_setting(old: Record, new: Record, where: str = "") -> str | None:
    """The first key, with its parents, on which two records differ. Benchmarks or words of one alone do not count."""
    for key in old.keys() & new.keys() if where.strip() in GROWING else old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if f"{where}{key}" in FREE:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            if inner := _changed_setting(before, after, f"{where}{key} "):
                return inner
        elif before != after:
            return f"{where}{key} ({before} instead of {after})"
    return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
