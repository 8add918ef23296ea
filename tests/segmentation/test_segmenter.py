"""The segmenter against the protocol done the plain way, window by window."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from simzss.bench.evaluation.plain_evaluator import reference_canvas
from simzss.errors import UserError
from simzss.segmentation.pamr import refine
from simzss.segmentation.protocol import (
    Activation,
    BackgroundRule,
    ClassToken,
    PamrGrid,
    SegmentationProtocol,
    Statistics,
)
from simzss.segmentation.resize import Size, resize, target_size
from simzss.segmentation.segmenter import PIXELS, PatchTextModel, PreparedImage, Segmenter
from simzss.segmentation.sliding_window import WindowLayout
from tests.segmentation.fakes import ColourModel, NoiseModel

SMALL = SegmentationProtocol(short_side=32, long_cap=100, crop=16, stride=8, class_token=ClassToken.MENTION)
NAMES = ["cat", "dog", "traffic light", "sky", "mud"]


def noise_image(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def segment_plainly(model: NoiseModel, protocol: SegmentationProtocol, image: torch.Tensor) -> torch.Tensor:
    """One window at a time, a canvas of all classes, one argmax."""
    original = Size(image.shape[0], image.shape[1])
    size = target_size(original, protocol.short_side, protocol.long_cap)
    mean, std = PIXELS.get(protocol.statistics, (model.pixel_mean, model.pixel_std))
    pixels = resize(image, size, antialias=protocol.antialias) / 255
    pixels = (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    layout = WindowLayout.of(size, protocol.crop, protocol.stride, model.patch_size)
    classes = Segmenter(model, protocol).class_embeddings(NAMES).queries
    scores, windows = [], layout.cut(pixels)
    patches = [model.embed_patches(window[None], protocol.patch_stride)[0] for window in windows]
    every = [patch for rows in patches for row in rows for patch in row]
    context = protocol.image_context * sum(every[1:], every[0]) / len(every)
    for window, own in zip(windows, patches, strict=True):
        score = torch.einsum("hwd,cd->chw", own + context, classes)[None]
        if protocol.activation is Activation.SIGMOID:
            score = 1 / (1 + (-score).exp())
        if protocol.pamr:
            cells = 4 if protocol.pamr_grid is PamrGrid.DECODER else protocol.patch_stride or model.patch_size
            finer = [side * cells for side in score.shape[-2:]]
            score = functional.interpolate(score, finer, mode="bilinear", align_corners=protocol.align_corners)
            score = refine(window[None], score)
        scores.append(score[0])
    canvas = reference_canvas(torch.stack(scores), layout, original, align_corners=protocol.align_corners)
    return canvas.argmax(dim=0)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"align_corners": True},
        {"activation": Activation.SIGMOID},
        {"statistics": Statistics.OPENAI},
        {"antialias": True},
        {"short_side": None},
        {"pamr": True},
        {"pamr": True, "pamr_grid": PamrGrid.PIXELS},
        {"patch_stride": 2},
        {"image_context": 0.5},
        {"patch_stride": 2, "pamr": True, "pamr_grid": PamrGrid.PIXELS},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [(50, 71), (90, 40), (10, 90), (33, 33)])
def test_equals_the_plain_way(change: dict[str, object], size: tuple[int, int]) -> None:
    model, protocol = NoiseModel(), replace(SMALL, **change)  # type: ignore[arg-type]
    segmenter, image = Segmenter(model, protocol), noise_image(*size)
    got = segmenter.segment(image, segmenter.class_embeddings(NAMES))
    assert torch.equal(got, segment_plainly(model, protocol, image))


def test_images_keep_their_order_and_labels_in_any_batch() -> None:
    model = NoiseModel()
    images = [noise_image(h, w, seed) for seed, (h, w) in enumerate([(20, 90), (40, 40), (9, 90), (50, 31), (40, 80)])]
    alone = [
        Segmenter(model, SMALL).segment(image, Segmenter(model, SMALL).class_embeddings(NAMES)) for image in images
    ]
    for at_once in (1, 3, 100):
        segmenter = Segmenter(model, SMALL, windows_at_once=at_once)
        classes = segmenter.class_embeddings(NAMES)
        embedded = segmenter.embed(segmenter.prepare(image) for image in images)
        together = [segmenter.label_map(image, features, classes) for image, features in embedded]
        assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_batches_have_one_shape() -> None:
    model = ColourModel({"black": (0, 0, 0), "white": (255, 255, 255)}, patch_size=4)
    segmenter = Segmenter(model, SMALL, windows_at_once=4)
    list(segmenter.embed(segmenter.prepare(noise_image(40, 40 + 5 * index)) for index in range(6)))
    assert set(model.calls[:-1]) == {(4, 3, 16, 16)}


def test_an_odd_shape_does_not_hold_up_the_others() -> None:
    segmenter = Segmenter(NoiseModel(), SMALL, windows_at_once=3)
    taken = 0

    def images() -> Iterator[PreparedImage]:
        nonlocal taken
        for index in range(40):
            taken += 1
            yield segmenter.prepare(noise_image(9 if index == 0 else 40, 90))

    first = next(iter(segmenter.embed(images())))
    assert first[0].windows.shape[-2] < 16
    assert taken <= 5


def test_background_by_threshold_and_by_words() -> None:
    model = ColourModel({"background": (0, 0, 0), "cat": (255, 0, 0), "dog": (0, 255, 0), "mud": (90, 60, 0)})
    image = torch.tensor([[[255, 0, 0], [0, 255, 0], [90, 60, 0], [0, 0, 0]]], dtype=torch.uint8).expand(4, 4, 3)
    exact = replace(SMALL, short_side=None, crop=4, stride=4)
    by_threshold = Segmenter(model, exact)
    classes = by_threshold.class_embeddings(["background", "cat", "dog"], has_background=True)
    assert by_threshold.segment(image, classes)[0].tolist() == [1, 2, 0, 0]
    by_words = Segmenter(model, replace(exact, background=BackgroundRule.WORDS))
    classes = by_words.class_embeddings([["background", "mud"], "cat", "dog"], has_background=True)
    assert classes.threshold is None
    assert by_words.segment(image, classes)[0].tolist() == [1, 2, 0, 0]


def test_the_fakes_are_models() -> None:
    assert isinstance(NoiseModel(), PatchTextModel)


def test_half_precision_reaches_the_backbone_only() -> None:
    segmenter = Segmenter(NoiseModel(), SMALL, half_precision=True)
    _, features = next(segmenter.embed([segmenter.prepare(noise_image(40, 40))]))
    exact = next(Segmenter(NoiseModel(), SMALL).embed([segmenter.prepare(noise_image(40, 40))]))[1]
    assert features.dtype == torch.float32
    assert 0 < (features - exact).abs().max() < 0.05


def test_class_vectors_of_another_width_are_refused() -> None:
    segmenter = Segmenter(NoiseModel(dim=8), SMALL)
    with pytest.raises(UserError, match="width 4"):
        segmenter.segment(noise_image(40, 40), Segmenter(NoiseModel(dim=4), SMALL).class_embeddings(NAMES))


def test_it_computes_where_its_model_lies() -> None:
    model = NoiseModel()
    model.device = torch.device("meta")
    segmenter = Segmenter(model, SMALL)
    assert segmenter.prepare(noise_image(40, 40)).windows.device.type == "meta"
    assert segmenter.class_embeddings(NAMES).queries.device.type == "meta"


def test_half_precision_is_refused_where_there_is_none() -> None:
    model = NoiseModel()
    model.device = torch.device("meta")
    with pytest.raises(UserError, match=r"^device 'meta' does not compute in bfloat16: give precision float32$"):
        Segmenter(model, SMALL, half_precision=True)
    model.device = torch.device("mps")
    Segmenter(model, SMALL, half_precision=True)


def test_scores_that_are_no_numbers_name_the_weights() -> None:
    model = NoiseModel()
    model.weight[0, 0, 0, 0] = torch.nan
    segmenter = Segmenter(model, SMALL)
    with pytest.raises(UserError, match=r"^the scores are not numbers .NaN.: the model's weights are"):
        segmenter.segment(noise_image(40, 40), segmenter.class_embeddings(NAMES))
