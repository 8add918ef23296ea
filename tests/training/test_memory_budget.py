"""A budget is refused where the memory of a method is not known."""

import pytest
import torch

from simzss.data.datamodule import CaptionData
from simzss.errors import UserError
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.objectives import PACL
from simzss.objectives.model import AlignedModel
from simzss.training.memory_budget import stay_within
from tests.corpus import Corpus
from tests.training.conftest import TINY


def test_a_method_whose_memory_is_not_counted(corpus: Corpus) -> None:
    backbone = BackboneConfig("vit_tiny_patch16_224", "random", TINY)
    model = AlignedModel(backbone, TextEncoderConfig(1, 32, 2), PACL(vision_width=16, text_width=16))
    data = CaptionData(corpus.table, corpus.images)
    with pytest.raises(UserError, match=r"memory of PACL .* leave out max_memory"):
        stay_within(24, model, data, torch.device("cpu"), mixed=False)
