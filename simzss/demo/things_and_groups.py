"""What a trained model of the demo is asked beside its mIoU: whole pictures by name, and groups without any name."""

from dataclasses import dataclass

from simzss.demo.scenes import SIZE
from simzss.demo.world import World
from simzss.diagnostics.backgrounds import BackgroundAccuracy, from_metadata
from simzss.diagnostics.classification import rank_classes
from simzss.diagnostics.grouping import evaluate_groups
from simzss.evaluation.spec import load_benchmark
from simzss.model import AlignedModel
from simzss.segmentation.protocol import SegmentationProtocol
from simzss.segmentation.segmenter import Segmenter


@dataclass(frozen=True)
class Measures:
    """Of the held-out pictures."""

    top1: float
    """Share of the single things that are named right, among all things of the world; half lie on a usual ground."""
    top1_usual: float
    """Of those on a ground that is usual for the thing."""
    top1_unusual: float
    jaccard: float
    """How well groups of patches, made without any text, fit the truth of the other pictures."""


def measure(model: AlignedModel, world: World, protocol: SegmentationProtocol) -> Measures:
    """Name the single things by whole prompts of the protocol, and group the patches of every other picture."""
    placed = from_metadata(world.backgrounds, "test")
    ranks = rank_classes(model, placed.data, protocol, model.device, SIZE)
    things = BackgroundAccuracy.of_ranks(ranks, placed.matching)
    groups = evaluate_groups(Segmenter(model, protocol), load_benchmark(world.benchmark), world.folder)
    return Measures(things.overall.top1, things.matching.top1, things.mismatching.top1, groups.jaccard)
