"""Background and "none of these": the threshold chosen on a training split, and what can be said without any threshold.

One histogram by the best score of a pixel holds all of it: of every bin and class, the pixels that are right, are said
to be of the class, and are of it.

- For every threshold these are sums of bins (below it a pixel is background), so the curve of mIoU against the
  threshold is exact at the edges of the bins, from one pass over the images.
- *Area under the ROC* of "is this pixel any of the named classes": the chance that a named pixel scores higher than
  one of the background, ties counting half. It depends on no threshold.
- *Risk against coverage* (El-Yaniv & Wiener, JMLR 2010): where only the best-scored share of all pixels is answered,
  the share of these that is wrong; with the best foreground class as the answer.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import tee
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from simzss.errors import UserError
from simzss.evaluation.dataset import read_ahead, read_sample
from simzss.evaluation.labels import IGNORE
from simzss.evaluation.metrics import intersection_over_union, mean_over_classes
from simzss.evaluation.spec import Benchmark
from simzss.evaluation.wordings import Wording, embed_wordings
from simzss.segmentation.label_map import ClassEmbeddings, Winners
from simzss.segmentation.protocol import Activation, BackgroundRule, SegmentationProtocol
from simzss.segmentation.segmenter import Segmenter

BINS = 400

ByBin = Int64[np.ndarray, "bins classes"]


@dataclass(frozen=True)
class ScoreHistogram:
    """Pixels by their best score: how many are right, are said to be of a class, and are of it."""

    right: ByBin
    predicted: ByBin
    labelled: ByBin
    edges: Float64[np.ndarray, " bins_and_one"]
    """Of the bins; a score belongs to the bin whose upper edge it does not exceed."""

    def class_iou(self) -> Float64[np.ndarray, "bins_and_one classes"]:
        """IoU of every class at every edge as the threshold; a pixel whose best score does not exceed it is class 0."""
        right, predicted = _above(self.right), _above(self.predicted)
        labelled = np.broadcast_to(self.labelled.sum(axis=0), right.shape)
        missed = np.concatenate([np.zeros((1, labelled.shape[1]), dtype=np.int64), self.labelled.cumsum(axis=0)])
        right[:, 0] += missed[:, 0]
        predicted[:, 0] += missed.sum(axis=1)
        return intersection_over_union(right, labelled, predicted)

    def class_iou_at(self, threshold: float | None) -> Float64[np.ndarray, " classes"]:
        """IoU of every class at the edge next to a threshold; without one every pixel is of its best class."""
        if threshold is not None:
            return self.class_iou()[np.abs(self.edges - threshold).argmin()]
        return intersection_over_union(*(part.sum(axis=0) for part in (self.right, self.labelled, self.predicted)))

    def curve(self) -> Float64[np.ndarray, " bins_and_one"]:
        """MIoU at every edge as the threshold."""
        return mean_over_classes(self.class_iou())

    def best(self) -> tuple[float, float]:
        """The threshold of the highest mIoU, the lowest of several, and that mIoU.

        Raises:
            UserError: If no pixel is labelled.
        """
        curve = self.curve()
        if np.isnan(curve).all():
            raise UserError("no pixel of these images is labelled, so that no threshold decides anything: give others")
        index = int(np.nanargmax(curve))
        return float(self.edges[index]), float(curve[index])

    def miou(self, threshold: float | None) -> float:
        """The mean of `class_iou_at`."""
        return float(mean_over_classes(self.class_iou_at(threshold)))

    def auroc(self) -> float:
        """Chance that a pixel of a named class scores higher than one of the background; NaN where one kind lacks."""
        background, named = self.labelled[:, 0], self.labelled[:, 1:].sum(axis=1)
        below = np.concatenate([[0], np.cumsum(background)[:-1]])
        pairs = float(background.sum()) * float(named.sum())
        return float((named * (below + background / 2)).sum() / pairs) if pairs else float("nan")

    def risk_coverage(self) -> tuple[Float64[np.ndarray, " bins"], Float64[np.ndarray, " bins"]]:
        """Share of the pixels answered, from the best-scored on, and the share of these that is wrong."""
        answered = self.labelled.sum(axis=1)[::-1].cumsum()
        right = self.right.sum(axis=1)[::-1].cumsum()
        known = answered > 0
        return answered[known] / max(1, answered[-1]), 1 - right[known] / answered[known]

    def risk(self, coverage: float) -> float:
        """The share that is wrong among so many of the best-scored pixels, or the fewest more that bins can part."""
        shares, risks = self.risk_coverage()
        return float(risks[np.argmax(shares >= coverage)]) if len(shares) else float("nan")


def gather_scores(segmenter: Segmenter, benchmark: Benchmark, root: Path, stems: Sequence[str]) -> ScoreHistogram:
    """The histogram of some images of a benchmark with a background, in the words of the protocol.

    Raises:
        UserError: If the benchmark has no background to find.
    """
    classes = foreground(segmenter, benchmark, [segmenter.protocol])
    return gather_histograms(segmenter, benchmark, classes, score_images(segmenter, benchmark, root, stems, classes))[0]


@dataclass(frozen=True)
class ScoredImage:
    """An image's truth, and the winners that each of some class sets gives."""

    stem: str
    truth: Int[Tensor, "height width"]
    winners: Sequence[Winners]


def score_images(
    segmenter: Segmenter, benchmark: Benchmark, root: Path, stems: Sequence[str], class_sets: Sequence[ClassEmbeddings]
) -> Iterator[ScoredImage]:
    """The winners of every class set on every image, from one pass of the backbone."""
    to_embed, to_score = tee(read_ahead(partial(read_sample, [benchmark], root), stems, threads=4))
    prepared = (segmenter.prepare(torch.from_numpy(sample.image)) for sample in to_embed)
    for sample, (image, features) in zip(to_score, segmenter.embed(prepared), strict=True):
        truth = torch.from_numpy(sample.labels[0]).to(segmenter.device).long()
        found = [image.merger.winners(segmenter.scores(image, features, each), each) for each in class_sets]
        yield ScoredImage(sample.stem, truth, found)


def gather_histograms(
    segmenter: Segmenter, benchmark: Benchmark, class_sets: Sequence[ClassEmbeddings], images: Iterable[ScoredImage]
) -> list[ScoreHistogram]:
    """One histogram per class set over some images."""
    edges, count = edges_of(segmenter.protocol), len(benchmark.names)
    upper = torch.tensor(edges[1:-1], dtype=torch.float32, device=segmenter.device)
    counts = np.zeros((len(class_sets), 3, BINS, count), dtype=np.int64)
    for image in images:
        counts += np.stack([_by_bin(found, image.truth, upper, count).cpu().numpy() for found in image.winners])
    return [ScoreHistogram(right, predicted, labelled, edges) for right, predicted, labelled in counts]


def _by_bin(
    found: Winners, truth: Int[Tensor, "height width"], upper: Float[Tensor, " edges"], count: int
) -> Int64[Tensor, "3 bins classes"]:
    """Right, predicted and labelled pixels of an image by bin and class; a distractor is no class."""
    counted = truth != IGNORE
    truth, labels = truth[counted], found.labels[counted]
    bins = torch.bucketize(found.scores[counted], upper)
    named = labels < count
    right = truth == labels
    cells = [(bins * count + labels)[right], (bins * count + labels)[named], bins * count + truth]
    return torch.stack([torch.bincount(each, minlength=BINS * count).view(BINS, count) for each in cells])


def _above(by_bin: ByBin) -> Int64[np.ndarray, "bins_and_one classes"]:
    """For every edge the sum over the bins above it."""
    sums = by_bin[::-1].cumsum(axis=0)[::-1]
    return np.concatenate([sums, np.zeros_like(sums[:1])])


def edges_of(protocol: SegmentationProtocol) -> Float64[np.ndarray, " bins_and_one"]:
    """The edges of the bins: over all that a score can be."""
    if protocol.activation is Activation.SIGMOID:
        return np.linspace(0.0, 1.0, BINS + 1)
    reach = 1.0 + protocol.image_context  # of a patch, and so many times of the mean patch
    return np.linspace(-reach, reach, BINS + 1)


def foreground(segmenter: Segmenter, benchmark: Benchmark, wordings: Sequence[Wording]) -> list[ClassEmbeddings]:
    """The foreground classes under some wordings, each with its background by threshold, without the threshold.

    Raises:
        UserError: If the benchmark has no background, or a wording finds it by words.
    """
    if not benchmark.background:
        raise UserError(
            f"{benchmark.key} has no background, so that no threshold decides anything; take another benchmark"
        )
    if by_words := [each.name for each in wordings if each.background is not BackgroundRule.THRESHOLD]:
        raise UserError(f"protocol {by_words[0]} finds the background by words; give one with a threshold")
    return without_threshold(segmenter, benchmark, wordings)


def without_threshold(segmenter: Segmenter, benchmark: Benchmark, wordings: Sequence[Wording]) -> list[ClassEmbeddings]:
    """The class vectors of a benchmark under some wordings; every pixel is of its best class."""
    found = embed_wordings(segmenter.model, [(benchmark, wording) for wording in wordings])
    return [ClassEmbeddings(each.queries, each.class_ids).to(segmenter.device) for each in found]
