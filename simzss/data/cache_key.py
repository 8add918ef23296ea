"""Everything that cached features depend on: a file of features is used only if its key is the run's."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass

import torch

from simzss.data.caption_dataset import CaptionDataset
from simzss.data.image_index import file_size
from simzss.modeling.backbone import ImageBackbone


@dataclass(frozen=True)
class CacheKey:
    """Everything the cached numbers depend on."""

    backbone: str
    weights: str
    """Fingerprint of the backbone: architecture and weights."""
    pixels: tuple[tuple[float, ...], tuple[float, ...]]
    """Mean and deviation the pixels were normalised with."""
    images: str
    """Hash over the names and sizes of the image files, in order; same-sized replacements pass unseen."""
    size: int
    """Side of a crop in pixels."""
    scale: tuple[float, float]
    """Share of an image's area that a crop keeps."""
    views: int
    """Crops per image."""
    shape: tuple[int, int, int]
    """Crops, tokens and width."""
    dtype: str

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision the features are kept in."""
        return getattr(torch, self.dtype.removeprefix("torch."))

    @property
    def crop_bytes(self) -> int:
        """Size of the features of one crop."""
        return math.prod(self.shape[1:]) * self.torch_dtype.itemsize

    @property
    def num_bytes(self) -> int:
        """Size of the features of all crops."""
        return self.shape[0] * self.crop_bytes

    def as_json(self) -> str:
        """The key as it stands beside the features."""
        return json.dumps(asdict(self), indent=1)


def cache_key(backbone: ImageBackbone, dataset: CaptionDataset, dtype: torch.dtype) -> CacheKey:
    """What a file of the features of this corpus must hold.

    Raises:
        UserError: If the corpus has no fixed views.
    """
    images = hashlib.sha256()
    for name in dataset.files:
        size = file_size(dataset.folder / name)
        images.update(f"{name}\0{'missing' if size is None else size}\0".encode())
    side = dataset.crop.size // backbone.patch_size
    return CacheKey(
        backbone=backbone.config.name,
        weights=backbone.fingerprint(),
        pixels=(backbone.pixel_mean, backbone.pixel_std),
        images=images.hexdigest(),
        size=dataset.crop.size,
        scale=dataset.crop.scale,
        views=dataset.views or 0,
        shape=(dataset.num_crops, 1 + side * side, backbone.dim),
        dtype=str(dtype),
    )
