"""What one of each thing costs: measured, by a command that anybody can repeat, or assumed, and then said to be so."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """One figure, and where it comes from."""

    value: float
    unit: str
    source: str
    measured: bool


def _measured(value: float, unit: str, source: str) -> Cost:
    return Cost(value, unit, source, measured=True)


def _assumed(value: float, unit: str, source: str) -> Cost:
    return Cost(value, unit, source, measured=False)


SPEED_TEST = "tests/data/shards/test_speed.py"
COSTS = {
    "sample": _assumed(25e3, "bytes", "img2dataset's page on LAION-400M: 10 TB at 256 pixels"),
    "read": _measured(29_800.0, "samples/s of a core", f"{SPEED_TEST}, shards on the disk"),
    "decode": _measured(1_110.0, "images/s of a core", f"{SPEED_TEST}, with cropping, Flickr8k at 224 pixels"),
    "concepts": _measured(52_000.0, "captions/s of a core", "docs/concepts.md: gazetteer, COCO's captions"),
    "tokens": _measured(44_700.0, "captions/s of a core", SPEED_TEST),
    "parser": _measured(
        840.0, "captions/s of a core", "docs/concepts.md: en_ud_ewt_cnn; the paper's pipeline is slower"
    ),
    "length": _assumed(18.0, "tokens per caption", "COCO's captions have 13.5; those of the web are longer"),
    "cores": _assumed(16.0, "cores per GPU", "a usual machine: 8 GPUs, 128 cores"),
    "GPUs": _assumed(8.0, "GPUs per machine", "likewise"),
    "store": _assumed(2.5e9, "bytes/s per machine", "20 Gbit/s from an object store"),
    "arithmetic": _assumed(300e12, "FLOP/s of a GPU", "0.4 of the 790 TFLOP/s of large bf16 products on an H200"),
    "link": _assumed(25e9, "bytes/s per GPU", "half of a 400 Gbit/s link for each GPU"),
    "backbone": _assumed(47e9, "FLOP per image", "ViT-B/14 with registers at 224 pixels, counted"),
    "text": _assumed(0.23e9 * 4 / 3, "FLOP per token", "forward, backward, and forward again by chunks, counted"),
    "logits": _assumed(1.2e12 / 16_384**2, "FLOP per pair of a batch, squared", "both directions, counted"),
    "dim": _assumed(768.0, "numbers per embedding", "ViT-B/14"),
    "trained": _assumed(64e6, "parameters", "text encoder of 12 layers and width 512, with its vocabulary"),
    "features": _assumed(257 * 768 * 2.0, "bytes per pair on the GPU", "class token and patches in bf16"),
    "concepts in a bank": _assumed(573.0, "class weights", "the released bank; they are summed over the processes"),
    "request": _assumed(0.05, "seconds per small object", "an object store's answer; 16 are asked at the same time"),
}
"""Counted arithmetic is held to be assumed, too: no run has shown it."""


def cost(name: str) -> float:
    """The value of one of them."""
    return COSTS[name].value
