"""Zero-shot classification of whole images, nearly free once prompts are embedded: top-1 and top-5 accuracy.

Every image is compared, in the way its model was trained, with one vector per class. That is made from the same prompts
as for segmentation, but always by the whole prompt (class token `eos`): what training aligns whole images with. Images
are brought to the shorter side bicubically and cut in the middle, as CLIP does.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from simzss.errors import UserError
from simzss.evaluation.dataset import read_ahead
from simzss.io.images import IMAGE_SUFFIXES, check_pixels, read_image, to_array, to_rgb
from simzss.segmentation.prompts import PromptModel, embed_names
from simzss.segmentation.protocol import ClassToken, SegmentationProtocol


@runtime_checkable
class ImageTextModel(PromptModel, Protocol):
    """All that classification needs of a model: images and prompts in one space."""

    pixel_mean: tuple[float, float, float]
    pixel_std: tuple[float, float, float]

    def compare_images(
        self, images: Float[Tensor, "batch 3 height width"], text: Float[Tensor, "texts dim"]
    ) -> Float[Tensor, "batch texts"]:
        """Cosines of normalised images with L2-normalised texts."""
        ...


@dataclass(frozen=True)
class LabelledImages:
    """Images with the class of each, read when they are asked for."""

    names: tuple[str, ...]
    images: Any
    """By number: paths, or rows of a Hugging Face data set."""
    labels: tuple[int, ...]

    def read(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        """Decode an image to RGB."""
        image = self.images[index]
        return to_array(read_image(image) if isinstance(image, Path) else to_rgb(image["image"]))


@dataclass(frozen=True)
class Accuracy:
    """Fractions of the images whose class is the best, or among the five best."""

    top1: float
    top5: float
    images: int

    @classmethod
    def of_ranks(cls, ranks: Int64[np.ndarray, " images"]) -> "Accuracy":
        """From the rank of every image's own class among all, 0 the best."""
        return cls(float((ranks < 1).mean()), float((ranks < 5).mean()), len(ranks))


def from_folder(folder: Path) -> LabelledImages:
    """One folder of images per class, named after it; underscores stand for blanks.

    Raises:
        UserError: If there are no such folders, or no images in one.
    """
    folders = sorted(path for path in folder.glob("*") if path.is_dir())
    if not folders:
        raise UserError(f"{folder}: no class folders here; expected {folder}/CLASS/IMAGE")
    images: list[Path] = []
    labels: list[int] = []
    for label, one in enumerate(folders):
        found = sorted(path for path in one.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise UserError(f"{one}: no images of this class; remove the folder or fill it")
        images += found
        labels += [label] * len(found)
    return LabelledImages(tuple(one.name.replace("_", " ") for one in folders), images, tuple(labels))


def is_saved(folder: Path) -> bool:
    """Whether a folder holds a Hugging Face data set that `save_to_disk` wrote."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def from_saved(folder: Path, split: str) -> LabelledImages:
    """A data set that `save_to_disk` wrote: one of its splits, or the only one.

    Raises:
        UserError: If it is damaged, lacks the split, or has other columns.
    """
    import datasets  # noqa: PLC0415  # slow to import, and needed here only

    try:
        saved = datasets.load_from_disk(str(folder))
    except Exception as error:  # whatever a damaged or foreign description makes the library raise
        raise UserError(f"{folder}: cannot be read as a saved Hugging Face data set ({error}); save it anew") from error
    if not isinstance(saved, datasets.DatasetDict):
        return from_dataset(saved)
    if split not in saved:
        raise UserError(f"{folder}: no split {split!r}; give as --split one of: {', '.join(saved)}")
    return from_dataset(saved[split])


def from_dataset(dataset: Any) -> LabelledImages:
    """A split of a Hugging Face data set with the columns `image` and `label`, the latter with class names.

    Raises:
        UserError: If it has other columns, or an image has none of the classes, as where labels are kept secret.
    """
    names = getattr(dataset.features.get("label"), "names", None)
    if names is None or "image" not in dataset.features:
        columns = ", ".join(dataset.features)
        raise UserError(f"the data set has the columns {columns}; an image and a named label are needed")
    labels = tuple(dataset["label"])
    if unknown := [label for label in labels if label not in range(len(names))]:
        raise UserError(
            f"{len(unknown):,} of {len(labels):,} images have no class (label {unknown[0]}): choose a labelled --split"
        )
    return LabelledImages(tuple(names), dataset, labels)


def rank_classes(
    model: ImageTextModel, data: LabelledImages, protocol: SegmentationProtocol, device: torch.device, size: int = 224
) -> Int64[np.ndarray, " images"]:
    """The rank of every image's own class among all, 0 the best; of two classes that tie the earlier is better.

    Args:
        model: What compares images with texts.
        data: Images, their classes, and what these are called.
        protocol: Its prompts are used, and its order of normalisation.
        device: Where the model lies.
        size: Pixels of an image's side.
    """
    classes = embed_names(model, data.names, replace(protocol, class_token=ClassToken.EOS))
    mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (model.pixel_mean, model.pixel_std))
    pixels = read_ahead(lambda index: centre_square(data.read(index), size), range(len(data.labels)), threads=4)
    labels = iter(data.labels)
    ranks = []
    for batch in _batches(pixels, 64):
        images = (torch.stack(batch).to(device) / 255 - mean) / std
        with torch.no_grad():
            ranked = model.compare_images(images, classes).argsort(dim=1, descending=True, stable=True)
        truth = torch.tensor(list(islice(labels, len(batch))), device=device)
        ranks.append((ranked == truth[:, None]).int().argmax(dim=1).cpu().numpy())
    return np.concatenate(ranks)


def centre_square(image: UInt8[np.ndarray, "height width 3"], size: int) -> UInt8[Tensor, "3 size size"]:
    """The middle of an image whose shorter side has been brought to `size` pixels."""
    height, width = image.shape[:2]
    factor = size / min(height, width)
    shape = (max(size, round(width * factor)), max(size, round(height * factor)))
    check_pixels(f"an image of {width} x {height}, brought to {size} pixels,", *shape)
    resized = Image.fromarray(image).resize(shape, Image.Resampling.BICUBIC)
    top, left = (resized.height - size) // 2, (resized.width - size) // 2
    return torch.from_numpy(np.array(resized)[top : top + size, left : left + size]).permute(2, 0, 1)


def _batches(images: Iterable[Tensor], count: int) -> Iterator[list[Tensor]]:
    iterator = iter(images)
    while batch := list(islice(iterator, count)):
        yield batch
