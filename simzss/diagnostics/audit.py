"""What a model's score owes to words and to the background rule: every combination of them, from one pass.

Published scores move by many points with choices that papers often do not state. An audit measures them side by side:
word lists (distractors and nonsense among them) x prompts x class token, and, where the benchmark has a background,
three ways to find it:

- by a threshold, chosen for every wording on a training split, never on the images that are scored;
- by words of its own, a class like any other;
- without any rule: the area under the ROC of "is this pixel any of the named classes", and risk against coverage.

A row is a wording (vocabulary, prompts, token); one histogram of its best scores gives all of it but the words for the
background (`simzss.diagnostics.calibration`). The rows that differ from the leading one in one choice only are compared
with it by a paired bootstrap over images, corrected for their number (`simzss.evaluation.bootstrap`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from simzss.diagnostics.calibration import (
    ScoredImage,
    ScoreHistogram,
    foreground,
    gather_histograms,
    score_images,
    without_threshold,
)
from simzss.errors import UserError
from simzss.evaluation.bootstrap import parts_of
from simzss.evaluation.comparison import Comparison, comparison_of, corrected
from simzss.evaluation.counts import ImageCounts
from simzss.evaluation.metrics import contingency
from simzss.evaluation.spec import Benchmark
from simzss.evaluation.task import Watch, unwatched
from simzss.evaluation.thresholds import image_hashes
from simzss.evaluation.wordings import Wording, name_of
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.protocol import BackgroundRule
from simzss.segmentation.segmenter import Segmenter

BY_WORDS = "background by words"
"""What the leading row is called when its background is found by words."""


@dataclass(frozen=True)
class Images:
    """Images of a benchmark."""

    benchmark: Benchmark
    root: Path
    stems: Sequence[str]


@dataclass(frozen=True)
class Row:
    """A wording, scored. Fractions; None where the benchmark has no background."""

    wording: Wording
    """With the threshold that was chosen for it."""
    histogram: ScoreHistogram
    """Over the foreground classes, where there is a background."""
    by_words: float | None
    """MIoU with words for the background."""

    @property
    def threshold(self) -> float | None:
        """Against the background, chosen on the training split."""
        return None if self.by_words is None else self.wording.threshold

    @property
    def miou(self) -> float:
        """With the background by threshold."""
        return self.histogram.miou(self.threshold)

    @property
    def at_best(self) -> float | None:
        """MIoU at the threshold that suits the scored images best: out of reach, since nobody may choose on these."""
        return None if self.by_words is None else self.histogram.best()[1]

    @property
    def auroc(self) -> float | None:
        """Of "is this pixel any of the named classes"."""
        return None if self.by_words is None else self.histogram.auroc()


@dataclass(frozen=True)
class Audit:
    """All rows; the first leads."""

    scored: Images
    calibrated_on: Images | None
    rows: Sequence[Row]
    comparisons: Sequence[Comparison]
    """Of the rows that differ from the first in one choice, and of the first with words for its background."""


def audit(
    segmenter: Segmenter,
    wordings: Sequence[Wording],
    scored: Images,
    training: Images | None,
    watch: Watch = unwatched,
) -> Audit:
    """Score every wording; one pass over the training split, where there is one, and one over the scored images.

    Raises:
        UserError: If the benchmark has a background and no training split is given, or one with other classes or a
            scored image.
    """
    benchmark = scored.benchmark
    if not benchmark.background:
        sets = without_threshold(segmenter, benchmark, wordings)
        return _score(segmenter, wordings, sets, None, scored, None, watch)
    if training is None:
        raise UserError(
            f"{benchmark.key} has a background: give a training split, or a benchmark, to choose thresholds"
        )
    if training.benchmark.names != benchmark.names:
        raise UserError(
            f"{training.benchmark.key} has other classes than {benchmark.key}; choose thresholds on the same"
        )
    if shared := set(_hashes(training)) & set(_hashes(scored)):
        raise UserError(f"{len(shared)} of the images are in the training split, too; choose thresholds on others")
    by_threshold = [replace(each, background=BackgroundRule.THRESHOLD) for each in wordings]
    sets = foreground(segmenter, benchmark, by_threshold)
    watched = watch(_images(segmenter, training, sets), "thresholds", len(training.stems))
    found = gather_histograms(segmenter, training.benchmark, sets, watched)
    chosen = [replace(each, threshold=h.best()[0]) for each, h in zip(by_threshold, found, strict=True)]
    words = without_threshold(
        segmenter, benchmark, [replace(each, background=BackgroundRule.WORDS) for each in wordings]
    )
    return _score(segmenter, chosen, sets, words, scored, training, watch)


def single_choices(wordings: Sequence[Wording]) -> list[int]:
    """The first wording, and those that differ from it in one of vocabulary, prompts and token."""
    first, axes = wordings[0], ("names", "templates", "class_token")
    return [
        i for i, each in enumerate(wordings) if sum(getattr(each, axis) != getattr(first, axis) for axis in axes) <= 1
    ]


def _score(
    segmenter: Segmenter,
    wordings: Sequence[Wording],
    sets: Sequence[ClassEmbeddings],
    words: Sequence[ClassEmbeddings] | None,
    scored: Images,
    training: Images | None,
    watch: Watch,
) -> Audit:
    benchmark, every = scored.benchmark, [*sets, *(words or [])]
    tallies = _Tallies(wordings, words is not None, len(benchmark.names))
    watched = watch(_images(segmenter, scored, every), "scores", len(scored.stems))
    found = gather_histograms(segmenter, benchmark, every, tallies.listen(watched))
    by_words = [h.miou(None) for h in found[len(sets) :]] if words else [None] * len(sets)
    rows = [Row(*each) for each in zip(wordings, found, by_words, strict=False)]
    return Audit(scored, training, rows, tallies.comparisons(benchmark))


class _Tallies:
    """The counts of every image, of the class sets that are compared with the first."""

    def __init__(self, wordings: Sequence[Wording], with_words: bool, classes: int) -> None:
        self.classes = classes
        chosen = single_choices(wordings)
        self.titles = [name_of(wordings[index]) for index in chosen]
        self.thresholds = [wordings[index].threshold if with_words else None for index in chosen]
        self.places = list(chosen)
        if with_words:
            self.titles, self.thresholds = [*self.titles, BY_WORDS], [*self.thresholds, None]
            self.places.append(len(wordings))  # the first of the sets with words for the background
        self.counts: list[list[ImageCounts]] = [[] for _ in self.places]

    def listen(self, images: Iterable[ScoredImage]) -> Iterator[ScoredImage]:
        """Pass images on, counting."""
        for image in images:
            for own, place, threshold in zip(self.counts, self.places, self.thresholds, strict=True):
                found = image.winners[place]
                labels = found.labels
                if threshold is not None:
                    labels = labels.masked_fill(found.scores <= torch.tensor(threshold, dtype=torch.float32), 0)
                matrix = contingency(labels, image.truth, self.classes, self.classes + 1).cpu().numpy()
                own.append(ImageCounts.of_matrix(image.stem, matrix))
            yield image

    def comparisons(self, benchmark: Benchmark) -> list[Comparison]:
        """Every further one with the first, corrected for their number."""
        first, *others = (parts_of(own, self.classes) for own in self.counts)
        pairs = zip(self.titles[1:], others, strict=True)
        return corrected([comparison_of(benchmark.key, title, benchmark.names, first, own) for title, own in pairs])


def _images(segmenter: Segmenter, images: Images, sets: Sequence[ClassEmbeddings]) -> Iterator[ScoredImage]:
    return score_images(segmenter, images.benchmark, images.root, images.stems, sets)


def _hashes(images: Images) -> tuple[str, ...]:
    return image_hashes(images.benchmark, images.root, images.stems)
