"""What a result was made with: enough to tell whether two results may stand side by side, and to make one again.

The same record guards a run that is continued: counts made with other settings are never mixed in.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from simzss import __version__
from simzss.benchmarks.spec import Benchmark
from simzss.errors import UserError
from simzss.objectives.model import AlignedModel
from simzss.segmentation.segmenter import Segmenter

Record = dict[str, Any]
"""What JSON holds."""

RUN = "run.json"


def describe_run(model: Record, segmenter: Segmenter, benchmarks: Sequence[Benchmark], limit: int | None) -> Record:
    """Everything that decides the counts of a run."""
    return {
        "model": model,
        "protocol": asdict(segmenter.protocol),
        "precision": "bfloat16" if segmenter.half_precision else "float32",
        "limit": limit,
        "specs": {benchmark.key: _hash(repr(benchmark).encode()) for benchmark in benchmarks},
        "code": {"simzss": __version__, "source": source_hash(), "torch": torch.__version__},
    }


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


def source_hash() -> str:
    """A hash of the code and data that decide a score: the rooms of segmentation and benchmarks."""
    digest = hashlib.sha256()
    for package in ("simzss.segmentation", "simzss.benchmarks"):
        folder = Path(str(files(package)))
        for path in sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".yaml"}):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def claim(output: Path, run: Record) -> None:
    """Make a folder this run's own, or find that it already is.

    Raises:
        UserError: If it holds a run of other settings; the first difference is named.
    """
    path = output / RUN
    if path.is_file():
        difference = _first_difference(json.loads(path.read_text()), json.loads(json.dumps(run)))
        if difference:
            raise UserError(
                f"{output} holds a run with another {difference}; give another --output, or delete that folder"
            )
        return
    output.mkdir(parents=True, exist_ok=True)
    write_json(path, run)


def write_json(path: Path, content: Record) -> None:
    """Write JSON whole or not at all; what is no number is null."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    unfinished.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    unfinished.replace(path)


def _first_difference(old: Record, new: Record, where: str = "") -> str | None:
    """The first key, with its parents, on which two records differ. Further benchmarks in one of them do not count."""
    for key in old.keys() & new.keys() if where == "specs " else old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            if inner := _first_difference(before, after, f"{where}{key} "):
                return inner
        elif before != after:
            return f"{where}{key} ({before} instead of {after})"
    return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
