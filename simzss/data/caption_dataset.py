"""Image-caption pairs with their concepts, as a training set.

Reads the concept table (made once by `simzss concepts`), joins it with a folder of images by file name, and knows which
rows show the same image, so that an image is decoded, or passed through the frozen backbone, once for all its captions.
"""

import hashlib
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from torch import Tensor

from simzss.concepts.bank import ConceptBank
from simzss.concepts.extractor import in_batches
from simzss.concepts.table.reading import read_table
from simzss.data.image_index import READ_TOGETHER, index_images, missing, outside
from simzss.data.sampler import BatchIndices
from simzss.data.transforms import SeededCrop
from simzss.errors import UserError
from simzss.io.images import read_image

NEVER = 2**33
"""Longer than any run: a position in the stream below it is its own remainder."""
MOST_CROPS = 2**63
"""Crops that can be numbered."""


class CaptionDataset:
    """The pairs of a concept table and the crops of their images.

    Args:
        table: Folder that `simzss concepts` wrote.
        images: Folder of the images; a row's key is a file name in it.
        crop: Makes the crops.
        views: Distinct crops per image; None for a new crop at every draw.
        max_broken: Missing or unreadable images that may be left out.

    Attributes:
        bank: The bank the table was made with.
        files: The distinct images, in the order of their first row.
        pairs: The row of each pair; all rows, unless images were left out.

    Raises:
        UserError: If the table is missing or empty, or an image is missing.
    """

    def __init__(
        self, table: Path, images: Path, crop: SeededCrop, views: int | None = None, max_broken: int = 0
    ) -> None:
        loaded = read_table(table, ["key"])
        self.bank: ConceptBank = loaded.bank
        self.folder = images
        self.crop, self.views, self.max_broken = crop, views, max_broken
        index = index_images(loaded.rows["key"])
        self.files, self.image_of_row = index.files, index.image_of_row
        self.pairs = np.arange(len(self.image_of_row))
        self._require_images(table)
        if len(self.files) * self.period > MOST_CROPS:
            raise UserError(f"{table} names {len(self.files):,} images, more than can be numbered: split it")

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def crops(self, draws: BatchIndices) -> Int[np.ndarray, " batch"]:
        """Which crop each draw shows: the place in the stream decides among those of its pair's image."""
        images = self.image_of_row[self.pairs[draws.pairs]].astype(np.int64)
        return images * self.period + draws.positions % self.period

    def pixels(self, crop: int) -> UInt8[Tensor, "3 height width"]:
        """One crop of one image: its number is image * period + view, and seeds it.

        Raises:
            UserError: If the image is missing or cannot be read.
        """
        path = self.folder / self.files[crop // self.period]
        return self.crop(read_image(path, self.crop.size), seed=crop)

    def image_name(self, crop: int) -> str:
        """The file of the image that a crop shows."""
        return self.files[crop // self.period]

    def leave_out(self, images: set[int], listed_in: Path) -> None:
        """Drop the pairs of images that cannot be read.

        Raises:
            UserError: If there are more of them than `max_broken`.
        """
        if not images:
            return
        said = f"{len(images)} of {len(self.files)} images cannot be read, the first is {self.files[min(images)]}"
        if len(images) > self.max_broken:
            raise UserError(f"{said}; {listed_in} lists them: mend them, or raise data.max_broken")
        warnings.warn(f"{said}; they are left out, see {listed_in}", stacklevel=2)
        self.pairs = np.flatnonzero(~np.isin(self.image_of_row, list(images)))

    def fingerprint(self) -> str:
        """SHA-256 over the names of the images and the pairs that show them: what the batches are drawn from."""
        digest = hashlib.sha256()
        for number, names in enumerate(in_batches(self.files, READ_TOGETHER)):
            digest.update(("\n" * (number > 0) + "\n".join(names)).encode())
        digest.update(self.image_of_row[self.pairs].tobytes())
        return digest.hexdigest()

    @property
    def period(self) -> int:
        """Draws after which the crops of an image repeat; practically never where every draw is cropped anew."""
        return self.views or NEVER

    @property
    def num_crops(self) -> int:
        """Distinct crops of the whole corpus.

        Raises:
            UserError: If every draw is cropped anew, so that there is no end of them.
        """
        if self.views is None:
            raise UserError("features can be cached only of a fixed number of crops: set data.views (1 is usual)")
        return len(self.files) * self.views

    def _require_images(self, table: Path) -> None:
        if not self.files:
            raise UserError(f"the concept table {table} has no rows")
        if not self.folder.is_dir():
            raise UserError(f"no image folder at {self.folder}")
        if (name := outside(self.files)) is not None:
            raise UserError(
                f"{table} names the image {name!r}, which is not inside a folder: its keys must be file names"
            )
        absent = missing(self.files, self.folder)
        first = next(absent, None)
        count = sum(1 for _ in absent) + (first is not None)
        if count > min(self.max_broken, len(self.files) - 1):  # up to there they are left out as unreadable
            raise UserError(
                f"{self.folder} lacks {count} of the {len(self.files)} images that {table} names, the first is {first}"
            )
