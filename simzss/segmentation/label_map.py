"""Scores of windows to a label map at the resolution of the original image, exactly and in bounded memory.

A score canvas of 171 classes on a 2,048 x 1,536 image takes 2 GB, and nobody needs it: only the winner of each pixel.
So the canvas is made some tiles at a time, for the queries that can win there (`simzss.segmentation.tiles`), and only
the winners are kept.

Several queries may stand for one class (synonyms): the best of them speaks for it, so the winner among the queries
belongs to the winning class.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from simzss.errors import UserError
from simzss.segmentation.resize import Size
from simzss.segmentation.sliding_window import WindowLayout
from simzss.segmentation.tiles import AxisTiles, axis_tiles, can_win

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

    labels: Int[Tensor, "*tiles height width"]
    scores: Float[Tensor, "*tiles height width"]
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
        grid, (rows, columns) = self._grid(scores), self._tiles(scores)
        possible = can_win(grid, rows, columns)
        counts, order = possible.sum(dim=1).sort()
        numbers = torch.arange(len(grid), device=grid.device)
        queries = torch.where(possible[order], numbers, len(grid)).sort(dim=1).values  # those that can win come first
        queries = torch.where(queries < len(grid), queries, queries[:, :1])
        sides = (rows.weights.shape[1], columns.weights.shape[1])
        labels = classes.class_ids.new_empty(len(order), *sides)
        best = grid.new_empty(len(order), *sides)
        at_once = SCORES_AT_ONCE if grid.device.type == "cpu" else 32 * SCORES_AT_ONCE
        for part in _parts(counts.tolist(), at_once // (sides[0] * sides[1])):
            tiles, asked = order[part], queries[part, : int(counts[part.stop - 1])]
            found = _winners(_canvas(grid, rows, columns, tiles, asked), asked, classes)
            labels[tiles], best[tiles] = found.labels, found.scores
        return Winners(self._joined(labels, len(rows.cells)), self._joined(best, len(rows.cells)))

    @torch.no_grad()
    def best_scores(self, scores: Float[Tensor, "windows queries rows columns"]) -> Float[Tensor, "height width"]:
        """What the best of some queries, say those of one class, scores at every pixel."""
        (height, width), align = (self.size.height, self.size.width), self.align_corners
        rows = self.layout.rows.matrix(scores.shape[2], height, align_corners=align).to(scores.device)
        columns = self.layout.columns.matrix(scores.shape[3], width, align_corners=align).to(scores.device)
        best = rows.new_full((height, width), -torch.inf)
        for query in self._grid(scores):
            torch.maximum(best, rows @ query @ columns.T, out=best)
        return best

    def _tiles(self, scores: Float[Tensor, "windows queries rows columns"]) -> tuple[AxisTiles, AxisTiles]:
        rows = axis_tiles(self.layout.rows, scores.shape[2], self.size.height, align_corners=self.align_corners)
        columns = axis_tiles(self.layout.columns, scores.shape[3], self.size.width, align_corners=self.align_corners)
        return rows.to(scores.device), columns.to(scores.device)

    def _joined(self, tiles: Shaped[Tensor, "tiles side other_side"], down: int) -> Shaped[Tensor, "height width"]:
        """Tiles, row by row, as an image, without what reaches out of it."""
        whole = tiles.unflatten(0, (down, -1)).transpose(1, 2).flatten(2).flatten(0, 1)
        return whole[: self.size.height, : self.size.width].contiguous()

    def _grid(
        self, scores: Float[Tensor, "windows queries rows columns"]
    ) -> Float[Tensor, "queries all_rows all_columns"]:
        """Put the windows of a row of windows side by side, and those rows one below the other."""
        down, across = len(self.layout.rows.starts), len(self.layout.columns.starts)
        grid = scores.view(down, across, *scores.shape[1:]).permute(2, 0, 3, 1, 4)
        return grid.flatten(3, 4).flatten(1, 2)


def _parts(counts: Sequence[int], at_once: int) -> Iterator[slice]:
    """Tiles by their number of queries, fewest first, in runs of so many queries at most, or of one tile."""
    start = 0
    for stop in range(1, len(counts) + 1):
        if stop == len(counts) or (stop + 1 - start) * counts[stop] > at_once:
            yield slice(start, stop)
            start = stop


def _canvas(
    grid: Float[Tensor, "queries all_rows all_columns"],
    rows: AxisTiles,
    columns: AxisTiles,
    tiles: Int[Tensor, " some"],
    queries: Int[Tensor, "some asked"],
) -> Float[Tensor, "some side asked other_side"]:
    """The scores of some tiles, of each for some queries of its own."""
    down, across = tiles // len(columns.cells), tiles % len(columns.cells)
    cells = grid[
        queries[:, None, :, None], rows.cells[down][:, :, None, None], columns.cells[across][:, None, None, :]
    ]  # [some, reached rows, asked, reached columns]
    strips = cells.flatten(1, 2) @ columns.weights[across].mT
    part = rows.weights[down] @ strips.view(len(tiles), cells.shape[1], -1)
    return part.view(len(tiles), part.shape[1], queries.shape[1], -1)


def _winners(
    scores: Float[Tensor, "some side asked other_side"], queries: Int[Tensor, "some asked"], classes: ClassEmbeddings
) -> Winners:
    """The class of the best query of every pixel of some tiles, and its score; the earliest of equal ones.

    Overwrites the scores: what each is behind the best, times the largest number there is, leaves all but the best far
    below nothing, and those are numbered backwards, so that the earliest has the largest number. Plain sums and maxima
    are several times as fast on a processor as one maximum with its place.
    """
    best, count = scores.amax(dim=2), scores.shape[2]
    numbers = torch.arange(count, 0, -1, dtype=scores.dtype, device=scores.device)
    behind = scores.sub_(best.unsqueeze(2)).mul_(torch.finfo(scores.dtype).max)
    behind.add_(numbers.unsqueeze(1).expand(-1, scores.shape[3]).contiguous())
    places = count - behind.amax(dim=2).long()
    asked = queries[:, None, :, None].expand(-1, scores.shape[1], -1, scores.shape[3])
    labels = classes.class_ids[asked.gather(2, places.unsqueeze(2)).squeeze(2)]
    if classes.threshold is not None:
        labels = labels.masked_fill(best <= classes.threshold, 0)
    return Winners(labels, best)
