"""The concept loss (L_l): each mention's visual concept is classified among the concepts present in the global batch.

Source: SimZSS (arXiv 2406.16085, section 3.2, equations 4-7). Class weights are built from the text of the batch
itself, so there is no classifier to learn or to load; with several processes only the class weights are summed, which
makes loss and gradient independent of how the batch is spread (the released code builds them per process).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from simzss.distributed import all_sum, world_size


@dataclass
class ClassWeights:
    """The text-side classifier of one global batch."""

    weights: Float[Tensor, "concepts dim"]
    """h_c, L2-normalised; zero for concepts that nobody mentions."""
    mentions: Float[Tensor, " concepts"]
    """How often each concept is mentioned in the global batch."""

    @property
    def present(self) -> Bool[Tensor, " concepts"]:
        """Which concepts are mentioned at all."""
        return self.mentions > 0


@dataclass
class ConceptLoss:
    """The concept loss of one global batch and what is watched beside it."""

    loss: Float[Tensor, ""]
    """This process's share; its mean over processes is L_l."""
    accuracy: Float[Tensor, ""]
    """Share of all mentions that are closest to their own class weight; NaN if there is no mention."""


def class_weights(
    embedding: Float[Tensor, "mentions dim"], concept: Int[Tensor, " mentions"], num_concepts: int
) -> ClassWeights:
    """Sum the mention embeddings of each concept over the global batch and normalise.

        h_c = normalise( sum_{m : q_m = c} t_m )

    Args:
        embedding: t_m of this process's mentions (possibly none).
        concept: q_m, entries of the bank.
        num_concepts: Size of the bank.
    """
    sums = embedding.new_zeros(num_concepts, embedding.shape[1]).index_add(0, concept, embedding)
    counts = embedding.new_zeros(num_concepts).index_add(0, concept, torch.ones_like(embedding[:, 0]))
    return ClassWeights(functional.normalize(all_sum(sums), dim=-1), all_sum(counts))


def concept_cross_entropy(
    visual: Float[Tensor, "mentions dim"],
    concept: Int[Tensor, " mentions"],
    classes: ClassWeights,
    scale: float,
    *,
    self_labelled: bool = False,
) -> ConceptLoss:
    """Cross-entropy of the visual concepts over the concepts present in the global batch.

        L_l = mean_m CE( scale v_m . h_c over present c, target_m )

    A batch without any mention has L_l = 0, connected to the graph; so has a process without one, whose share is zero
    but whose backward pass still takes part in the sum over processes.

    Args:
        visual: v_m, L2-normalised, of this process's mentions.
        concept: q_m, their entries of the bank.
        classes: h_c of the global batch.
        scale: Factor on the cosines.
        self_labelled: Take the argmax of the logits as the target, as the released code does, instead of q_m.
    """
    logits = (scale * visual @ classes.weights.T).masked_fill(~classes.present, -torch.inf)
    predicted = logits.argmax(dim=-1)
    summed = functional.cross_entropy(logits, predicted if self_labelled else concept, reduction="sum")
    total = classes.mentions.sum()
    share = summed * world_size() / total.clamp(min=1)
    connected = share + 0.0 * (classes.weights.sum() + visual.sum())
    correct = all_sum((predicted == concept).sum().to(total.dtype))
    return ConceptLoss(connected, correct / total)
