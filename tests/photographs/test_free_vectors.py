"""Free class vectors lower the concept loss, computed by plain loops, and leave what nobody mentions where it began."""

import math

import torch
from torch import Tensor

from simzss.data.feature_cache import FeatureCache
from simzss.objectives.simzss import SimZSS
from simzss.photographs.free_vectors import free_vectors
from simzss.types import CaptionBatch, Chunk, ConceptMentions

OBJECTIVE = SimZSS(pooling_temperature=0.5, concept_scale=10.0)
MENTIONED = (0, 1, 2, 1)
"""The concept of every image; nobody mentions the fourth of the bank."""


def trained(features: Tensor, steps: int) -> Tensor:
    rows = torch.arange(len(MENTIONED))
    mentions = ConceptMentions(rows, torch.tensor(MENTIONED), rows, rows + 1, num_concepts=4)
    chunk = Chunk(slice(0, len(rows)), 1, slice(0, len(rows)))
    batch = CaptionBatch(rows, None, torch.zeros(len(rows), 1, dtype=torch.long), mentions, (chunk,))
    return free_vectors([batch] * steps, steps, FeatureCache(features, (1, 3), sharded=False), OBJECTIVE, seed=0)


def loss_by_loops(features: Tensor, vectors: Tensor) -> float:
    unit = [[cell / cell.norm() for cell in image[1:].double()] for image in features]
    h = [vector / vector.norm() for vector in vectors.double()]
    total = 0.0
    for cells, concept in zip(unit, MENTIONED, strict=True):
        weights = [math.exp(float(cell @ h[concept]) / OBJECTIVE.pooling_temperature) for cell in cells]
        visual = sum((w * cell for w, cell in zip(weights, cells, strict=True)), torch.zeros_like(cells[0]))
        logits = [OBJECTIVE.concept_scale * float(visual @ h[c] / visual.norm()) for c in sorted(set(MENTIONED))]
        total += math.log(sum(map(math.exp, logits))) - logits[concept]
    return total / len(MENTIONED)


def test_the_concept_loss_falls_and_nobody_moves_what_is_not_mentioned() -> None:
    torch.manual_seed(0)
    features = torch.randn(len(MENTIONED), 4, 8)
    before, after = trained(features, steps=1), trained(features, steps=300)
    assert loss_by_loops(features, after) < 0.1 * loss_by_loops(features, before)
    torch.testing.assert_close(after[3], before[3])
    torch.testing.assert_close(after.norm(dim=-1), torch.ones(4))
