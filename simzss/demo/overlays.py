"""`overlays.png`: pictures, their truth, and what every trained model of the demo makes of them."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from simzss.demo.run import GLOBAL_ONLY, DemoConfig, Method, Outcome
from simzss.evaluation.dataset import list_stems, read_ahead, read_sample
from simzss.evaluation.runner import class_embeddings_for
from simzss.evaluation.spec import load_benchmark
from simzss.evaluation.task import choose
from simzss.model import load_model
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.render import Panel, PanelRow, draw, save_png
from simzss.segmentation.segmenter import Segmenter

PICTURES = 6
TITLES = {Method.SIMZSS: "SimZSS", GLOBAL_ONLY: "global loss only", Method.PACL: "PACL", Method.CLIPPY: "CLIPpy"}
"""What stands above an overlay."""


def draw_overlays(outcome: Outcome, config: DemoConfig, path: Path) -> None:
    """Photograph, truth and every model side by side, for held-out pictures spread over the set."""
    benchmark, protocol = load_benchmark(outcome.world.benchmark), load_protocol(config.protocol)
    segmenters = {
        name: Segmenter(load_model(folder), replace(protocol, class_token=outcome.tokens[name]))
        for name, folder in outcome.models.items()
    }
    stems = choose(list_stems(benchmark, outcome.world.folder), PICTURES)
    samples = read_ahead(partial(read_sample, [benchmark], outcome.world.folder), stems, threads=2)
    class_sets = {name: class_embeddings_for(segmenter, benchmark) for name, segmenter in segmenters.items()}
    rows = []
    for sample in samples:
        image = torch.from_numpy(sample.image)
        labels = {name: each.segment(image, class_sets[name]) for name, each in segmenters.items()}
        predicted = [Panel(TITLES[name], each.numpy()) for name, each in labels.items()]
        rows.append(PanelRow(sample.image, [Panel("truth", sample.labels[0]), *predicted]))
    save_png(draw(rows, benchmark.names, height=168, abreast=2), path)
