"""Scores of windows to a label map at the resolution of the original image, exactly and in bounded memory.

A score canvas of 171 classes on a 2,048 x 1,536 image takes 2 GB, and nobody needs it: only the winner of each pixel.
So the canvas is made a few pixel rows at a time, for all classes, and only the winners are kept.

Several queries may stand for one class (synonyms): the best of them speaks for it, so the winner among the queries
belongs to the winning class.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from simzss.errors import UserError
from simzss.segmentation.resize import Size
from simzss.segmentation.sliding_window import WindowLayout

SCORES_AT_ONCE = 2**21
"""Scores that exist at a time: what the processor's cache holds; on an accelerator 32 times as many keep it busy."""


@dataclass(frozen=True)
class ClassEmbeddings:
    """The classes an image is divided into."""

    queries: Float[Tensor, "queries dim"]
    """L2-normalised vectors to compare patches with."""
    class_ids: Int[Tensor, " queries"]
    """The class each query stands for."""
    threshold: float | None = None
    """A pixel where no query scores above it is of class 0, the background; None where there is no such rule."""

    @classmethod
    def of_vectors(cls, vectors: Float[Tensor, "classes dim"], threshold: float | None = None) -> "ClassEmbeddings":
        """One vector per class; with a threshold, class 0 is the background and has no vector."""
        first = 0 if threshold is None else 1
        norms = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).clamp_min(1e-12)
        return cls(vectors.float() / norms, torch.arange(first, first + len(vectors)), threshold)

    def to(self, device: torch.device | str) -> "ClassEmbeddings":
        """The same classes on another device."""
        return ClassEmbeddings(self.queries.to(device), self.class_ids.to(device), self.threshold)

    def check_width(self, dim: int) -> None:
        """Refuse patches of another width.

        Raises:
            UserError: If the queries and the patches do not live in one space.
        """
        if self.queries.shape[1] != dim:
            raise UserError(
                f"class vectors of width {self.queries.shape[1]} do not fit patches of width {dim}; "
                "make them with the same model"
            )


@dataclass(frozen=True)
class Winners:
    """The best class of every pixel of an image."""

    labels: Int[Tensor, "height width"]
    scores: Float[Tensor, "height width"]
    """What the best query of the pixel scored, also where that was too little against the background."""


@dataclass(frozen=True)
class WindowMerger:
    """Brings the score grids of an image's windows to its original pixels."""

    layout: WindowLayout
    size: Size
    """Of the original image."""
    align_corners: bool

    def label_map(
        self, scores: Float[Tensor, "windows queries rows columns"], classes: ClassEmbeddings
    ) -> Int[Tensor, "height width"]:
        """The winning class of every pixel; the earlier query wins a tie, the background wins at the threshold."""
        return self.winners(scores, classes).labels

    @torch.no_grad()
    def winners(self, scores: Float[Tensor, "windows queries rows columns"], classes: ClassEmbeddings) -> Winners:
        """The winning class of every pixel, as in `label_map`, and what it scored."""
        row_weights = self._weights("rows", scores.shape[2], scores.device)
        column_weights = self._weights("columns", scores.shape[3], scores.device)
        strips = self._grid(scores) @ column_weights.T
        count, height, width = strips.shape[0], self.size.height, self.size.width
        at_once = SCORES_AT_ONCE if scores.device.type == "cpu" else 32 * SCORES_AT_ONCE
        step = min(height, max(1, at_once // (count * width)))
        canvas = strips.new_empty(count * step * width)  # one part of the canvas, filled again and again
        labels, best = classes.class_ids.new_empty(height, width), strips.new_empty(height, width)
        for top in range(0, height, step):
            weights = row_weights[top : top + step]
            part = canvas[: count * len(weights) * width].view(count, len(weights), width)
            rows = _winners(_fill(part, weights, strips), classes)
            labels[top : top + step], best[top : top + step] = rows.labels, rows.scores
        return Winners(labels, best)

    @torch.no_grad()
    def best_scores(self, scores: Float[Tensor, "windows queries rows columns"]) -> Float[Tensor, "height width"]:
        """What the best of some queries, say those of one class, scores at every pixel."""
        row_weights = self._weights("rows", scores.shape[2], scores.device)
        column_weights = self._weights("columns", scores.shape[3], scores.device)
        best = row_weights.new_full((self.size.height, self.size.width), -torch.inf)
        for query in self._grid(scores):
            torch.maximum(best, row_weights @ query @ column_weights.T, out=best)
        return best

    def _weights(self, axis: str, cells: int, device: torch.device) -> Float[Tensor, "pixels window_cells"]:
        windows = self.layout.rows if axis == "rows" else self.layout.columns
        pixels = self.size.height if axis == "rows" else self.size.width
        return windows.matrix(cells, pixels, align_corners=self.align_corners).to(device)

    def _grid(
        self, scores: Float[Tensor, "windows queries rows columns"]
    ) -> Float[Tensor, "queries all_rows all_columns"]:
        """Put the windows of a row of windows side by side, and those rows one below the other."""
        down, across = len(self.layout.rows.starts), len(self.layout.columns.starts)
        grid = scores.view(down, across, *scores.shape[1:]).permute(2, 0, 3, 1, 4)
        return grid.flatten(3, 4).flatten(1, 2)


def _fill(
    part: Float[Tensor, "queries pixel_rows width"],
    weights: Float[Tensor, "pixel_rows cells"],
    strips: Float[Tensor, "queries cells width"],
) -> Float[Tensor, "queries pixel_rows width"]:
    """Compute some pixel rows of the canvas. Few cells reach them, and only these are multiplied."""
    reached = weights.abs().sum(dim=0).nonzero()
    first, last = int(reached[0]), int(reached[-1]) + 1
    torch.bmm(weights[:, first:last].expand(len(strips), -1, -1), strips[:, first:last], out=part)
    return part


def _winners(scores: Float[Tensor, "queries pixel_rows width"], classes: ClassEmbeddings) -> Winners:
    """The class of the best query of every pixel, and its score.

    Two plain maxima beat one `max` with indices several times over on a processor: the best score first, then, among
    the queries that have it, the earliest (numbered backwards, so that it is the largest number).
    """
    count = len(scores)
    best = scores.amax(dim=0)
    backwards = torch.arange(count, 0, -1, dtype=torch.int16, device=scores.device)[:, None, None]
    first = count - torch.where(scores == best, backwards, backwards.new_zeros(())).amax(dim=0).long()
    labels = classes.class_ids[first]
    if classes.threshold is not None:
        labels = labels.masked_fill(best <= classes.threshold, 0)
    return Winners(labels, best)
