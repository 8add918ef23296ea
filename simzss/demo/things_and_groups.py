"""What a trained model of the demo is asked beside its mIoU: whole pictures by name, and groups without any name."""

from dataclasses import dataclass

from simzss.demo.scenes import SIZE
from simzss.demo.world import World
from simzss.diagnostics.backgrounds import classify_by_background, from_metadata
from simzss.diagnostics.grouping import Grouping, evaluate_groups
from simzss.evaluation.spec import load_benchmark
from simzss.model import AlignedModel
from simzss.segmentation.protocol import SegmentationProtocol
from simzss.segmentation.segmenter import Segmenter


@dataclass(frozen=True)
class ThingAccuracy:
    """Share of the held-out pictures of single things whose thing is named right, among all things of the world."""

    top1: float
    top1_usual: float
    """Of those on a ground that is usual for the thing."""
    top1_unusual: float
    images: int
    """Half of them on either."""


def classify_things(model: AlignedModel, world: World, protocol: SegmentationProtocol) -> ThingAccuracy:
    """Name the single things on usual and unusual grounds, by whole prompts of the protocol."""
    placed = from_metadata(world.backgrounds, "test")
    found = classify_by_background(model, placed, protocol, model.device, SIZE)
    return ThingAccuracy(found.overall.top1, found.matching.top1, found.mismatching.top1, found.overall.images)


def group_patches(model: AlignedModel, world: World, protocol: SegmentationProtocol) -> Grouping:
    """Group the patches of every held-out picture bottom-up and compare the groups with its truth."""
    segmenter = Segmenter(model, protocol)
    return evaluate_groups(segmenter, load_benchmark(world.benchmark), world.folder)
