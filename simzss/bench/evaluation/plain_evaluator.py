"""The protocol done the plain way: what other evaluators do, and what ours must agree with.

One image at a time, one window at a time, a canvas of every class at the resized and again at the full resolution, and
a pass of the backbone for every benchmark. Kept readable, never used for results: tests hold the segmenter against it,
and `simzss bench evaluate` says how much faster the segmenter is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_confusion_matrix

from simzss.evaluation.dataset import read_sample
from simzss.evaluation.labels import IGNORE
from simzss.evaluation.spec import Benchmark
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.resize import Size
from simzss.segmentation.segmenter import Segmenter
from simzss.segmentation.sliding_window import WindowLayout


def reference_canvas(
    scores: Float[Tensor, "windows queries rows columns"], layout: WindowLayout, original: Size, *, align_corners: bool
) -> Float[Tensor, "queries height width"]:
    """Upsample, cut the padding away, add, divide by the cover, resize."""
    rows, columns = layout.rows, layout.columns
    canvas = scores.new_zeros(scores.shape[1], rows.length, columns.length)
    cover = scores.new_zeros(rows.length, columns.length)
    places = [(top, left) for top in rows.starts for left in columns.starts]
    for window, (top, left) in zip(scores, places, strict=True):
        padded = (rows.padded, columns.padded)
        upsampled = functional.interpolate(window[None], padded, mode="bilinear", align_corners=align_corners)[0]
        inside = upsampled[:, rows.before :, columns.before :][:, : rows.window, : columns.window]
        canvas[:, top : top + rows.window, left : left + columns.window] += inside
        cover[top : top + rows.window, left : left + columns.window] += 1
    size = (original.height, original.width)
    return functional.interpolate((canvas / cover)[None], size, mode="bilinear", align_corners=False)[0]


def reference_scores(
    segmenter: Segmenter, image: UInt8[Tensor, "height width 3"], classes: ClassEmbeddings
) -> Float[Tensor, "queries height width"]:
    """The score of every query at every pixel of an image."""
    prepared = segmenter.prepare(image)
    windows = [segmenter.model.embed_patches(window[None])[0] for window in prepared.windows]
    scores = torch.stack([torch.einsum("rcd,qd->qrc", patches, classes.queries) for patches in windows])
    merger = prepared.merger
    return reference_canvas(scores, merger.layout, merger.size, align_corners=merger.align_corners)


def reference_labels(
    scores: Float[Tensor, "queries height width"], classes: ClassEmbeddings
) -> Int[Tensor, "height width"]:
    """The winner of every pixel, the background as a constant channel in front."""
    if classes.threshold is None:
        return classes.class_ids[scores.argmax(dim=0)]
    constant = torch.full_like(scores[:1], classes.threshold)
    winners = torch.cat([constant, scores]).argmax(dim=0)
    return torch.cat([classes.class_ids.new_zeros(1), classes.class_ids])[winners]


def evaluate_plainly(
    segmenter: Segmenter,
    benchmarks: Sequence[Benchmark],
    class_sets: Sequence[ClassEmbeddings],
    root: Path,
    stem: str,
) -> Iterator[tuple[Int[Tensor, "height width"], Int[Tensor, "classes classes"]]]:
    """Label map and confusion matrix of one image for every benchmark, each with a pass of its own."""
    for benchmark, classes in zip(benchmarks, class_sets, strict=True):
        sample = read_sample([benchmark], root, stem)
        scores = reference_scores(segmenter, torch.from_numpy(sample.image), classes)
        labels = reference_labels(scores, classes)
        truth, count = torch.from_numpy(sample.labels[0]).to(labels.device), len(benchmark.names)
        yield labels, multiclass_confusion_matrix(labels, truth, count, ignore_index=IGNORE, validate_args=False)
