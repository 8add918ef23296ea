"""A memory budget applied to a run: its sizes are read off model and data, the plan is made, the process is capped."""

import torch

from simzss.data.datamodule import CaptionData
from simzss.data.feature_cache import FeatureCache, Placement
from simzss.distributed import world_size
from simzss.errors import UserError
from simzss.model import AlignedModel
from simzss.modeling.text_encoder import Architecture
from simzss.training.memory_plan import CONTEXT, MemoryPlan, Workload, plan


def stay_within(
    gigabytes: float, model: AlignedModel, data: CaptionData, device: torch.device, *, mixed: bool
) -> MemoryPlan:
    """Choose how a run stays within a budget, set the data's chunks, and cap the process where CUDA can.

    Args:
        gigabytes: What one process may take on `device`.
        model: What is trained.
        data: With its captions tokenised.
        device: Where it is trained.
        mixed: Whether in mixed precision.

    Raises:
        UserError: If the run cannot be done with so little, or its memory is not known.
    """
    if not model.objective.memory_is_counted or model.text_encoder.config.architecture is not Architecture.clip:
        name, architecture = type(model.objective).__name__, model.text_encoder.config.architecture
        raise UserError(
            f"the memory of {name} with a text encoder of architecture {architecture} is not known in advance: leave"
            " out max_memory, and lower data.chunk_size if memory runs out"
        )
    chosen = plan(workload(model, data, device, mixed=mixed), gigabytes * 1e9, data.chunk_size)
    data.chunk_size = chosen.chunk_size
    if device.type == "cuda":
        share = (gigabytes * 1e9 - CONTEXT) / torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, share), device)
    return chosen


def workload(model: AlignedModel, data: CaptionData, device: torch.device, *, mixed: bool) -> Workload:
    """The sizes of a run that its memory depends on."""
    text, side = model.text_encoder.config, data.crop.size // model.patch_size
    numbers = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    cached = data.cache is not Placement.off
    return Workload(
        batch=data.batch_size // world_size(),
        processes=world_size(),
        tokens=int(data.tokens.lengths.max()),
        mentions=len(data.tokens.mentions) / len(data.tokens.lengths),
        concepts=len(data.dataset.bank.names),
        image_tokens=1 + side * side,
        dim=model.backbone.dim,
        feature_bytes=getattr(torch, data.cache_dtype).itemsize if cached else 4,
        pixels=0 if cached else 3 * data.crop.size**2,
        layers=text.layers,
        width=text.width,
        vocabulary=model.tokenizer.vocabulary_size,
        frozen=sum(number for number, trained in numbers if not trained),
        trained=sum(number for number, trained in numbers if trained),
        mixed=mixed,
        accelerator=device.type == "cuda",
    )


def bytes_beside(cache: FeatureCache | None, device: torch.device) -> int:
    """What cached features take of the memory that is budgeted; those in a mapped file take none."""
    if cache is None or not cache.sharded or cache.features.device.type != device.type:
        return 0
    return cache.features.nbytes
