"""The models that can be scored, by the name a command is given, and what a result says of them."""

import hashlib
from pathlib import Path

import torch

from simzss.adapters.registry import is_plugin, load_plugin
from simzss.evaluation.results import BankFacts, ScoredModel
from simzss.io.files import file_hash
from simzss.model import AlignedModel, load_model
from simzss.model_folder import WEIGHTS
from simzss.segmentation.segmenter import PatchTextModel

SETTINGS_SUFFIXES = (".yaml", ".yml", ".json", ".txt")
"""How the files end that tell what tensors do not."""


def load_scored(name: str, device: torch.device, side: int) -> tuple[PatchTextModel, ScoredModel]:
    """A saved model, or that of a plug-in, and what a result says of it.

    Args:
        name: A folder, or `PLUGIN:NAME`.
        device: Where it shall lie.
        side: Pixels of a window's side, which it must take.

    Raises:
        UserError: If there is no such model, or it does not load.
    """
    if is_plugin(name) and not Path(name).exists():
        plugged = load_plugin(name, device, side)
        return plugged, describe_plugin(name, plugged)
    model = load_model(name).to(device)
    return model, describe_model(Path(name), model)


def describe_model(folder: Path, model: AlignedModel) -> ScoredModel:
    """What a result says of a saved model."""
    bank = model.bank
    return ScoredModel(
        path=str(folder),
        weights=file_hash(folder / WEIGHTS)[:16],
        backbone=model.config.backbone.name,
        backbone_weights=model.backbone.fingerprint(),
        objective=model.config.objective,
        bank=None if bank is None else BankFacts(bank.kind, bank.content_hash, len(bank.names)),
    )


def describe_plugin(name: str, model: PatchTextModel) -> ScoredModel:
    """The same of another package's model; weights only where they are a module's.

    Their hash is also that of what decides a score and is in no tensor: patches, pixel statistics, and the settings in
    the file or folder that the plug-in is given.
    """
    weights = None
    if isinstance(model, torch.nn.Module):
        digest = hashlib.sha256(repr((model.patch_size, model.pixel_mean, model.pixel_std)).encode())
        for path in _settings_of(name.partition(":")[2]):
            digest.update(path.name.encode() + file_hash(path).encode())
        for key, tensor in sorted(model.state_dict().items()):
            digest.update(
                key.encode() + tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            )
        weights = digest.hexdigest()[:16]
    return ScoredModel(name, weights, plugin=name)


def _settings_of(argument: str) -> list[Path]:
    """The files of settings that a plug-in is given: one, or those of a folder."""
    given = Path(argument)
    found = sorted(given.iterdir()) if argument and given.is_dir() else [given]
    return [path for path in found if path.suffix in SETTINGS_SUFFIXES and path.is_file()]
