"""Chunks, recomputation and cut padding change neither the loss nor any gradient."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from simzss.concepts.table.format import TABLE_SCHEMA
from simzss.data.batches import make_batch
from simzss.data.token_table import tokenise
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.text_encoder import Architecture, TextEncoder, TextEncoderConfig
from simzss.modeling.tokenizer import Tokenizer
from simzss.objectives import CLIPpy, SimZSS
from simzss.training.gradient_cache import encode_captions_chunked, encode_images_chunked
from simzss.types import CaptionBatch, Chunk, ConceptMentions, ImageFeatures

TOKENIZER = Tokenizer()
DIM = 8
CAPTIONS = [
    "a cat",
    "two dogs on the wet grass",
    "sky",
    "a dog under a wide and cloudy sky",
    "grass",
    "a cat and a dog",
]
NAMES = ["cat", "dog", "grass", "sky"]


def rows() -> pa.Table:
    """The captions as a concept table."""
    found = [
        [
            {"id": index, "start": start, "end": start + len(name)}
            for index, name in enumerate(NAMES)
            if (start := caption.find(name)) >= 0
        ]
        for caption in CAPTIONS
    ]
    columns = zip(CAPTIONS, found, strict=True)
    return pa.Table.from_pylist(
        [{"caption": caption, "concepts": concepts} for caption, concepts in columns], TABLE_SCHEMA
    )


TOKENS = tokenise(rows(), TOKENIZER)


def loss_and_gradients(chunk_size: int | None, order: list[int], pad_to: int | None = None) -> dict[str, Tensor]:
    torch.manual_seed(0)
    encoder = TextEncoder(TextEncoderConfig(2, 16, 2), TOKENIZER.vocabulary_size, TOKENIZER.end_id, DIM).double()
    objective = SimZSS(concept_weight=1.0).double()
    cls, patches = torch.randn(len(CAPTIONS), DIM).double(), torch.randn(len(CAPTIONS), 5, DIM).double()
    drawn = np.array(order)
    batch = make_batch(TOKENS, drawn, drawn, None, TOKENIZER.end_id, len(NAMES), chunk_size=chunk_size)
    if pad_to is not None:
        batch.ids = torch.nn.functional.pad(batch.ids, (0, pad_to - batch.ids.shape[1]), value=TOKENIZER.end_id)
        batch.chunks = tuple(type(chunk)(chunk.rows, pad_to, chunk.mentions) for chunk in batch.chunks)
    image = ImageFeatures(cls[batch.crop], patches[batch.crop], (5, 1))
    terms = objective(image, encode_captions_chunked(encoder, objective, batch), batch.mentions)
    terms.total.backward()
    gradients = {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}
    return {"loss": terms.total.detach(), "concept": terms.watched["concept"].detach(), **gradients}


PLAIN = list(range(len(CAPTIONS)))


@pytest.mark.parametrize(
    ("chunk_size", "order", "pad_to"),
    [
        (1, PLAIN, None),
        (2, PLAIN, None),
        (4, [5, 2, 0, 3, 1, 4], None),
        (None, PLAIN, 77),
        (3, PLAIN[::-1], 77),
    ],
)
def test_loss_and_every_gradient_stay_the_same(chunk_size: int | None, order: list[int], pad_to: int | None) -> None:
    plain, other = loss_and_gradients(None, PLAIN), loss_and_gradients(chunk_size, order, pad_to)
    assert other.keys() == plain.keys()
    for name, expected in plain.items():
        torch.testing.assert_close(other[name], expected, rtol=1e-9, atol=1e-14, msg=name)


def photographs(together: int) -> CaptionBatch:
    """Five images in chunks of so many."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (5, 3, 32, 48), dtype=torch.uint8, generator=generator)
    none = torch.zeros(0, dtype=torch.long)
    chunks = [Chunk(slice(first, min(first + together, 5)), 2, slice(0, 0)) for first in range(0, 5, together)]
    mentions = ConceptMentions(none, none, none, none, 1)
    return CaptionBatch(torch.arange(5), pixels, torch.zeros(5, 2, dtype=torch.long), mentions, tuple(chunks))


def test_images_in_chunks_have_the_same_features() -> None:
    config = BackboneConfig("vit_tiny_patch16_224", "random", {"embed_dim": 16, "depth": 1, "num_heads": 2})
    backbone, batch = ImageBackbone(config), photographs(2)
    assert batch.pixels is not None
    features, expected = encode_images_chunked(backbone, batch), backbone(backbone.normalise(batch.pixels))
    assert features.grid == (2, 3)
    torch.testing.assert_close(features.patches, expected.patches, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("patch_drop", [0.0, 0.5])
def test_a_trained_backbone_has_the_same_gradient_in_chunks(patch_drop: float) -> None:
    def gradients(together: int) -> dict[str, Tensor]:
        torch.manual_seed(0)
        config = BackboneConfig("vit_tiny_patch16_224", "random", {"embed_dim": 16, "depth": 2, "num_heads": 2})
        backbone = ImageBackbone(config, trained=True)
        features = encode_images_chunked(backbone, photographs(together), patch_drop)
        assert features.patches.shape[1] == round(6 * (1 - patch_drop))
        (features.patches.amax(dim=1).square().sum() + features.cls.sum()).backward()
        return {name: p.grad for name, p in backbone.named_parameters() if p.grad is not None}

    plain, pieces = gradients(5), gradients(2)
    assert len(plain) > 20
    for name, expected in plain.items():
        torch.testing.assert_close(pieces[name], expected, rtol=1e-4, atol=1e-5, msg=name)


def test_mixed_precision_reaches_every_weight_of_both_towers() -> None:
    torch.manual_seed(0)
    config = BackboneConfig("vit_tiny_patch16_224", "random", {"embed_dim": 16, "depth": 1, "num_heads": 2})
    backbone, objective, batch = ImageBackbone(config, trained=True), CLIPpy(16, DIM), photographs(2)
    text = TextEncoderConfig(1, 16, 2, activation="relu", architecture=Architecture.t5)
    encoder = TextEncoder(text, TOKENIZER.vocabulary_size, TOKENIZER.end_id, DIM)
    batch.ids = torch.tensor([[row, TOKENIZER.end_id] for row in range(5)])

    def loss(*, mixed: bool) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            image = encode_images_chunked(backbone, batch, objective.patch_drop)
            captions = encode_captions_chunked(encoder, objective, batch)
            with torch.autocast("cpu", enabled=False):
                return objective(image, captions, batch.mentions).total

    half = loss(mixed=True)
    half.backward()
    assert half.dtype is torch.float32
    torch.testing.assert_close(half, loss(mixed=False), rtol=0.05, atol=0.05)
    for module in (backbone, encoder, objective):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.dtype is torch.float32
            assert bool(parameter.grad.isfinite().all()), name
