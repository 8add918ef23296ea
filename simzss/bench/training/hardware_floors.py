"""How little time the parts of the recipe could take on one H200: work over the rate of the hardware.

Holds for ViT-B/14 with registers at 224 pixels, a text encoder of 12 layers and width 512, and COCO's captions. The
rates are what large matrix products and copies reach on an H200: 790 TFLOP/s in bfloat16, 4.3 TB/s of memory.
"""

from dataclasses import dataclass

FLOPS, BYTES = 790e12, 4.3e12
"""Per second."""
CORES = 16.0


@dataclass(frozen=True)
class Floor:
    """The least that one unit of a part takes."""

    work: float
    """Of one unit."""
    rate: float
    """Work per second."""
    assumes: str

    def seconds(self, count: int) -> float:
        """For that many units."""
        return count * self.work / self.rate


FLOORS = {
    "decode and crop": Floor(2.6e-3, CORES, "2.6 ms of one of 16 cores per image, decoded at half its size"),
    "backbone": Floor(47e9, FLOPS, "47 GFLOP per image"),
    "reading features": Floor(257 * 768 * 2.0, BYTES, "257 x 768 numbers of 2 bytes per pair, on the GPU"),
    "text forward and backward": Floor(13.5 * 0.23e9, FLOPS, "13.5 tokens of 0.23 GFLOP, nothing encoded again"),
    "losses": Floor(1.2e12 / 16_384, FLOPS, "1.2 TFLOP of logits per batch of 16,384"),
}
"""Parts without a floor are no matter of arithmetic or bandwidth."""
