"""Loss and gradient do not depend on the number of processes: several gloo processes against one, in float64."""

from collections.abc import Callable
from unittest import mock

import pytest
import torch
from torch import Tensor

from simzss.distributed import all_sum, rank, world_size
from simzss.losses import blockwise
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.patch_drop import kept_patches
from simzss.modeling.text_encoder import TextEncoder, TextEncoderConfig
from simzss.objectives import PACL, CLIPpy, Objective
from simzss.objectives.simzss import Query, SimZSS
from simzss.types import CaptionBatch, ConceptMentions
from tests.processes import on_processes

BATCH, TOKENS, DIM, CONCEPTS, END = 8, 7, 6, 5, 30
MENTIONS = [(0, 1, 1, 2), (0, 4, 3, 5), (1, 1, 2, 3), (4, 0, 1, 4), (4, 1, 4, 5), (5, 2, 1, 2), (5, 2, 3, 4)]
"""Caption, concept, start, end: rows 2, 3, 6 and 7 have none, so one of four processes has no mention at all."""
OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "SimZSS, query mention": lambda: SimZSS(concept_weight=1.0, query=Query.mention),
    "SimZSS, query concept": lambda: SimZSS(concept_weight=1.0, query=Query.concept),
    "PACL": lambda: PACL(vision_width=DIM, text_width=DIM),
    "CLIPpy": lambda: CLIPpy(vision_width=DIM, text_width=DIM),
}
OPTIONS = {"img_size": 32, "embed_dim": DIM, "depth": 1, "num_heads": 2}
"""Of that size no position embedding is resampled, which timm does in single precision."""


def share_of_the_batch() -> tuple[Tensor, CaptionBatch]:
    """What this process sees of a batch that is the same for any number of processes: its pixels, and the rest."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (BATCH, 3, 32, 32), generator=generator, dtype=torch.uint8)
    ids = torch.randint(0, END, (BATCH, TOKENS), generator=generator)
    ids[:, -1] = END
    size = BATCH // world_size()
    mine = slice(rank() * size, (rank() + 1) * size)
    rows = [row for row in MENTIONS if mine.start <= row[0] < mine.stop]
    caption, concept, start, end = torch.tensor(rows, dtype=torch.long).reshape(-1, 4).unbind(-1)
    mentions = ConceptMentions(caption - mine.start, concept, start, end, CONCEPTS)
    return pixels[mine], CaptionBatch(torch.arange(BATCH)[mine], None, ids[mine], mentions, chunks=())


def loss_and_gradients() -> dict[str, Tensor]:
    """The mean over processes of the losses and of every parameter's gradient, as DistributedDataParallel takes it."""
    result: dict[str, Tensor] = {}
    for name, make in OBJECTIVES.items():
        torch.manual_seed(1)
        encoder = TextEncoder(TextEncoderConfig(2, 16, 2, TOKENS), END + 1, END, DIM).double()
        objective = make().double()
        backbone = ImageBackbone(
            BackboneConfig("vit_tiny_patch16_224", "random", OPTIONS), trained=objective.trains_backbone
        ).double()
        pixels, batch = share_of_the_batch()
        kept = kept_patches(batch.crop, 4, 0.5) if objective.trains_backbone else None
        image = backbone(backbone.normalise(pixels).double(), kept)
        captions = objective.embed_captions(encoder(batch.ids), batch.mentions)
        with mock.patch.multiple(blockwise, IMAGES_TOGETHER=3, CAPTIONS_TOGETHER=3):
            terms = objective(image, captions, batch.mentions)
            terms.total.backward()
        named = [*encoder.named_parameters("text"), *objective.named_parameters("objective")]
        named += backbone.named_parameters("backbone")
        values = {key: p.grad for key, p in named if p.grad is not None}
        values |= {"loss": terms.total.detach()} | {key: term.detach() for key, term in terms.watched.items()}
        result |= {f"{name}: {key}": all_sum(tensor) / world_size() for key, tensor in values.items()}
    return result


@pytest.mark.distributed
@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_equal_one(count: int) -> None:
    one = loss_and_gradients()
    many = on_processes(count, loss_and_gradients)
    assert many.keys() == one.keys()
    assert len(one) > 2 * 30
    for name, expected in one.items():
        torch.testing.assert_close(many[name], expected, rtol=1e-9, atol=1e-14, msg=name, equal_nan=True)
