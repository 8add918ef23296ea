"""How `backbone.safetensors` was made: a small ViT that learns from pairs of pictures, without labels or captions.

    python -m data_prep.demo_backbone.pretrain --output simzss/demo/backbone.safetensors

The aim is what the method needs of its vision model: patches of one instance lie together, whatever surrounds them.
Each patch is to find, among all instances of the batch, the one it shows, seen in the *other* picture of its pair,
where that instance stands elsewhere, in other paint, in other company (an InfoNCE loss over regions; a patch on a
border belongs to each side by its share of the area):

    L_p = - mean_p sum_k share(p, k) log softmax_k( patch_p . region'_k / temperature )
    region'_k = normalise( sum_p share'(p, k) patch'_p )        in the other picture

and the class token of a picture is to find that of its partner (SimCLR). Other instances of the same kind count as
wrong answers, but they cannot be told apart once paint, pose and place have changed, so kinds gather by themselves.
Supervision is which pixels of the two pictures show the same instance; see `data_prep.demo_backbone.pairs`.

The start (`data_prep.demo_backbone.initialisation`) saves most of the work of learning to see.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from data_prep.demo_backbone.initialisation import initialise, sample_patches
from data_prep.demo_backbone.pairs import INSTANCES, Pairs, draw_pairs
from simzss.demo.scenes import SIZE
from simzss.losses.contrastive import symmetric_info_nce
from simzss.modeling.backbone import BackboneConfig, ImageBackbone

BACKBONE = BackboneConfig(
    name="vit_tiny_patch16_224",
    weights="random",
    options={"patch_size": 14, "img_size": SIZE, "embed_dim": 128, "depth": 4, "num_heads": 4},
)
"""The architecture; the configuration of the demo names the same."""


@dataclass(frozen=True)
class PretrainConfig:
    """Numbers of the pretraining."""

    pairs: int = 8000
    """Pairs drawn, then used again and again."""
    batch: int = 32
    """Pairs per step."""
    steps: int = 3255
    lr: float = 1e-3
    """Peak learning rate of AdamW, which trains embeddings, norms and biases."""
    lr_muon: float = 2e-3
    """Peak learning rate of Muon, which trains the matrices of the blocks."""
    weight_decay: float = 0.05
    """Of those matrices."""
    warmup: int = 100
    """Steps in which the learning rate rises."""
    cooldown: float = 0.2
    """Share of the steps, at the end, in which it falls to zero."""
    temperature: float = 0.1
    """Divides all cosines."""
    image_weight: float = 0.5
    """Weight of the loss of the class tokens."""
    seed: int = 0


@dataclass(frozen=True)
class Views:
    """A batch: the pictures of pair i are rows 2i and 2i + 1."""

    pixels: Float[Tensor, "batch 3 height width"]
    share: Float[Tensor, "batch patches instances"]
    """How much of a patch shows each instance."""


def pretrain(config: PretrainConfig) -> dict[str, Tensor]:
    """Train the backbone.

    Returns:
        Its weights, in half precision.
    """
    torch.manual_seed(config.seed)
    backbone = ImageBackbone(BACKBONE)
    model = backbone.model.requires_grad_(True)
    for block in model.blocks:
        block.attn.fused_attn = False  # its backward pass in half precision takes twice as long on a processor
    optimizers = make_optimizers(model, config)
    pairs = draw_pairs(config.pairs, config.seed)
    initialise(model, whitening_sample(pairs, backbone))
    for step, views in enumerate(track(_batches(pairs, backbone, config), "pretraining", config.steps)):
        loss = pair_loss(model, views, config)
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * _schedule(step, config)
            optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    return {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}


def pair_loss(model: Any, views: Views, config: PretrainConfig) -> Float[Tensor, ""]:
    """Both losses of a batch."""
    with torch.autocast("cpu", torch.bfloat16):
        tokens = model.forward_features(views.pixels)
    tokens = functional.normalize(tokens.float(), dim=-1)
    scale = torch.tensor(1 / config.temperature)
    images = symmetric_info_nce(tokens[::2, 0], tokens[1::2, 0], scale)
    return region_loss(tokens[:, 1:], views.share, config.temperature) + config.image_weight * images


def region_loss(
    patches: Float[Tensor, "batch patches dim"], share: Float[Tensor, "batch patches instances"], temperature: float
) -> Float[Tensor, ""]:
    """Each patch finds its instance in the other picture of the pair, among those of all pairs."""
    regions = functional.normalize(torch.einsum("bpk,bpd->bkd", share, patches), dim=-1)
    common = in_both(share)
    total, weight = patches.new_zeros(()), patches.new_zeros(())
    for first in (0, 1):
        answers = regions[1 - first :: 2][common]  # in the order of pair and instance
        number = common.flatten().cumsum(0).view_as(common) - 1
        log_odds = (patches[first::2] @ answers.T / temperature).log_softmax(dim=-1)
        own = share[first::2] * common[:, None]
        right = log_odds.gather(2, number.clamp(min=0)[:, None].expand(own.shape))
        total, weight = total - (own * right).sum(), weight + own.sum()
    return total / weight


def in_both(share: Float[Tensor, "batch patches instances"]) -> Bool[Tensor, "pairs instances"]:
    """Instances that both pictures of a pair show on more than the area of a patch; number 0 is no instance."""
    area = share.sum(dim=1)
    common = torch.minimum(area[::2], area[1::2]) > 1
    common[:, 0] = False
    return common


def whitening_sample(pairs: Pairs, backbone: ImageBackbone, pictures: int = 400) -> Float[Tensor, "patches values"]:
    """All patches of some pictures."""
    pixels = torch.from_numpy(pairs.images[:pictures, 0]).permute(0, 3, 1, 2)
    return sample_patches(backbone.normalise(pixels), backbone.patch_size)


def _batches(pairs: Pairs, backbone: ImageBackbone, config: PretrainConfig) -> Iterator[Views]:
    rng = np.random.default_rng(config.seed)
    mean = torch.tensor(backbone.pixel_mean).view(3, 1, 1)
    std = torch.tensor(backbone.pixel_std).view(3, 1, 1)
    for _ in range(config.steps):
        rows = rng.choice(len(pairs.images), config.batch, replace=False)
        pixels = torch.from_numpy(pairs.images[rows]).flatten(0, 1).permute(0, 3, 1, 2) / 255
        instance = torch.from_numpy(pairs.instance[rows]).flatten(0, 1)
        mirrored = torch.rand(len(pixels)) < 0.5
        pixels[mirrored], instance[mirrored] = pixels[mirrored].flip(-1), instance[mirrored].flip(-1)
        gain = 1 + 0.12 * torch.randn(len(pixels), 3, 1, 1) + 0.1 * torch.randn(len(pixels), 1, 1, 1)
        yield Views(((pixels * gain).clamp(0, 1) - mean) / std, shares(instance, backbone.patch_size))


def shares(instance: UInt8[Tensor, "batch height width"], patch_size: int) -> Float[Tensor, "batch patches instances"]:
    """The share of every patch that each instance covers."""
    layers = [functional.avg_pool2d((instance == number).float(), patch_size) for number in range(INSTANCES)]
    return torch.stack(layers, dim=-1).flatten(1, 2)


def make_optimizers(model: torch.nn.Module, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """Muon (orthogonalised momentum) for the matrices of the blocks, AdamW for the rest."""
    inner = [p for name, p in model.named_parameters() if p.ndim == 2 and name.startswith("blocks.")]
    chosen = {id(parameter) for parameter in inner}
    outer = [p for p in model.parameters() if id(p) not in chosen]
    muon = torch.optim.Muon(inner, config.lr_muon, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(outer, config.lr, betas=(0.9, 0.98), weight_decay=0.0)
    for optimizer in (muon, adamw):
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return [muon, adamw]


def _schedule(step: int, config: PretrainConfig) -> float:
    """Up, level, and down to zero over the last part."""
    left = (config.steps - step) / (config.cooldown * config.steps)
    return min(1.0, (step + 1) / config.warmup, left)


def main() -> None:
    """Make the file."""
    parser = argparse.ArgumentParser(description="Pretrain the backbone of the demo.")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=PretrainConfig.steps)
    arguments = parser.parse_args()
    weights = pretrain(PretrainConfig(steps=arguments.steps))
    partial = arguments.output.with_suffix(".partial")
    save_file(weights, partial)
    partial.replace(arguments.output)


if __name__ == "__main__":
    main()
