"""What every alignment method must keep to, and a fourth one that shows how little it takes to add one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import mse_loss, normalize

from simzss.model import AlignedModel, load_model
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.text_encoder import Architecture, TextEncoderConfig
from simzss.objectives import PACL, CLIPpy, Objective, SimZSS
from simzss.training.gradient_cache import encode_captions_chunked, encode_images_chunked
from simzss.types import CaptionBatch, CaptionEmbeddings, Chunk, ConceptMentions, ImageFeatures, LossTerms

WIDTH = 16
OPTIONS = {"embed_dim": WIDTH, "depth": 1, "num_heads": 2}


class Toy(Objective):
    """Draws class token and caption together by their distance: no good method, but a whole one."""

    def forward(self, image: ImageFeatures, captions: CaptionEmbeddings, mentions: ConceptMentions) -> LossTerms:
        return LossTerms(mse_loss(normalize(image.cls, dim=-1), captions.caption))

    def embed_patches(self, image: ImageFeatures) -> Float[Tensor, "batch patches dim"]:
        return normalize(image.patches, dim=-1)


class ToyByName(Toy):
    """A method with an argument that can be given by its name alone."""

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight


METHODS: dict[str, Callable[[], Objective]] = {
    "SimZSS": lambda: SimZSS(concept_weight=1.0),
    "PACL": lambda: PACL(vision_width=WIDTH, text_width=24),
    "CLIPpy": lambda: CLIPpy(vision_width=WIDTH, text_width=24),
    "Toy": Toy,
}
methods = pytest.mark.parametrize("make", METHODS.values(), ids=METHODS.keys())


def model_of(
    make: Callable[[], Objective],
    folder: Path,
    *,
    frozen_text: bool = False,
    architecture: Architecture = Architecture.clip,
) -> AlignedModel:
    torch.manual_seed(0)
    path = folder / "backbone.safetensors"
    save_file(ImageBackbone(BackboneConfig("vit_tiny_patch16_224", "random", OPTIONS)).model.state_dict(), path)
    backbone = BackboneConfig("vit_tiny_patch16_224", str(path), OPTIONS)
    text_encoder = TextEncoderConfig(1, 32, 2, activation="relu", frozen=frozen_text, architecture=architecture)
    return AlignedModel(backbone, text_encoder, make())


def batch_of(model: AlignedModel, order: list[int]) -> CaptionBatch:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (4, 3, 32, 32), generator=generator, dtype=torch.uint8)
    ids = torch.randint(1, 1000, (4, 7), generator=generator)
    ids[:, -1] = model.tokenizer.end_id
    rows = torch.arange(4)
    concept = torch.tensor([0, 1, 0, 2])[order]
    mentions = ConceptMentions(rows, concept, torch.full((4,), 2), torch.full((4,), 4), 3)
    chunks = (Chunk(slice(0, 2), 7, slice(0, 2)), Chunk(slice(2, 4), 7, slice(2, 4)))
    return CaptionBatch(rows[order], pixels[order], ids[order], mentions, chunks)


def loss_of(model: AlignedModel, order: list[int]) -> Tensor:
    batch = batch_of(model, order)
    captions = encode_captions_chunked(model.text_encoder, model.objective, batch)
    image = encode_images_chunked(model.backbone, batch, model.objective.patch_drop)
    terms: LossTerms = model.objective(image, captions, batch.mentions)
    return terms.total


@methods
def test_gradients_reach_what_is_said_to_be_trained_and_nothing_else(
    make: Callable[[], Objective], tmp_path: Path
) -> None:
    model = model_of(make, tmp_path)
    loss_of(model, [0, 1, 2, 3]).backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}
    expected = {name for name in model.trained() if "k_proj.bias" not in name}  # attention does not depend on it
    assert {name for name in reached if "k_proj.bias" not in name} == expected
    assert any(name.startswith("backbone.") for name in reached) == model.objective.trains_backbone


@methods
@torch.no_grad()
def test_the_order_of_a_batch_does_not_matter(make: Callable[[], Objective], tmp_path: Path) -> None:
    model = model_of(make, tmp_path)
    torch.testing.assert_close(loss_of(model, [2, 0, 3, 1]), loss_of(model, [0, 1, 2, 3]), rtol=1e-5, atol=1e-6)


@methods
@pytest.mark.parametrize("frozen_text", [False, True])
def test_frozen_towers_stay_bit_for_bit(make: Callable[[], Objective], tmp_path: Path, frozen_text: bool) -> None:
    model = model_of(make, tmp_path, frozen_text=frozen_text)
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    trained = [p for p in model.parameters() if p.requires_grad]
    assert any(name.startswith("text_encoder") for name in frozen) == frozen_text
    assert any(name.startswith("backbone") for name in frozen) != model.objective.trains_backbone
    for _ in range(2):
        loss = loss_of(model.train(), [0, 1, 2, 3])
        if loss.requires_grad:
            loss.backward()
            torch.optim.SGD(trained, lr=0.1).step()
    assert all(torch.equal(dict(model.named_parameters())[name], before) for name, before in frozen.items())


@methods
@pytest.mark.parametrize("architecture", list(Architecture))
def test_a_saved_model_is_the_same_model(
    make: Callable[[], Objective], architecture: Architecture, tmp_path: Path
) -> None:
    model = model_of(make, tmp_path, architecture=architecture).eval()
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    images, prompts = torch.rand(1, 3, 32, 48), ["a cat", "a photo of a cat"]
    assert type(again.objective) is type(model.objective)
    assert torch.equal(again.embed_patches(images), model.embed_patches(images))
    assert torch.equal(
        again.embed_prompts(prompts, [(2, 5), (13, 16)]), model.embed_prompts(prompts, [(2, 5), (13, 16)])
    )
    assert again.embed_patches(images).shape[-1] == again.embed_prompts(prompts).shape[-1]


def test_an_argument_that_is_given_by_name_alone_is_saved_too(tmp_path: Path) -> None:
    model_of(lambda: ToyByName(weight=2.0), tmp_path).save(tmp_path / "model")
    objective = load_model(tmp_path / "model").objective
    assert isinstance(objective, ToyByName)
    assert objective.weight == 2.0
