"""The one line: its labels are those of the segmenter, and it computes no more than it must."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from PIL import Image

import simzss
from simzss.errors import UserError
from simzss.model import load_model
from simzss.predict.predictor import Predictor
from simzss.segmentation.protocol import BackgroundRule, SegmentationProtocol, TemplateSet, load_protocol
from simzss.segmentation.segmenter import Segmenter

Pixels = UInt8[np.ndarray, "height width 3"]
CLASSES = ["cat", "sofa|couch", "wooden floor"]
GROUPS = [["cat"], ["sofa", "couch"], ["wooden floor"]]


def by_segmenter(
    folder: Path, protocol: SegmentationProtocol, image: Pixels, classes: list[list[str]], *, background: bool
) -> np.ndarray:
    segmenter = Segmenter(load_model(folder), protocol)
    return segmenter.segment(
        torch.from_numpy(image), segmenter.class_embeddings(classes, has_background=background)
    ).numpy()


@pytest.mark.parametrize("pamr", [False, True])
def test_labels_are_those_of_the_segmenter(
    folder: Path, protocol: SegmentationProtocol, photograph: Pixels, pamr: bool
) -> None:
    protocol = replace(protocol, pamr=pamr)
    result = simzss.load(folder, protocol=protocol, device="cpu", precision="float32").segment(photograph, CLASSES)
    expected = by_segmenter(folder, protocol, photograph, GROUPS, background=False)
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(result.labels, expected)
    assert result.classes == ("cat", "sofa", "wooden floor")


def test_a_model_is_used_as_it_states_unless_told_otherwise(
    folder: Path, protocol: SegmentationProtocol, tmp_path: Path
) -> None:
    assert simzss.load(folder, device="cpu").segmenter.protocol == load_protocol("simzss")
    saved = load_model(folder)
    saved.protocol = asdict(protocol)
    saved.save(tmp_path / "model")
    assert simzss.load(tmp_path / "model", device="cpu").segmenter.protocol == protocol
    assert simzss.load(tmp_path / "model", protocol="tcl", device="cpu").segmenter.protocol.name == "tcl"
    stated = tmp_path / "model" / "protocol.json"
    for content in (stated.read_text().replace("crop", "corp"), "["):
        stated.write_text(content)
        with pytest.raises(UserError, match="is damaged"):
            simzss.load(tmp_path / "model", device="cpu")
    saved.protocol["corp"] = 16
    saved.save(tmp_path / "other")
    with pytest.raises(UserError, match="unknown key 'corp'"):
        simzss.load(tmp_path / "other", device="cpu")


def test_a_background_by_threshold_and_by_words(
    model: Predictor, folder: Path, protocol: SegmentationProtocol, photograph: Pixels
) -> None:
    plain = model.segment(Image.fromarray(photograph), CLASSES)
    middle = float(np.median(plain.scores))
    result = model.segment(Image.fromarray(photograph), CLASSES, background=middle)
    by_threshold = replace(protocol, background=BackgroundRule.THRESHOLD, threshold=middle)
    expected = by_segmenter(folder, by_threshold, photograph, [["background"], *GROUPS], background=True)
    assert 0 < (expected == 0).mean() < 1
    np.testing.assert_array_equal(result.labels, expected)
    assert result.classes[0] == "background"
    result = model.segment(Image.fromarray(photograph), CLASSES, background=["wall", "sky"])
    by_words = replace(protocol, background=BackgroundRule.WORDS)
    expected = by_segmenter(folder, by_words, photograph, [["wall", "sky"], *GROUPS], background=True)
    np.testing.assert_array_equal(result.labels, expected)


def test_several_images_come_back_in_order(model: Predictor, photograph: Pixels) -> None:
    images = [photograph, photograph[:24], photograph[::-1].copy(), photograph[:, :20]]
    results = model.segment([Image.fromarray(image) for image in images], CLASSES)
    for image, result in zip(images, results, strict=True):
        alone = model.segment(image, CLASSES)
        np.testing.assert_array_equal(result.image, image)
        np.testing.assert_allclose(result.scores, alone.scores, atol=1e-5)
    batch = torch.from_numpy(np.stack([photograph, photograph])).permute(0, 3, 1, 2)
    np.testing.assert_array_equal(model.segment(list(batch), CLASSES)[1].image, photograph)
    assert model.segment([], CLASSES) == []


def test_a_stream_takes_images_only_as_results_are_asked_for(model: Predictor, photograph: Pixels) -> None:
    taken: list[int] = []
    results = model.stream((taken.append(i) or photograph for i in range(10_000)), CLASSES)  # type: ignore[func-returns-value]
    next(results)
    assert len(taken) < 100


def test_words_are_embedded_once(folder: Path, protocol: SegmentationProtocol, photograph: Pixels) -> None:
    model = simzss.load(folder, protocol=protocol, device="cpu", precision="float32")
    calls: list[int] = []
    inner = model.model.embed_prompts

    def counted(prompts: list[str], spans: list[tuple[int, int]] | None = None) -> torch.Tensor:
        calls.append(len(prompts))
        return inner(prompts, spans)

    model.model.embed_prompts = counted  # type: ignore[method-assign,assignment]
    model.segment(photograph, CLASSES)
    first = len(calls)
    assert first > 0
    model.segment(photograph, "cat, sofa|couch, wooden floor", background=0.2)
    assert len(calls) == first
    model.segment(photograph, [*CLASSES, "dog"])
    assert len(calls) > first


def test_embeddings_and_similarity(model: Predictor, photograph: Pixels) -> None:
    patches, texts = model.embed_image(photograph), model.embed_text(["a cat", "a dog on grass"])
    assert patches.shape == (6, 8, 32)  # 40 x 56 pixels to a shorter side of 24, in patches of 4
    torch.testing.assert_close(patches.norm(dim=-1), torch.ones(6, 8))
    torch.testing.assert_close(texts.norm(dim=-1), torch.ones(2))
    raw = model.model.embed_prompts(["a dog on grass"])[0]
    torch.testing.assert_close(texts[1], raw / raw.norm(), rtol=1e-4, atol=1e-5)
    similarity = model.similarity(photograph, ["a cat", "a dog on grass"])
    assert similarity.shape == (2,)
    assert similarity.abs().max() <= 1
    with pytest.raises(UserError, match="list of texts"):
        model.embed_text("a cat")


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1)])
def test_odd_shapes_keep_their_size(model: Predictor, shape: tuple[int, int]) -> None:
    result = model.segment(Image.new("RGB", shape[::-1], "red"), CLASSES)
    assert result.labels.shape == shape
    assert result.overlay().height > 0


def test_a_name_of_500_words_is_refused_and_one_that_fits_is_not(model: Predictor, photograph: Pixels) -> None:
    image = Image.fromarray(photograph)
    with pytest.raises(UserError, match=r"^'very very .*is longer than the 32 tokens of the text encoder: shorten it$"):
        model.segment(image, ["cat", "very " * 499 + "cat"])
    model.segment(image, ["cat", "very " * 10 + "cat"])


def test_many_classes_work_but_do_not_fit_a_label_map(
    folder: Path, protocol: SegmentationProtocol, photograph: Pixels, tmp_path: Path
) -> None:
    model = simzss.load(
        folder, protocol=replace(protocol, templates=TemplateSet.PLAIN), device="cpu", precision="float32"
    )
    result = model.segment(Image.fromarray(photograph), [f"thing {number}" for number in range(300)])
    assert len(result.areas) == 300
    if result.labels.max() > 255:
        with pytest.raises(UserError, match=r"0\.\.255"):
            result.save(tmp_path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"device": "abacus"}, "'abacus' is not there"),
        ({"protocol": "none"}, "no protocol configuration 'none'"),
        ({"precision": "int3"}, "'int3' is none of float32, bfloat16"),
        ({"batch_size": 0}, "at least 1"),
    ],
)
def test_options_that_do_not_exist_are_told(folder: Path, options: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        simzss.load(folder, **options)  # type: ignore[arg-type]


def test_bfloat16_is_near_float32(folder: Path, protocol: SegmentationProtocol, photograph: Pixels) -> None:
    image = Image.fromarray(photograph)
    scores = [
        simzss.load(folder, protocol=protocol, device="cpu", precision=name).segment(image, CLASSES).scores
        for name in ("float32", "bfloat16")
    ]
    assert 0 < np.abs(scores[0] - scores[1]).max() < 0.05
