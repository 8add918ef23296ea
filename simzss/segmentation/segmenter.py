"""Zero-shot segmentation: an image and the names of some classes in, a label map out.

    segmenter = Segmenter(model, protocol)
    labels = segmenter.segment(image, segmenter.class_embeddings(["cat", "dog"]))

Following TCL's protocol: resize, cut overlapping windows, embed their patches, cosine with the class vectors, upsample,
average over windows, resize to the original image, argmax. Windows of many images go through the backbone together in
batches of one shape, which gives the same features and keeps an accelerator busy.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from simzss.errors import UserError
from simzss.segmentation.background import class_embeddings_of
from simzss.segmentation.label_map import ClassEmbeddings, WindowMerger
from simzss.segmentation.pamr import refine
from simzss.segmentation.prompts import PromptModel
from simzss.segmentation.protocol import Activation, PamrGrid, SegmentationProtocol, Statistics
from simzss.segmentation.resize import Size, resize, target_size
from simzss.segmentation.sliding_window import WindowLayout

PIXELS = {
    Statistics.IMAGENET: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    Statistics.OPENAI: ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
"""Mean and standard deviation of RGB in [0, 1] over ImageNet, and over what OpenAI trained CLIP with."""

Statistic = tuple[float, float, float]

PIXELS_AT_ONCE = 2**18
"""On a processor, pixels of the windows that go through the backbone together: one window of 448, twenty of 112. What a
batch of more leaves behind no longer fits into its cache, and every window takes longer."""


@runtime_checkable
class PatchTextModel(PromptModel, Protocol):
    """All that segmentation needs of a model: patches and prompts in one space."""

    patch_size: int
    """Pixels of a patch's side."""
    pixel_mean: Statistic
    """Of RGB in [0, 1], what the backbone was trained with."""
    pixel_std: Statistic

    @property
    def device(self) -> torch.device:
        """Where it lies, and all that is compared with it."""
        ...

    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], stride: int | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        """L2-normalised patch embeddings of normalised images whose sides are multiples of the patch.

        Args:
            images: Normalised images.
            stride: Pixels from one patch to the next, a divisor of the patch's side; None for its side.
        """
        ...


@dataclass(frozen=True)
class PreparedImage:
    """An image cut into normalised windows, and the way back."""

    windows: Float[Tensor, "windows 3 window_height window_width"]
    merger: WindowMerger


@dataclass
class _Waiting:
    """An image whose windows are not all through the backbone yet."""

    image: PreparedImage
    features: list[Float[Tensor, "rows columns dim"]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return len(self.features) == len(self.image.windows)


@dataclass(frozen=True)
class Segmenter:
    """A model and a protocol, ready to segment."""

    model: PatchTextModel
    protocol: SegmentationProtocol
    windows_at_once: int = 32
    """Windows that go through the backbone together, on a processor fewer; changes speed and memory only."""
    half_precision: bool = False
    """Whether the backbone computes in bfloat16; cosines and everything after are always float32."""

    def __post_init__(self) -> None:
        """Refuse half precision where there is none.

        Raises:
            UserError: If the model's device does not compute in mixed precision.
        """
        if self.half_precision and not torch.amp.is_autocast_available(self.device.type):
            raise UserError(f"device {str(self.device)!r} does not compute in bfloat16: give precision float32")

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.model.device

    def class_embeddings(
        self, classes: Sequence[str | Sequence[str]], *, has_background: bool = False
    ) -> ClassEmbeddings:
        """Class vectors from names, one or several names per class; with a background, it is class 0."""
        names = [[entry] if isinstance(entry, str) else list(entry) for entry in classes]
        return class_embeddings_of(self.model, names, self.protocol, has_background=has_background).to(self.device)

    def segment(self, image: UInt8[Tensor, "height width 3"], classes: ClassEmbeddings) -> Int[Tensor, "height width"]:
        """The label map of one image, at its own resolution."""
        prepared, features = next(self.embed([self.prepare(image)]))
        return self.label_map(prepared, features, classes)

    def prepare(self, image: UInt8[Tensor, "height width 3"]) -> PreparedImage:
        """Resize, normalise and cut an image."""
        protocol, original = self.protocol, Size(image.shape[0], image.shape[1])
        size = target_size(original, protocol.short_side, protocol.long_cap)
        layout = WindowLayout.of(size, protocol.crop, protocol.stride, self.model.patch_size)
        pixels = resize(image.to(self.device), size, antialias=protocol.antialias) / 255
        mean, std = (torch.tensor(values, device=self.device)[:, None, None] for values in self._statistics())
        windows = layout.cut((pixels - mean) / std)
        return PreparedImage(windows, WindowMerger(layout, original, protocol.align_corners))

    def embed(
        self, images: Iterable[PreparedImage]
    ) -> Iterator[tuple[PreparedImage, Float[Tensor, "windows rows columns dim"]]]:
        """Embed the windows of many images in batches of one shape; images come back in their order."""
        waiting: deque[_Waiting] = deque()
        queues: dict[torch.Size, list[tuple[_Waiting, Tensor]]] = {}
        for image in images:
            entry = _Waiting(image)
            waiting.append(entry)
            queue = queues.setdefault(image.windows.shape[1:], [])
            queue.extend((entry, window) for window in image.windows)
            self._drain(queue, keep_rest=True)
            if len(waiting) > self.windows_at_once:  # one odd shape must not hold up the others
                self._drain_all(queues)
            yield from _completed(waiting)
        self._drain_all(queues)
        yield from _completed(waiting)

    def label_map(
        self,
        image: PreparedImage,
        features: Float[Tensor, "windows rows columns dim"],
        classes: ClassEmbeddings,
    ) -> Int[Tensor, "height width"]:
        """The winning class of every pixel of the original image."""
        return image.merger.label_map(self.scores(image, features, classes), classes)

    def scores(
        self,
        image: PreparedImage,
        features: Float[Tensor, "windows rows columns dim"],
        classes: ClassEmbeddings,
    ) -> Float[Tensor, "windows queries new_rows new_columns"]:
        """What every query scores in every cell of every window: of a patch, or finer after PAMR.

        Raises:
            UserError: If the classes do not fit the patches, or the scores are not numbers.
        """
        classes.check_width(features.shape[-1])
        if self.protocol.image_context:
            features = features + self.protocol.image_context * features.flatten(0, 2).mean(dim=0)
        scores = torch.einsum("wrcd,qd->wqrc", features, classes.queries)
        if bool(scores.isnan().any()):
            raise UserError("the scores are not numbers (NaN): the model's weights are; export or train it anew")
        if self.protocol.activation is Activation.SIGMOID:
            scores = scores.sigmoid()
        if self.protocol.pamr:
            scores = self._refined(image.windows, scores)
        return scores

    def _refined(
        self,
        windows: Float[Tensor, "windows 3 height width"],
        scores: Float[Tensor, "windows queries rows columns"],
    ) -> Float[Tensor, "windows queries new_rows new_columns"]:
        """Scores refined by the colours of their window, on the finer grid of the protocol."""
        step = self.protocol.patch_stride or self.model.patch_size
        cells = step if self.protocol.pamr_grid is PamrGrid.PIXELS else 4
        align = self.protocol.align_corners
        finer = functional.interpolate(scores, scale_factor=cells, mode="bilinear", align_corners=align)
        return refine(windows, finer)

    def _drain_all(self, queues: dict[torch.Size, list[tuple[_Waiting, Tensor]]]) -> None:
        for queue in queues.values():
            self._drain(queue, keep_rest=False)

    def _drain(self, queue: list[tuple[_Waiting, Tensor]], *, keep_rest: bool) -> None:
        """Send full batches through the backbone, and the rest too where nothing more will come."""
        together = self._together(queue[0][1]) if queue else 1
        while len(queue) >= together or (queue and not keep_rest):
            batch = queue[:together]
            del queue[:together]
            features = self._forward(torch.stack([window for _, window in batch]))
            for (entry, _), feature in zip(batch, features, strict=True):
                entry.features.append(feature)

    def _together(self, window: Float[Tensor, "3 height width"]) -> int:
        """Windows of a batch."""
        if self.device.type != "cpu":
            return self.windows_at_once
        return min(self.windows_at_once, max(1, PIXELS_AT_ONCE // window[0].numel()))

    @torch.no_grad()
    def _forward(self, windows: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch rows columns dim"]:
        with self._autocast():
            features = self.model.embed_patches(windows, self.protocol.patch_stride)
        return functional.normalize(features.float(), dim=-1)

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.half_precision else nullcontext()

    def _statistics(self) -> tuple[Statistic, Statistic]:
        own = (self.model.pixel_mean, self.model.pixel_std)
        return PIXELS.get(self.protocol.statistics, own)


def _completed(
    waiting: deque[_Waiting],
) -> Iterator[tuple[PreparedImage, Float[Tensor, "windows rows columns dim"]]]:
    """Let go of the images at the head of the queue whose windows are all done."""
    while waiting and waiting[0].complete:
        entry = waiting.popleft()
        yield entry.image, torch.stack(entry.features)
