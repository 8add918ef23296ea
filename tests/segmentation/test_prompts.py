"""Prompts against the library that published them, and the two orders of normalisation against plain arithmetic."""

import numpy as np
import pytest
from open_clip import OPENAI_IMAGENET_TEMPLATES

from simzss.segmentation.prompts import embed_names, fill, templates
from simzss.segmentation.protocol import ClassToken, SegmentationProtocol, TemplateSet
from tests.segmentation.fakes import NoiseModel


def test_openai80_is_what_open_clip_ships() -> None:
    assert [template.replace("{}", "X") for template in templates(TemplateSet.OPENAI80)] == [
        template("X") for template in OPENAI_IMAGENET_TEMPLATES
    ]


@pytest.mark.parametrize(("name", "count"), [("plain", 1), ("clip7", 7), ("tcl9", 9), ("openai80", 80)])
def test_sets_have_their_number_and_one_place_for_the_name(name: str, count: int) -> None:
    prompts = templates(TemplateSet(name))
    assert len(set(prompts)) == count
    assert all(prompt.count("{}") == 1 for prompt in prompts)


def test_the_span_covers_the_name_without_its_blanks() -> None:
    prompt = fill("a {} in a video game.", "bed ")
    assert prompt.text == "a bed in a video game."
    assert prompt.text[slice(*prompt.span)] == "bed"


def test_a_plural_keeps_the_span_on_the_name() -> None:
    prompt = fill("a photo of {}s.", "traffic light")
    assert prompt.text[slice(*prompt.span)] == "traffic light"


@pytest.mark.parametrize("normalise_each", [True, False])
@pytest.mark.parametrize("token", list(ClassToken))
def test_order_of_normalisation(normalise_each: bool, token: ClassToken) -> None:
    model, names = NoiseModel(), ["cat", "traffic light", "sky"]
    protocol = SegmentationProtocol(templates=TemplateSet.TCL9, normalise_each=normalise_each, class_token=token)
    got = embed_names(model, names, protocol).numpy()
    for row, name in zip(got, names, strict=True):
        total = np.zeros(8)
        for template in templates(TemplateSet.TCL9):
            text = name if token is ClassToken.MENTION else template.format(name)
            vector = model.embed_prompts([text], None)[0].double().numpy()
            total += vector / np.sqrt((vector**2).sum()) if normalise_each else vector
        np.testing.assert_allclose(row, total / np.sqrt((total**2).sum()), atol=1e-6)
