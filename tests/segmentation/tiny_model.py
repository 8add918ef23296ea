"""A whole model of the real kind, as small as it goes."""

import torch

from simzss.model import AlignedModel
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.objectives.base import Objective
from simzss.objectives.simzss import SimZSS


def tiny_model(objective: Objective | None = None, **backbone: int) -> AlignedModel:
    """Random weights that never change, patches of 16 pixels; it carries its backbone."""
    options = {"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": 64, **backbone}
    torch.manual_seed(0)
    model = AlignedModel(
        BackboneConfig("vit_tiny_patch16_224", "random", options), TextEncoderConfig(1, 32, 2), objective or SimZSS()
    )
    model.carries_backbone = True
    return model.eval()
