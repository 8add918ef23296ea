"""`simzss convert`: the authors' released models as models of ours."""

from pathlib import Path
from typing import Annotated

import typer
from safetensors.torch import save_file
from torch import Tensor

from simzss.commands.console import say
from simzss.errors import UserError
from simzss.io.files import written_whole
from simzss.io.places import check_writable
from simzss.model import AlignedModel
from simzss.modeling.denoiser import Denoiser
from simzss.modeling.released import (
    LEFT_OUT,
    check_finite,
    denoiser_config,
    is_denoiser_alone,
    read_released,
    shape_of,
    translate,
)
from simzss.objectives.simzss import MentionPooling, Query, SimZSS, Target


def convert(
    released: Annotated[Path, typer.Argument(help="a released state dict (.pt), or a denoiser of DVT's (.pth)")],
    *,
    output: Annotated[Path, typer.Option(help="folder to write the model to; for a denoiser, a .safetensors file")],
) -> None:
    """Make a model of ours from the authors' released file, or a denoiser for training from DVT's.

    Nothing in the file is run. The model carries its backbone, so no other weights are needed to use it.
    """
    tensors = read_released(released)
    if is_denoiser_alone(tensors):
        _convert_denoiser(tensors, released, output)
        told = "a denoiser; name it as model.backbone.denoiser.weights"
    else:
        _convert_model(tensors, released, output)
        left_out = [name for name in LEFT_OUT if name in tensors]
        told = f"{len(tensors) - len(left_out)} tensors, left out {', '.join(left_out) or 'none'}"
    say(f"{output}: {told}")


def _convert_model(tensors: dict[str, Tensor], released: Path, output: Path) -> None:
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UserError(f"{output} exists: give a new folder")
    check_writable(output.with_name(output.name + ".partial"))
    shape = shape_of(tensors, released)
    objective = SimZSS(mention_pooling=MentionPooling.sum, query=Query.concept, target=Target.predicted)
    model = AlignedModel(shape.backbone, shape.text_encoder, objective)
    translated = translate(tensors, model.state_dict(), released)
    check_finite(translated, released)
    model.load_state_dict(translated)
    model.carries_backbone = True
    model.save(output)


def _convert_denoiser(tensors: dict[str, Tensor], released: Path, output: Path) -> None:
    if output.suffix != ".safetensors":
        raise UserError(f"{released} holds a denoiser alone: let --output end in .safetensors")
    check_writable(output)
    config = denoiser_config(tensors, released)
    width = tensors["visual.pos_embed"].shape[-1]
    translated = translate(tensors, Denoiser(config, width).state_dict(), released, prefix="backbone.denoiser.")
    check_finite(translated, released)
    with written_whole(output) as path:
        save_file(translated, path)
