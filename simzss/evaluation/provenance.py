"""What a result was made with: enough to tell whether two results may stand side by side, and to make one again.

The same record guards a run that is continued: counts made with other settings or on other data are never mixed in.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from simzss import __version__
from simzss.distributed import rank
from simzss.errors import UserError
from simzss.evaluation.results import RUN, WRITER, ClaimedRun, CodeVersion, EvaluationRun, ScoredModel, ScorerSettings
from simzss.evaluation.spec import Benchmark, is_yaml
from simzss.evaluation.vocabularies import words_of
from simzss.evaluation.wordings import Wording, vocabulary_name
from simzss.io.records import checksum_of, load_json, to_plain, write_json
from simzss.segmentation.segmenter import Segmenter

DECIDING = (
    *("modeling", "objectives", "segmentation", "benchmarks", "evaluation", "adapters"),
    *("diagnostics/grouping.py", "diagnostics/calibration.py", "io/images.py", "model.py"),
)
"""The rooms, and files of others, whose code and data decide a score."""

GROWING = ("specs", "words")
"""What a later part of a run may add to."""

PACKAGED = "packaged"
"""What stands for the hash of words that are no file's."""

UNCOMPARED = "model path"
"""What two parts of one run may differ in where there are weights: a model is known by these, wherever it lies."""


def describe_run(
    settings: ScorerSettings, benchmarks: Sequence[Benchmark], root: Path, limit: int | None
) -> EvaluationRun:
    """Everything that decides the counts of a run."""
    return EvaluationRun(
        **vars(settings),
        data_root=str(root.resolve()),
        limit=limit,
        specs={benchmark.key: spec_hash(benchmark) for benchmark in benchmarks},
        code=CodeVersion(__version__, source_hash(), torch.__version__, version("timm")),
    )


def settings_of(
    model: ScoredModel, segmenter: Segmenter, benchmarks: Sequence[Benchmark], wordings: Sequence[Wording]
) -> ScorerSettings:
    """How a model segments, and the words that each vocabulary, by its name as in the counts, gives its classes."""
    words = {
        f"{vocabulary_name(names)} for {benchmark.key}": _words_hash(benchmark, names)
        for names in sorted({wording.names for wording in wordings})
        for benchmark in benchmarks
    }
    return ScorerSettings(model, segmenter.protocol, "bfloat16" if segmenter.half_precision else "float32", words)


def _words_hash(benchmark: Benchmark, names: str) -> str:
    """That of a file's words; those of the package stand in the hashes of its code and of the benchmark already."""
    return _hash(repr(words_of(benchmark, names)).encode()) if is_yaml(names) else PACKAGED


def spec_hash(benchmark: Benchmark) -> str:
    """A hash of all that decides a score in a benchmark's description: not of what is there for people."""
    return _hash(repr(replace(benchmark, title="", source="", obtain="")).encode())


def source_hash() -> str:
    """A hash of the code and data that decide a score."""
    digest, package = hashlib.sha256(), Path(str(files("simzss")))
    for place in (package / name for name in DECIDING):
        found = sorted(path for path in place.rglob("*") if path.suffix in {".py", ".yaml"}) or [place]
        for path in found:
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def claim(output: Path, run: EvaluationRun) -> EvaluationRun:
    """Make a folder this run's own, or find that it already is; the run with every benchmark claimed so far.

    Raises:
        UserError: If the folder holds a run of other settings (the first difference is named) or cannot be written to.
    """
    path = output / RUN
    if path.is_file():
        earlier = load_json(ClaimedRun, path, WRITER)
        if difference := _changed_setting(to_plain(earlier), to_plain(run) | {"checksum": earlier.checksum}):
            raise UserError(
                f"{output} holds a run with another {difference}; give another --output, or delete that folder"
            )
        if earlier.checksum not in {None, checksum_of(earlier)}:
            raise UserError(f"{path} has changed since it was written; give another --output, or delete that folder")
        run = replace(run, **{key: getattr(earlier, key) | getattr(run, key) for key in GROWING})
    elif (output / "counts").exists():
        raise UserError(f"{output} holds counts without {RUN}, which tells their settings; give another --output")
    claimed = ClaimedRun(**vars(run))
    write_json(path, replace(claimed, checksum=checksum_of(claimed)), writer=f".{rank()}")
    return run


def _changed_setting(old: Mapping[str, Any], new: Mapping[str, Any], where: str = "") -> str | None:
    """The first key, with its parents, on which two records differ. Benchmarks or words of one alone do not count."""
    growing = where.strip() in GROWING
    for key in [key for key in new if key in old] if growing else dict.fromkeys([*new, *old]):
        before, after = old.get(key), new.get(key)
        if f"{where}{key}" == UNCOMPARED and new.get("weights") is not None:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            if inner := _changed_setting(before, after, f"{where}{key} "):
                return inner
        elif before != after:
            return f"{where}{key} ({before} instead of {after})"
    return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
