"""Background and "none of these": the threshold chosen on a training split, and what can be said without any threshold.

One histogram holds all of it: how many pixels have a best foreground class c, a truth t and a best score in bin b.

- For every threshold the confusion matrix is a sum of bins (below it a pixel is background), so the curve of mIoU
  against the threshold is exact at the edges of the bins, from one pass over the images.
- *Area under the ROC* of "is this pixel any of the named classes": the chance that a named pixel scores higher than
  one of the background, ties counting half. It depends on no threshold.
- *Risk against coverage* (El-Yaniv & Wiener, JMLR 2010): where only the best-scored share of all pixels is answered,
  the share of these that is wrong; with the best foreground class as the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import tee
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64

from simzss.errors import UserError
from simzss.evaluation.dataset import read_ahead, read_sample
from simzss.evaluation.labels import IGNORE
from simzss.evaluation.metrics import Matrix, scores_of
from simzss.evaluation.spec import Benchmark
from simzss.evaluation.wordings import embed_wordings
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.protocol import Activation, BackgroundRule, SegmentationProtocol
from simzss.segmentation.segmenter import Segmenter

BINS = 400


@dataclass(frozen=True)
class ScoreHistogram:
    """Pixels by their best score, their truth and their best foreground class."""

    pixels: Int64[np.ndarray, "bins classes classes"]
    edges: Float64[np.ndarray, " bins_and_one"]
    """Of the bins; a score belongs to the bin whose upper edge it does not exceed."""

    def matrix(self, bins: int) -> Matrix:
        """The confusion matrix where pixels of the first so many bins are background."""
        matrix = self.pixels[bins:].sum(axis=0)
        matrix[:, 0] += self.pixels[:bins].sum(axis=(0, 2))
        return matrix

    def curve(self) -> Float64[np.ndarray, " bins_and_one"]:
        """MIoU at every edge as the threshold."""
        return np.array([scores_of(self.matrix(bins)).miou for bins in range(len(self.edges))])

    def best(self) -> tuple[float, float]:
        """The threshold of the highest mIoU, the lowest of several, and that mIoU."""
        curve = self.curve()
        index = int(np.nanargmax(curve))
        return float(self.edges[index]), float(curve[index])

    def auroc(self) -> float:
        """Chance that a pixel of a named class scores higher than one of the background; NaN where one kind lacks."""
        background, named = self.pixels[:, 0].sum(axis=1), self.pixels[:, 1:].sum(axis=(1, 2))
        below = np.concatenate([[0], np.cumsum(background)[:-1]])
        pairs = float(background.sum()) * float(named.sum())
        return float((named * (below + background / 2)).sum() / pairs) if pairs else float("nan")

    def risk_coverage(self) -> tuple[Float64[np.ndarray, " bins"], Float64[np.ndarray, " bins"]]:
        """Share of the pixels answered, from the best-scored on, and the share of these that is wrong."""
        answered = self.pixels.sum(axis=(1, 2))[::-1].cumsum()
        right = np.trace(self.pixels, axis1=1, axis2=2)[::-1].cumsum()
        known = answered > 0
        return answered[known] / answered[-1], 1 - right[known] / answered[known]


def gather_scores(segmenter: Segmenter, benchmark: Benchmark, root: Path, stems: Sequence[str]) -> ScoreHistogram:
    """The histogram of some images of a benchmark with a background.

    Raises:
        UserError: If the benchmark has no background to find.
    """
    if not benchmark.background:
        raise UserError(
            f"{benchmark.key} has no background, so that no threshold decides anything; take another benchmark"
        )
    classes, edges, count = _without_threshold(segmenter, benchmark), edges_of(segmenter.protocol), len(benchmark.names)
    counts = torch.zeros(BINS * count * count, dtype=torch.int64, device=segmenter.device)
    upper = torch.tensor(edges[1:-1], dtype=torch.float32, device=segmenter.device)
    to_embed, to_score = tee(read_ahead(partial(read_sample, [benchmark], root), stems, threads=4))
    prepared = (segmenter.prepare(torch.from_numpy(sample.image)) for sample in to_embed)
    for sample, (image, features) in zip(to_score, segmenter.embed(prepared), strict=True):
        found = image.merger.winners(segmenter.scores(image, features, classes), classes)
        truth = torch.from_numpy(sample.labels[0]).to(segmenter.device).long()
        counted = truth != IGNORE
        bins = torch.bucketize(found.scores[counted], upper)
        cells = (bins * count + truth[counted]) * count + found.labels[counted]
        counts += torch.bincount(cells, minlength=len(counts))
    return ScoreHistogram(counts.view(BINS, count, count).cpu().numpy(), edges)


def edges_of(protocol: SegmentationProtocol) -> Float64[np.ndarray, " bins_and_one"]:
    """The edges of the bins: over all that a score can be."""
    lowest = 0.0 if protocol.activation is Activation.SIGMOID else -1.0
    return np.linspace(lowest, 1.0, BINS + 1)


def _without_threshold(segmenter: Segmenter, benchmark: Benchmark) -> ClassEmbeddings:
    """The foreground classes of the words of the protocol."""
    if segmenter.protocol.background is not BackgroundRule.THRESHOLD:
        raise UserError(f"protocol {segmenter.protocol.name} finds the background by words; give one with a threshold")
    found = embed_wordings(segmenter.model, [(benchmark, segmenter.protocol)])[0].to(segmenter.device)
    return ClassEmbeddings(found.queries, found.class_ids)
