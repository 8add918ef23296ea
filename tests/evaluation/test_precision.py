"""A backbone in bfloat16 gives the scores of one in float32, on the demo world."""

from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.demo_backbone.pretrain import BACKBONE
from simzss.demo.run import BACKBONE_WEIGHTS
from simzss.demo.world import WorldConfig, build_world
from simzss.diagnostics.probing import PatchesOnly, gather, prototypes
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.runner import evaluate_benchmark
from simzss.evaluation.spec import load_benchmark
from simzss.modeling.backbone import ImageBackbone
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.segmenter import Segmenter


@pytest.mark.slow
def test_half_precision_moves_the_score_by_less_than_a_twentieth_of_a_point(tmp_path: Path) -> None:
    """With class means as class vectors, which make real decisions, unlike random ones."""
    world = build_world(tmp_path / "world", WorldConfig(pictures=200, with_truth=200, held_out=150))
    protocol = load_protocol(Path(__file__).parents[2] / "configs" / "protocol" / "demo.yaml")
    segmenter = Segmenter(PatchesOnly(ImageBackbone(replace(BACKBONE, weights=str(BACKBONE_WEIGHTS)))), protocol)
    known, held_out = load_benchmark(world.probe), load_benchmark(world.benchmark)
    vectors = prototypes(gather(segmenter, known, world.folder, list_stems(known, world.folder)))
    scores = [
        evaluate_benchmark(each, held_out, world.folder, classes=ClassEmbeddings.of_vectors(vectors)).scores
        for each in (segmenter, replace(segmenter, half_precision=True))
    ]
    assert scores[0].miou > 0.1  # far above chance, so that the comparison means something
    difference = 100 * abs(scores[1].miou - scores[0].miou)
    print(f"mIoU {100 * scores[0].miou:.3f} in float32, {100 * scores[1].miou:.3f} in bfloat16")
    assert difference <= 0.05
