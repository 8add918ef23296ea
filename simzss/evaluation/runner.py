"""A model as the source of label maps: class names become vectors, an image's windows go through the backbone once.

Benchmarks that share images share one pass of the backbone, and so do several wordings of their classes. Images are
decoded ahead in background threads, windows go through the backbone in full batches. `simzss.evaluation.resumable`
keeps the counts on disk.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import tee
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from simzss.evaluation.dataset import Sample, list_stems
from simzss.evaluation.spec import Benchmark
from simzss.evaluation.task import BenchmarkResult, Column, LabelMap, Task, choose, counts_folder, totals
from simzss.evaluation.wordings import Wording, embed_wordings, name_of
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.segmenter import PreparedImage, Segmenter

Patches = Float[Tensor, "windows rows columns dim"]
Reading = Callable[[PreparedImage, Patches], LabelMap]
"""A label map from the patches of an image."""


@dataclass(frozen=True)
class Extra:
    """A further label map from the same patches, in which no class names have a part."""

    folder: str
    """Below the output of a run; its counts go into one folder per benchmark there."""
    values: int
    read: Callable[[Segmenter, PreparedImage, Patches], LabelMap]


@dataclass(frozen=True)
class ModelScorer:
    """Scores a model, under several wordings of the classes if asked to, in one pass of its backbone."""

    segmenter: Segmenter
    wordings: Sequence[Wording] = ()
    """The first leads the results; without any, that of the segmenter's protocol."""
    extras: Sequence[Extra] = ()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.segmenter.device

    def task(self, benchmarks: Sequence[Benchmark], root: Path, stems: Sequence[str]) -> Task:
        """One column per benchmark and wording, then one per benchmark and extra."""
        wordings = list(self.wordings) or [self.segmenter.protocol]
        pairs = [(benchmark, wording) for benchmark in benchmarks for wording in wordings]
        vocabularies = [each.to(self.device) for each in embed_wordings(self.segmenter.model, pairs)]
        columns = [
            column_of(*pair, vocabulary, wordings[0]) for pair, vocabulary in zip(pairs, vocabularies, strict=True)
        ]
        readings: list[Reading] = [partial(self.segmenter.label_map, classes=each) for each in vocabularies]
        for extra in self.extras:
            columns += [Column(benchmark, f"{extra.folder}/{benchmark.key}", extra.values) for benchmark in benchmarks]
            readings += [partial(extra.read, self.segmenter)] * len(benchmarks)
        return task_of(self.segmenter, columns, readings, root, stems)


def column_of(benchmark: Benchmark, wording: Wording, vocabulary: ClassEmbeddings, leading: Wording) -> Column:
    """The column of a benchmark under a wording; the leading one has the benchmark's plain folder."""
    classes = len(benchmark.names)
    values = classes + 1 if bool((vocabulary.class_ids == classes).any()) else classes  # one more for distractors
    name = name_of(wording)
    folder = counts_folder(benchmark.key, "" if wording == leading else name)
    return Column(benchmark, folder, values, name)


def task_of(
    segmenter: Segmenter, columns: Sequence[Column], readings: Sequence[Reading], root: Path, stems: Sequence[str]
) -> Task:
    """Columns whose label maps are read from the same patches."""
    return Task(columns, partial(read_patches, segmenter, readings), root, stems, segmenter.device)


def read_patches(
    segmenter: Segmenter, readings: Sequence[Reading], samples: Iterable[Sample]
) -> Iterator[tuple[Sample, list[LabelMap]]]:
    """One label map per reading for every sample, from one pass of the backbone."""
    to_embed, to_score = tee(samples)
    prepared = (segmenter.prepare(torch.from_numpy(sample.image)) for sample in to_embed)
    for sample, (image, features) in zip(to_score, segmenter.embed(prepared), strict=True):
        yield sample, [read(image, features) for read in readings]


def class_sets_task(
    segmenter: Segmenter,
    benchmarks: Sequence[Benchmark],
    class_sets: Sequence[ClassEmbeddings],
    root: Path,
    stems: Sequence[str],
) -> Task:
    """One column per benchmark and its class vectors, wherever these come from."""
    columns = [Column.of_classes(benchmark, str(number)) for number, benchmark in enumerate(benchmarks)]
    readings = [partial(segmenter.label_map, classes=each.to(segmenter.device)) for each in class_sets]
    return task_of(segmenter, columns, readings, root, stems)


def evaluate_benchmark(
    segmenter: Segmenter,
    benchmark: Benchmark,
    root: Path,
    *,
    classes: ClassEmbeddings | None = None,
    limit: int | None = None,
) -> BenchmarkResult:
    """Evaluate one benchmark in memory, shared by all processes; `classes` in place of the embeddings of its names.

    Raises:
        UserError: If the data does not fit the benchmark.
    """
    stems = list_stems(benchmark, root)
    chosen = classes or class_embeddings_for(segmenter, benchmark)
    task = class_sets_task(segmenter, [benchmark], [chosen], root, choose(stems, limit))
    return totals(task, stems)[0]


def class_embeddings_for(segmenter: Segmenter, benchmark: Benchmark) -> ClassEmbeddings:
    """The class vectors of a benchmark, from its names in the words of the protocol."""
    return embed_wordings(segmenter.model, [(benchmark, segmenter.protocol)])[0].to(segmenter.device)
