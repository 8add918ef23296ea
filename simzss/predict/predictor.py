"""One line from a photograph and words to a segmentation.

    model = simzss.load("runs/x/model")
    result = model.segment("photo.jpg", ["cat", "sofa|couch", "wooden floor"])
    result.areas, result.overlay()

It adds nothing to the method: labels are those of `simzss.Segmenter` under the same protocol.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import tee
from pathlib import Path
from typing import overload

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import normalize

from simzss.devices import Precision, pick_device
from simzss.errors import UserError
from simzss.evaluation.dataset import read_ahead
from simzss.io.hub import find_model
from simzss.model import AlignedModel, load_model
from simzss.predict.classes import Classes, ClassWords, read_classes
from simzss.predict.inputs import ImageSource, read_pixels
from simzss.predict.result import ScoreGrid, Segmentation
from simzss.segmentation.label_map import ClassEmbeddings, WindowMerger
from simzss.segmentation.prompts import fill, templates
from simzss.segmentation.protocol import SegmentationProtocol, load_protocol, stated_protocol
from simzss.segmentation.resize import Size, resize, target_size
from simzss.segmentation.segmenter import Segmenter

WORD_LISTS_KEPT = 64
"""Lists of words whose embeddings are kept: some kilobytes a word."""
WINDOWS_AT_ONCE = {"cpu": 4}
"""Windows at once by kind of device: a processor's cache holds few."""
WINDOWS_ELSEWHERE = 32

Background = str | Sequence[str] | float | int | None


def load(
    model: str | Path,
    *,
    protocol: str | Path | SegmentationProtocol | None = None,
    device: str = "",
    batch_size: int | None = None,
    precision: str = Precision.AUTOMATIC,
    download: bool = False,
) -> "Predictor":
    """A saved model, ready to be used.

    Args:
        model: Its folder, or with `download` its name on the Hugging Face hub.
        protocol: From pixels and words to labels: a name of `configs/protocol`, a YAML file, or the
            settings themselves; None for those that the model states, or `simzss` where it states none.
        device: `cpu`, `cuda`, `cuda:1` ...; the best there is if empty.
        batch_size: Windows that go through the backbone together; changes speed and memory only.
        precision: `automatic`, `float32` or `bfloat16`, of the backbone; all after it is always float32.
        download: Whether the hub may be asked for a name that is no folder.

    Raises:
        UserError: If there is no such model, protocol or device, or the model's files are damaged.
    """
    if batch_size is not None and batch_size < 1:
        raise UserError(f"batch_size {batch_size} must be at least 1")
    if precision not in set(Precision):
        raise UserError(f"precision {precision!r} is none of {', '.join(Precision)}")
    settings = load_protocol(protocol) if isinstance(protocol, str | Path) else protocol
    place = pick_device(device)
    windows = batch_size or WINDOWS_AT_ONCE.get(place.type, WINDOWS_ELSEWHERE)
    aligned = load_model(find_model(model, download=download), download=download).to(place)
    settings = settings or stated_protocol(aligned.protocol)
    return Predictor(aligned, Segmenter(aligned, settings, windows, Precision(precision).is_half(place)))


class Predictor:
    """A model for photographs and words of one's own, see `load`.

    Args:
        model: The model.
        segmenter: It with a protocol, device and precision.
    """

    def __init__(self, model: AlignedModel, segmenter: Segmenter) -> None:
        self.model, self.segmenter = model, segmenter
        self._embeddings = lru_cache(maxsize=WORD_LISTS_KEPT)(self._embed_words)

    @overload
    def segment(  # type: ignore[overload-overlap]  # a path is a sequence of texts, to a type checker
        self, images: ImageSource, classes: Classes, background: Background = None
    ) -> Segmentation: ...
    @overload
    def segment(
        self, images: Sequence[ImageSource], classes: Classes, background: Background = None
    ) -> list[Segmentation]: ...
    def segment(
        self, images: ImageSource | Sequence[ImageSource], classes: Classes, background: Background = None
    ) -> Segmentation | list[Segmentation]:
        """Divide an image, or each of a list, into classes.

        Args:
            images: A path, PIL image, array or tensor (see `simzss.predict.inputs`), or a list of them.
            classes: Words: a list whose entries are a word, synonyms (`"sofa|couch"`) or a list of synonyms, or all in
                one text, separated by commas.
            background: A number that the best class of a pixel must exceed, or the words of a background; None for
                none. With a background, it is class 0.

        Returns:
            The result of one image, or a list of them in the order of the images.

        Raises:
            UserError: If an image cannot be read, or the classes name nothing, a word twice, or more than fits the
                text encoder.
        """
        if isinstance(images, ImageSource):
            return next(self.stream([images], classes, background))
        return list(self.stream(images, classes, background))

    def stream(
        self, images: Iterable[ImageSource], classes: Classes, background: Background = None
    ) -> Iterator[Segmentation]:
        """`segment` for any number of images, one result at a time: memory does not grow with their number."""
        return self.stream_words(images, read_classes(classes, background))

    def stream_words(self, images: Iterable[ImageSource], words: ClassWords) -> Iterator[Segmentation]:
        """`stream` for classes that are read already."""
        return self._results(images, words, self._embeddings(words.words))

    def embed_image(self, image: ImageSource) -> Float[Tensor, "rows columns dim"]:
        """L2-normalised patches of a whole image, resized as the protocol says, to be compared by their cosine.

        One window holds the image, so that the grid is even; `segment` cuts overlapping windows.
        """
        patches = self.model.embed_patches(self._whole(image), self.segmenter.protocol.patch_stride)[0]
        return normalize(patches.float(), dim=-1)

    def embed_text(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """L2-normalised embeddings of whole texts, as they are: captions, or prompts of one's own.

        Raises:
            UserError: If there are none.
        """
        if isinstance(texts, str) or not texts:
            raise UserError("give a list of texts with at least one")
        with torch.no_grad():
            return normalize(self.model.embed_prompts(list(texts)).float(), dim=-1)

    def similarity(self, image: ImageSource, texts: Sequence[str]) -> Float[Tensor, " texts"]:
        """Cosines in -1..1 of a whole image with whole texts, as training aligns images and captions."""
        return self.model.compare_images(self._whole(image), self.embed_text(texts))[0].float()

    def _results(
        self, images: Iterable[ImageSource], words: ClassWords, embeddings: ClassEmbeddings
    ) -> Iterator[Segmentation]:
        to_embed, to_show = tee(read_ahead(read_pixels, images, threads=1))
        prepared = (self.segmenter.prepare(torch.from_numpy(pixels)) for pixels in to_embed)
        for image, (windows, features) in zip(to_show, self.segmenter.embed(prepared), strict=True):
            scores = self.segmenter.scores(windows, features, embeddings)
            yield _result(image, windows.merger, scores, words, embeddings)

    def _embed_words(self, words: tuple[tuple[str, ...], ...]) -> ClassEmbeddings:
        """The embeddings of a list of words; called once per list."""
        self._check_length(word for group in words for word in group)
        return self.segmenter.class_embeddings(words)

    def _check_length(self, words: Iterable[str]) -> None:
        """Refuse a word that the text encoder would see only a part of."""
        longest = max(templates(self.segmenter.protocol.templates), key=lambda template: template.index("{}"))
        for word in words:
            prompt = fill(longest, word)
            if self.model.tokenizer([prompt.text])[0].span(*prompt.span) is None:
                limit = self.model.tokenizer.context_length
                raise UserError(f"{word[:40]!r}... is longer than the {limit} tokens of the text encoder: shorten it")

    def _whole(self, image: ImageSource) -> Float[Tensor, "1 3 height width"]:
        """A normalised image of about the protocol's size, with sides that are multiples of the patch."""
        pixels = torch.from_numpy(read_pixels(image)).to(self.segmenter.device)
        protocol, patch = self.segmenter.protocol, self.model.patch_size
        size = target_size(Size(*pixels.shape[:2]), protocol.short_side, protocol.long_cap)
        even = Size(*(max(patch, round(side / patch) * patch) for side in (size.height, size.width)))
        return self.model.backbone.normalise(resize(pixels, even, antialias=protocol.antialias)[None].byte())


def _result(
    image: UInt8[np.ndarray, "height width 3"],
    merger: WindowMerger,
    scores: Float[Tensor, "windows queries rows columns"],
    words: ClassWords,
    embeddings: ClassEmbeddings,
) -> Segmentation:
    winners = merger.winners(scores, embeddings)
    labels, best = winners.labels.int().cpu().numpy(), winners.scores.cpu().numpy()
    result = Segmentation(image, labels, best, words.names, ScoreGrid(scores.cpu(), words.words, merger))
    return result if words.threshold is None else result.with_threshold(words.threshold)
