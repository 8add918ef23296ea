"""From `open_clip:ViT-B-16/laion2b_s34b_b88k` to a model: the adapters in the box, and those of other packages.

Another package joins by an entry point of the group `simzss.models`,

    [project.entry-points."simzss.models"]
    mine = "my_package.simzss:load"

whose function takes what stands behind the colon and returns a `simzss.segmentation.segmenter.PatchTextModel`.
Loading it runs that package's code, as installing it does; nothing else of what is named is run.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

import torch

from simzss.errors import UserError
from simzss.segmentation.segmenter import PatchTextModel

GROUP = "simzss.models"
IN_THE_BOX = {
    "open_clip": "simzss.adapters.open_clip_model:load_open_clip",
    "clip": "simzss.adapters.hugging_face:load_clip",
    "siglip": "simzss.adapters.hugging_face:load_siglip",
    "dinotxt": "simzss.adapters.dinotxt:load_dinotxt",
    "talk2dino": "simzss.adapters.talk2dino:load_talk2dino",
}
"""Plug-ins that need no entry point, by name."""

Load = Callable[[str], PatchTextModel]


def is_plugin(name: str) -> bool:
    """Whether a model's name means a plug-in: a word before a colon."""
    plugin, colon, _ = name.partition(":")
    return bool(colon) and plugin.isidentifier()


def load_plugin(name: str, device: torch.device, side: int) -> PatchTextModel:
    """The model of a plug-in, tried out on nothing.

    Args:
        name: `PLUGIN:NAME`.
        device: Where it shall lie.
        side: Pixels of a window's side, which it must take.

    Raises:
        UserError: If there is no such plug-in, it does not load, or gives something else than it promises.
    """
    plugin, _, argument = name.partition(":")
    load = _find(plugin)
    try:
        model = load(argument)
    except UserError:
        raise
    except Exception as error:  # whatever another package may raise
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"plug-in {plugin!r} cannot load {argument!r}: {why}") from error
    if isinstance(model, torch.nn.Module):
        model = model.to(device).eval()
    if not isinstance(model, PatchTextModel):
        raise UserError(f"plug-in {plugin!r} gave a {type(model).__name__}, which lacks members of PatchTextModel")
    _try_out(model, plugin, side)
    return model


def _find(plugin: str) -> Load:
    known = {name: EntryPoint(name, target, GROUP) for name, target in IN_THE_BOX.items()}
    known |= {entry.name: entry for entry in entry_points(group=GROUP)}
    if plugin not in known:
        installed = ", ".join(sorted(known))
        raise UserError(f"no plug-in {plugin!r}; installed are {installed} (entry points of {GROUP!r})")
    try:
        load: Load = known[plugin].load()
    except (ImportError, AttributeError) as error:
        raise UserError(f"plug-in {plugin!r} does not load ({error}); install its package anew") from error
    return load


@torch.no_grad()
def _try_out(model: PatchTextModel, plugin: str, side: int) -> None:
    """Embed one grey window and one prompt, and look at what comes back."""
    side -= side % model.patch_size
    cells = side // model.patch_size
    try:
        patches = model.embed_patches(torch.zeros(1, 3, side, side, device=model.device), None)
        prompts = model.embed_prompts(["a cat"], None)
    except UserError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"plug-in {plugin!r} fails on a window of {side} pixels: {what}") from error
    if patches.shape[:3] != (1, cells, cells) or patches.ndim != 4:
        raise UserError(f"plug-in {plugin!r}: patches of shape {tuple(patches.shape)}, not (1, {cells}, {cells}, dim)")
    if prompts.shape != (1, patches.shape[-1]):
        raise UserError(f"plug-in {plugin!r}: prompts of shape {tuple(prompts.shape)}, not (1, {patches.shape[-1]})")
    if not (patches.isfinite().all() and prompts.isfinite().all()):
        raise UserError(f"plug-in {plugin!r} gives values that are no numbers; mend its weights")
