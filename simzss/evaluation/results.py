"""What an evaluation leaves behind: `run.json` (all that decided the counts) and `results.json` (that and the scores).

Fractions are unrounded; what is no number is null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, replace
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

from simzss.evaluation.mentions import MentionScores
from simzss.evaluation.metrics import Scores, number_or_none
from simzss.evaluation.spec import STANDARD
from simzss.evaluation.task import BenchmarkResult
from simzss.evaluation.vocabularies import renames
from simzss.io.config import configuration
from simzss.io.records import load_json
from simzss.segmentation.protocol import SegmentationProtocol

RESULTS, RUN = "results.json", "run.json"
WRITER = "simzss evaluate"


@configuration
class BankFacts:
    """The concepts that a model was trained with."""

    kind: str
    hash: str
    concepts: int


@configuration
class ScoredModel:
    """Which weights, on which backbone, trained with which concepts; label maps from files have a path alone."""

    path: str
    weights: str | None = None
    """Hash of the trained ones; of a plug-in's with its settings."""
    plugin: str | None = None
    """The name of another package's model."""
    backbone: str | None = None
    backbone_weights: str | None = None
    objective: str | None = None
    bank: BankFacts | None = None


@configuration
class ScorerSettings:
    """Where label maps come from, and all that decides them but the images."""

    model: ScoredModel
    protocol: SegmentationProtocol | None
    """None for label maps from files."""
    precision: str | None
    words: dict[str, str]
    """By vocabulary and benchmark, hashes of the words that files of one's own give to classes."""
    prediction_ids: str | None = None
    """What the values of label maps from files are."""
    prediction_table: str | None = None
    """Hash of the file that says so, where one does."""


@configuration
class CodeVersion:
    """The code that decides a score."""

    simzss: str
    source: str
    """Hash of the rooms that decide one."""
    torch: str
    timm: str


@configuration
class EvaluationRun(ScorerSettings):
    """All that decides the counts of a run."""

    _: KW_ONLY
    data_root: str
    limit: int | None
    specs: dict[str, str]
    """Hashes of the benchmarks' descriptions."""
    code: CodeVersion


@configuration
class ClaimedRun(EvaluationRun):
    """What `run.json` holds."""

    checksum: str | None = None
    """Of all other keys; None in runs from before there was one."""


@configuration
class MeanScores:
    """Scores of a benchmark, in [0, 1]."""

    miou: float | None
    pixel_accuracy: float | None
    mean_accuracy: float | None
    frequency_weighted_iou: float | None


@configuration
class ClassScores:
    """Scores of a class, in [0, 1]."""

    iou: float | None
    accuracy: float | None
    pixels: int
    """Labelled ones."""


@configuration
class BenchmarkScores(MeanScores):
    """All there is to say of a benchmark."""

    title: str
    images: int
    images_expected: int | None
    limited: bool
    """Whether only some of its images were looked at."""
    names: str
    """The variant of class names that was used."""
    jaccard: float | None
    """How well groups fit that were made without any text, where that was asked for."""
    wordings: dict[str, MeanScores]
    """The scores under every wording of the classes; the leading one is the benchmark's own."""
    classes: dict[str, ClassScores]
    mentions: MentionScores | None = None
    """IoU by mentions in the training captions, where that was asked for."""

    @property
    def class_iou(self) -> dict[str, float | None]:
        """IoU by class."""
        return {name: each.iou for name, each in self.classes.items()}

    @property
    def range(self) -> tuple[float, float] | None:
        """The lowest and the highest mIoU over the wordings, if there are several with one."""
        scores = [each.miou for each in self.wordings.values() if each.miou is not None]
        return (min(scores), max(scores)) if len(scores) > 1 else None


@configuration
class EvaluationResults(EvaluationRun):
    """A run and its scores."""

    _: KW_ONLY
    benchmarks: dict[str, BenchmarkScores]
    limited: bool
    seconds: float
    """What the last part of the run took."""

    @property
    def is_grouped(self) -> bool:
        """Whether groups were made for a benchmark."""
        return any(scores.jaccard is not None for scores in self.benchmarks.values())


def results_of(
    run: EvaluationRun,
    results: Sequence[BenchmarkResult],
    seconds: float,
    jaccards: Mapping[str, float] = MappingProxyType({}),
) -> EvaluationResults:
    """All there is to say about a run.

    Args:
        run: What decided its counts.
        results: Those of one benchmark one after the other, the leading wording first.
        seconds: What this part of the run took.
        jaccards: How well groups fit, by benchmark, where that was asked for.
    """
    benchmarks: dict[str, BenchmarkScores] = {}
    for key, group in groupby(results, key=lambda result: result.benchmark.key):
        leading, *others = group
        wordings = {each.wording: mean_scores(each.scores) for each in (leading, *others) if each.wording}
        benchmarks[key] = _benchmark_scores(leading, run.protocol, jaccards.get(key), wordings)
    limited = any(result.limited for result in results)
    return EvaluationResults(**vars(run), benchmarks=benchmarks, limited=limited, seconds=seconds)


def load_results(folder: Path) -> EvaluationResults:
    """Read the results of a run.

    Raises:
        UserError: If the folder holds none, or they are damaged.
    """
    return load_json(EvaluationResults, folder / RESULTS, WRITER)


def with_earlier(output: Path, results: EvaluationResults) -> EvaluationResults:
    """The results together with those that the same run, claimed before, wrote for other benchmarks or other scores.

    Raises:
        UserError: If what was written is damaged.
    """
    if not (output / RESULTS).is_file():
        return results
    earlier = load_results(output).benchmarks
    benchmarks = {key: scores for key, scores in earlier.items() if key in results.specs}
    for key, scores in results.benchmarks.items():
        benchmarks[key] = _joined(benchmarks[key], scores) if key in benchmarks else scores
    return replace(results, benchmarks=benchmarks, limited=any(each.limited for each in benchmarks.values()))


def _joined(before: BenchmarkScores, scores: BenchmarkScores) -> BenchmarkScores:
    """Scores with what was asked of the same images before: groups, other wordings, mentions."""
    if replace(before, jaccard=scores.jaccard, wordings=scores.wordings, mentions=scores.mentions) != scores:
        return scores
    jaccard = before.jaccard if scores.jaccard is None else scores.jaccard
    mentions = scores.mentions or before.mentions
    return replace(scores, jaccard=jaccard, wordings=before.wordings | scores.wordings, mentions=mentions)


def _benchmark_scores(
    result: BenchmarkResult,
    protocol: SegmentationProtocol | None,
    jaccard: float | None,
    wordings: dict[str, MeanScores],
) -> BenchmarkScores:
    scores, benchmark = result.scores, result.benchmark
    columns = (scores.class_iou, scores.class_accuracy, scores.class_pixels)
    renamed = protocol is not None and renames(benchmark, protocol.names)
    return BenchmarkScores(
        **vars(mean_scores(scores)),
        title=benchmark.title,
        images=result.images,
        images_expected=benchmark.count,
        limited=result.limited,
        names=protocol.names if protocol and renamed else STANDARD,
        jaccard=number_or_none(jaccard),
        wordings=wordings,
        classes={
            name: ClassScores(number_or_none(iou), number_or_none(accuracy), int(pixels))
            for name, iou, accuracy, pixels in zip(benchmark.names, *columns, strict=True)
        },
    )


def mean_scores(scores: Scores) -> MeanScores:
    """The scores over all classes."""
    return MeanScores(
        number_or_none(scores.miou),
        number_or_none(scores.pixel_accuracy),
        number_or_none(scores.mean_accuracy),
        number_or_none(scores.frequency_weighted_iou),
    )
