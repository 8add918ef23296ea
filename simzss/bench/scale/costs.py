"""What one of each thing costs: measured, or assumed, and then said to be so."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """One figure, and where it comes from."""

    value: float
    unit: str
    source: str
    measured: bool = False
    """By a command that anybody can repeat. Counted arithmetic is held to be assumed, too: no run has shown it."""


SPEED_TEST = "tests/data/shards/test_speed.py"
COSTS = {
    "sample": Cost(25e3, "bytes", "img2dataset's page on LAION-400M: 10 TB at 256 pixels"),
    "read": Cost(29_800.0, "samples/s of a core", f"{SPEED_TEST}, shards on the disk", measured=True),
    "decode": Cost(
        1_110.0, "images/s of a core", f"{SPEED_TEST}, with cropping, Flickr8k at 224 pixels", measured=True
    ),
    "concepts": Cost(52_000.0, "captions/s of a core", "docs/concepts.md: gazetteer, COCO's captions", measured=True),
    "tokens": Cost(44_700.0, "captions/s of a core", SPEED_TEST, measured=True),
    "parser": Cost(
        840.0, "captions/s of a core", "docs/concepts.md: en_ud_ewt_cnn; the paper's pipeline is slower", measured=True
    ),
    "length": Cost(18.0, "tokens per caption", "COCO's captions have 13.5; those of the web are longer"),
    "cores": Cost(16.0, "cores per GPU", "a usual machine: 8 GPUs, 128 cores"),
    "GPUs": Cost(8.0, "GPUs per machine", "likewise"),
    "store": Cost(2.5e9, "bytes/s per machine", "20 Gbit/s from an object store"),
    "arithmetic": Cost(300e12, "FLOP/s of a GPU", "0.4 of the 790 TFLOP/s of large bf16 products on an H200"),
    "link": Cost(25e9, "bytes/s per GPU", "half of a 400 Gbit/s link for each GPU"),
    "backbone": Cost(47e9, "FLOP per image", "ViT-B/14 with registers at 224 pixels, counted"),
    "text": Cost(0.23e9 * 4 / 3, "FLOP per token", "forward, backward, and forward again by chunks, counted"),
    "logits": Cost(1.2e12 / 16_384**2, "FLOP per pair of a batch, squared", "both directions, counted"),
    "dim": Cost(768.0, "numbers per embedding", "ViT-B/14"),
    "trained": Cost(64e6, "parameters", "text encoder of 12 layers and width 512, with its vocabulary"),
    "features": Cost(257 * 768 * 2.0, "bytes per pair on the GPU", "class token and patches in bf16"),
    "concepts in a bank": Cost(573.0, "class weights", "the released bank; they are summed over the processes"),
    "request": Cost(0.05, "seconds per small object", "an object store's answer; 16 are asked at the same time"),
}


def cost(name: str) -> float:
    """The value of one of them."""
    return COSTS[name].value
