"""A real model, as small as one can be, saved as training saves it."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from simzss.concepts.bank import ConceptBank
from simzss.model import AlignedModel
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.objectives.simzss import SimZSS

OPTIONS = {"depth": 1, "embed_dim": 32, "num_heads": 2, "patch_size": 4, "img_size": 16}


def save_tiny_model(folder: Path, seed: int = 0, **more: int) -> Path:
    """Write a model of random weights and its backbone's weights; the folder to load it from."""
    torch.manual_seed(seed)
    options = OPTIONS | more
    config = BackboneConfig("vit_tiny_patch16_224", "random", options)
    folder.mkdir(parents=True)
    weights = folder / "backbone.safetensors"
    save_file(ImageBackbone(config).model.state_dict(), weights)
    config = BackboneConfig(config.name, str(weights), options)
    model = AlignedModel(config, TextEncoderConfig(layers=1, width=32, heads=2, context_length=32), SimZSS())
    model.bank = ConceptBank.from_names(["cat", "dog"])
    model.save(folder / "model")
    return folder / "model"
