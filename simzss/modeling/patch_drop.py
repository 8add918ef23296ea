"""Leaving out patches of an image in training: less work, and no embedding can rely on a few of them.

Which patches stay is a function of the crop alone, by a counter-based generator: the same for any number of processes,
for any chunks, when a chunk is computed again in the backward pass, and on any device.

Source: CLIPpy (arXiv 2210.09996) drops 50 to 80 % of the patches; the idea is PatchDropout's (arXiv 2208.07220).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

GOLDEN = -7046029254386353131
"""2**64 divided by the golden ratio, as a signed number: the step of splitmix64."""
MIXERS = ((30, -4658895280553007687), (27, -7723592293110705685))
"""Shifts and factors of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""


def kept_patches(crop: Int[Tensor, " batch"], patches: int, drop: float) -> Int[Tensor, "batch kept"]:
    """The patches that stay, in ascending order; every subset of that size is as likely as any other.

    Args:
        crop: Number of each crop: equal numbers, equal choice.
        patches: Patches of a crop.
        drop: Share of them to leave out, in [0, 1); at least one stays.
    """
    place = torch.arange(1, patches + 1, device=crop.device)
    noise = _mixed(_mixed(crop * GOLDEN).unsqueeze(-1) + place * GOLDEN)
    kept = max(1, round(patches * (1 - drop)))
    return noise.argsort(dim=-1)[:, :kept].sort(dim=-1).values


def keep_tokens(
    tokens: Float[Tensor, "batch tokens dim"], kept: Int[Tensor, "batch kept"], num_prefix_tokens: int
) -> Float[Tensor, "batch fewer dim"]:
    """All special tokens in front, and the chosen patches behind."""
    prefix, patches = tokens[:, :num_prefix_tokens], tokens[:, num_prefix_tokens:]
    chosen = patches.gather(1, kept.unsqueeze(-1).expand(-1, -1, patches.shape[-1]))
    return torch.cat([prefix, chosen], dim=1)


def _mixed(number: Tensor) -> Tensor:
    """splitmix64's finish: every bit of the input flips about half of those of the output."""
    for shift, factor in MIXERS:
        number = (number ^ _shifted(number, shift)) * factor
    return number ^ _shifted(number, 31)


def _shifted(number: Tensor, bits: int) -> Tensor:
    """A shift to the right that fills with zeros; torch's own repeats the sign."""
    return (number >> bits) & ((1 << (64 - bits)) - 1)
