"""Which queries can win where: an image's pixels in small tiles, and the cells of the score grids that each depends on.

Every pixel's score is a mean of cells, with weights that are never negative and sum to one. So within a tile no query
scores above the highest of its cells there, nor below the lowest; and a query whose highest is below another's lowest
wins nowhere in the tile and need not be computed. That is exact, and leaves a few queries of a hundred. Scores are
taken relative to their mean over the queries, cell by cell: who wins stays the same, and what all queries have in
common (a cell that resembles everything) no longer spreads them.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from simzss.segmentation.sliding_window import Axis

TILE = 32
"""Pixels of a tile's side: a few patches. Smaller ones would drop more queries, and cost more by their number."""
ROUNDING = 1e-5
"""Share of the largest score by which a query may be behind and still be computed: more than rounding makes up."""


@dataclass(frozen=True)
class AxisTiles:
    """The tiles along the height or the width of an image; the last one repeats the last pixel where it reaches out."""

    cells: Int[Tensor, "tiles reached"]
    """The cells that a tile depends on; where it depends on fewer than others, the first again, with no weight."""
    weights: Float[Tensor, "tiles side reached"]
    """How much each of them counts for each pixel."""

    def to(self, device: torch.device) -> "AxisTiles":
        """The same tiles on another device."""
        return AxisTiles(self.cells.to(device), self.weights.to(device))


@lru_cache(maxsize=32)
def axis_tiles(axis: Axis, cells: int, pixels: int, *, align_corners: bool) -> AxisTiles:
    """The tiles of an axis; kept, since images of one size have the same."""
    side = min(TILE, pixels)
    count = -(-pixels // side)
    weights = axis.matrix(cells, pixels, align_corners=align_corners)
    rows = torch.arange(count * side).clamp(max=pixels - 1).view(count, side)
    weights = weights[rows]
    reached = weights.amax(dim=1) > 0
    order = (~reached).to(torch.int8).sort(dim=1, stable=True).indices[:, : int(reached.sum(dim=1).max())]
    used = reached.gather(1, order)
    order = torch.where(used, order, order[:, :1])
    kept = weights.gather(2, order.unsqueeze(1).expand(-1, side, -1)) * used.unsqueeze(1)
    return AxisTiles(order, kept)


def can_win(
    grid: Float[Tensor, "queries all_rows all_columns"], rows: AxisTiles, columns: AxisTiles
) -> Bool[Tensor, "tiles queries"]:
    """Whether a query may have the highest score somewhere in a tile; tiles row by row."""
    margin = ROUNDING * grid.abs().amax()
    by_column = (grid - grid.mean(dim=0))[:, :, columns.cells]
    highest = by_column.amax(dim=3)[:, rows.cells].amax(dim=2)
    lowest = by_column.amin(dim=3)[:, rows.cells].amin(dim=2)
    return (highest >= lowest.amax(dim=0) - margin).flatten(1).T
