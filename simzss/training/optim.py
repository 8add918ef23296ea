"""AdamW and its schedule, as CLIP and SimZSS use them.

Source: the released recipe of SimZSS: betas 0.9 and 0.98, eps 1e-6, weight decay 0.2 on matrices only, learning rate
3e-5 per 256 pairs, linear warm-up over a tenth of the steps, cosine to zero.
"""

import math

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from simzss.io.config import NonNegative, Share, configuration


@configuration
class OptimizerConfig:
    """Numbers of the optimiser."""

    lr_per_256: NonNegative = 3e-5
    """Peak learning rate for a global batch of 256 pairs; it grows linearly with the batch (1.92e-3 at 16,384)."""
    betas: tuple[Share, Share] = (0.9, 0.98)
    """Decay of the running mean and of the running square."""
    eps: NonNegative = 1e-6
    """Added to the root of the running square."""
    weight_decay: NonNegative = 0.2
    """Decoupled weight decay of matrices; vectors, norms, biases and the scale have none."""
    warmup: Share = 0.1
    """Share of the steps in which the learning rate rises linearly."""


def adamw(model: nn.Module, config: OptimizerConfig, batch_size: int) -> AdamW:
    """AdamW over the parameters that want a gradient, in two groups: with and without weight decay."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    lr = config.lr_per_256 * batch_size / 256
    return AdamW(groups, lr=lr, betas=config.betas, eps=config.eps, fused=True)


def warmup_cosine(optimizer: AdamW, steps: int, warmup: float) -> LambdaLR:
    """Linear warm-up, then a cosine that reaches zero one step after the last."""
    rising = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))) / 2

    return LambdaLR(optimizer, factor)
