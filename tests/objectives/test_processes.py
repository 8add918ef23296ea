"""Loss and gradient do not depend on the number of processes: several gloo processes against one, in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from simzss.distributed import all_sum, rank, world_size
from simzss.modeling.text_encoder import TextEncoder, TextEncoderConfig
from simzss.objectives import PACL, Objective
from simzss.objectives.simzss import Query, SimZSS
from simzss.types import CaptionBatch, ConceptMentions, ImageFeatures
from tests.processes import on_processes

BATCH, TOKENS, DIM, CONCEPTS, END = 8, 7, 6, 5, 30
MENTIONS = [(0, 1, 1, 2), (0, 4, 3, 5), (1, 1, 2, 3), (4, 0, 1, 4), (4, 1, 4, 5), (5, 2, 1, 2), (5, 2, 3, 4)]
"""Caption, concept, start, end: rows 2, 3, 6 and 7 have none, so one of four processes has no mention at all."""
OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "SimZSS, query mention": lambda: SimZSS(concept_weight=1.0, query=Query.mention),
    "SimZSS, query concept": lambda: SimZSS(concept_weight=1.0, query=Query.concept),
    "PACL": lambda: PACL(vision_width=DIM, text_width=DIM),
}


def share_of_the_batch() -> tuple[ImageFeatures, CaptionBatch]:
    """What this process sees of a batch that is the same for any number of processes."""
    generator = torch.Generator().manual_seed(0)
    cls = torch.randn(BATCH, DIM, generator=generator, dtype=torch.float64)
    patches = torch.randn(BATCH, 4, DIM, generator=generator, dtype=torch.float64)
    ids = torch.randint(0, END, (BATCH, TOKENS), generator=generator)
    ids[:, -1] = END
    size = BATCH // world_size()
    mine = slice(rank() * size, (rank() + 1) * size)
    rows = [row for row in MENTIONS if mine.start <= row[0] < mine.stop]
    caption, concept, start, end = torch.tensor(rows, dtype=torch.long).reshape(-1, 4).unbind(-1)
    mentions = ConceptMentions(caption - mine.start, concept, start, end, CONCEPTS)
    batch = CaptionBatch(torch.arange(size), None, ids[mine], mentions, chunks=())
    return ImageFeatures(cls[mine], patches[mine], (2, 2)), batch


def loss_and_gradients() -> dict[str, Tensor]:
    """The mean over processes of the losses and of every parameter's gradient, as DistributedDataParallel takes it."""
    result: dict[str, Tensor] = {}
    for name, make in OBJECTIVES.items():
        torch.manual_seed(1)
        encoder = TextEncoder(TextEncoderConfig(2, 16, 2, TOKENS), END + 1, END, DIM).double()
        objective = make().double()
        image, batch = share_of_the_batch()
        captions = objective.embed_captions(encoder(batch.ids), batch.mentions)
        terms = objective(image, captions, batch.mentions)
        terms.total.backward()
        named = [*encoder.named_parameters("text"), *objective.named_parameters("objective")]
        values = {key: p.grad for key, p in named if p.grad is not None}
        values |= {"loss": terms.total.detach(), "concept": terms.concept.detach()}
        result |= {f"{name}: {key}": all_sum(tensor) / world_size() for key, tensor in values.items()}
        result |= {f"{name}: accuracy": terms.concept_accuracy, f"{name}: present": terms.concepts_present}
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
