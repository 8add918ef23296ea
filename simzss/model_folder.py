"""A saved model is a folder: its files, how they are read, and what is refused.

`model.safetensors` holds all but a frozen ViT, `config.json` how to build the model and the hash of the backbone's
weights, `bank.json` the concepts it was trained with, `protocol.json` how it is to be used, where its recipe says so,
and, beside a pretrained T5, `tokenizer.json` its tokenizer. A model that carries its backbone has that in
`backbone.safetensors`. No pickle anywhere.
"""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from simzss.errors import UserError
from simzss.io.config import arguments_of, configuration, from_mapping
from simzss.io.files import file_hash
from simzss.io.records import load_json
from simzss.io.system_errors import why
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.objectives.base import Objective, registered

WEIGHTS, CONFIG, BANK, TOKENIZER = "model.safetensors", "config.json", "bank.json", "tokenizer.json"
BACKBONE, PROTOCOL = "backbone.safetensors", "protocol.json"
MODEL_SCHEMA = 2
"""Of `config.json` and `protocol.json`."""


@configuration
class ModelConfig:
    """All that is needed to build a model again, apart from its weights."""

    backbone: BackboneConfig
    text_encoder: TextEncoderConfig
    objective: str
    """Name of the objective's class."""
    settings: dict[str, Any]
    """Its constructor's arguments."""


@configuration
class SavedConfig(ModelConfig):
    """What `config.json` holds."""

    backbone_hash: str
    """Fingerprint of the backbone, see `ImageBackbone.fingerprint`."""
    version: str
    """The simzss that saved it, for people."""
    schema: int
    """Of this file; those saved before it was counted are read as they are."""
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every other file; none in models that were saved before there were any."""
    checksum: str | None = None
    """Of all other keys; None in models that were saved before there was one. Who edits this file takes it out."""


@configuration
class SavedProtocol:
    """What `protocol.json` holds."""

    protocol: dict[str, Any]
    """The keys and values of a `simzss.segmentation.protocol.SegmentationProtocol`."""
    schema: int


def read_config(folder: Path) -> SavedConfig:
    """How to build a saved model.

    Raises:
        UserError: If the folder holds no model, or its description is damaged.
    """
    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            raise UserError(f"{folder} is no saved model: {name} is missing (a run saves one as RUN/model)")
    return load_json(SavedConfig, folder / CONFIG, "simzss fit", MODEL_SCHEMA)


def read_protocol(folder: Path) -> dict[str, Any]:
    """The protocol that a saved model states as its own.

    Raises:
        UserError: If the file is damaged.
    """
    return load_json(SavedProtocol, folder / PROTOCOL, "simzss fit", MODEL_SCHEMA).protocol


def check_files(folder: Path, hashes: Mapping[str, str]) -> None:
    """Compare the files beside `config.json` with their hashes in it.

    Raises:
        UserError: If one is missing or not as it was saved.
    """
    for name, expected in hashes.items():
        if Path(name).name != name:
            raise UserError(f"{folder / CONFIG} names {name!r}, which is no file of the model's folder")
        if not (folder / name).is_file():
            raise UserError(f"{folder} is no whole model: {name} is missing, copy it again")
        if file_hash(folder / name) != expected:
            raise UserError(f"{folder / name} is damaged (it does not fit its hash in {CONFIG}): copy it again")


def make_objective(config: ModelConfig, where: str) -> Objective:
    """The objective that a saved model names: a registered one, with no other arguments than its own.

    Raises:
        UserError: If it is not known, or an argument is not what it takes; `where` begins the message.
    """
    known = registered()
    if config.objective not in known:
        raise UserError(
            f"{where}: no objective {config.objective!r}; known are {', '.join(sorted(known))}: import the module that"
            " has it"
        )
    kind = known[config.objective]
    return kind(**vars(from_mapping(arguments_of(kind), config.settings, f"{where}: {config.objective}")))


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors by their names.

    Raises:
        UserError: If they cannot be written.
    """
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:  # which is all that it makes of a full disk
        raise UserError(f"cannot write {path}: {error}; make room or choose another place") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by their names.

    Raises:
        UserError: If the file cannot be read or is damaged.
    """
    try:
        return load_file(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {why(error)}") from error
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}): export or copy it again") from error


def check_tensors(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    """Compare what was read with the tensors of the model that it is for.

    Raises:
        UserError: If names or shapes differ, or a number is not finite; the first such tensor is named.
    """
    for name in sorted(expected.keys() ^ tensors.keys()):
        where = "lacks" if name in expected else "has an unknown"
        raise UserError(f"{source} {where} tensor {name!r}: it was made with another text encoder or objective")
    for name, tensor in expected.items():
        if tensor.shape != tensors[name].shape:
            raise UserError(
                f"{source} holds {name!r} of shape {tuple(tensors[name].shape)}, the model expects"
                f" {tuple(tensor.shape)}: text encoder and backbone must have the widths it was trained with"
            )
        if not bool(tensors[name].isfinite().all()):
            raise UserError(f"{source} holds {name!r} with numbers that are not finite: export or copy it again")
