"""`simzss probe`: whether a frozen backbone suits the method, before any text, and which of several suits it best."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from simzss.commands.console import make_console, say
from simzss.commands.options import DeviceName, ProtocolName
from simzss.devices import pick_device
from simzss.diagnostics.probing import CHANCE, PatchesOnly, Probe, ProbeConfig, run_probes
from simzss.errors import UserError
from simzss.evaluation.metrics import Scores
from simzss.evaluation.spec import load_benchmark
from simzss.evaluation.tables import percent
from simzss.io.places import check_writable
from simzss.io.records import write_json
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.named_backbones import timm_name
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.segmenter import Segmenter

PROBE_COLUMNS = {
    "concept loss alone": str(Probe.CONCEPT_ONLY),
    "prototypes": str(Probe.PROTOTYPES),
    "cosine probe": str(Probe.COSINE),
    "chance": CHANCE,
}


@dataclass(frozen=True)
class Probed:
    """A backbone and what its probes score."""

    name: str
    patch_size: int
    dim: int
    scores: dict[str, Scores]

    @property
    def reached(self) -> float:
        """The mIoU of the concept loss alone, by which backbones are ranked."""
        return self.scores[Probe.CONCEPT_ONLY].miou

    @property
    def share(self) -> float:
        """How much of the cosine probe's mIoU the concept loss alone reaches; NaN where that reaches nothing."""
        ceiling = self.scores[Probe.COSINE].miou
        return self.reached / ceiling if ceiling else float("nan")


def probe(  # noqa: PLR0913  # one argument per option
    benchmark: Annotated[str, typer.Argument(help="a masked data set: one of the eight, or a YAML file")],
    *,
    data_root: Annotated[Path, typer.Option(help="where the data sets lie")],
    backbone: Annotated[
        list[str] | None, typer.Option(help="a name of docs/backbones.md or of timm's; repeatable")
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="pretrained, random or a safetensors file; one for all, or one for each")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option(help="further arguments of the model as JSON; one for all, or one for each")
    ] = None,
    protocol: ProtocolName = "tcl",
    limit: Annotated[int, typer.Option(min=2, help="images to look at, evenly spread")] = 400,
    steps: Annotated[int, typer.Option(min=1, help="of the trained probes")] = ProbeConfig.steps,
    output: Annotated[Path | None, typer.Option(help="write the scores as JSON")] = None,
    device: DeviceName = "",
) -> None:
    """Tell what class vectors could reach on frozen backbones, and what the concept loss alone reaches.

    Every second image is learned from, the others are scored. No text is involved. Several backbones are ranked; one
    that cannot be made is told, and the others are probed.
    """
    if output is not None:
        check_writable(output)
    described, settings, place = load_benchmark(benchmark), load_protocol(protocol), pick_device(device)
    configs = _configs(backbone or [BackboneConfig.name], weights or ["pretrained"], options or ["{}"])
    found, problems = [], []
    for name, config in configs:
        try:
            made = ImageBackbone(config).to(place)
        except UserError as error:
            problems.append(str(error))
            say(f"left out: {error}", stderr=True)
            continue
        segmenter = Segmenter(PatchesOnly(made), settings)
        scores = run_probes(segmenter, described, data_root, limit, ProbeConfig(steps=steps))
        found.append(Probed(name, made.patch_size, made.dim, scores))
    found.sort(key=lambda probed: probed.reached, reverse=True)
    if found:
        show(found)
        if output is not None:
            write_json(output, [_plain(probed) for probed in found])
    if problems:
        raise UserError(f"{len(problems)} of {len(configs)} backbones could not be probed: {problems[0]}")


def _configs(names: Sequence[str], weights: Sequence[str], options: Sequence[str]) -> list[tuple[str, BackboneConfig]]:
    """Every backbone by its name, with its weights and options."""
    of_each = zip(names, _for_each(weights, names, "weights"), _for_each(options, names, "options"), strict=True)
    return [(name, BackboneConfig(timm_name(name), source, parse_options(more))) for name, source, more in of_each]


def _for_each(given: Sequence[str], names: Sequence[str], option: str) -> Sequence[str]:
    if len(given) not in {1, len(names)}:
        raise UserError(f"{len(given)} --{option} for {len(names)} backbones: give one for all, or one for each")
    return given if len(given) == len(names) else [*given] * len(names)


def parse_options(text: str) -> dict[str, Any]:
    """The further arguments of a timm model.

    Raises:
        UserError: If they are no JSON object.
    """
    try:
        options = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"--options {text[:80]!r} is no JSON ({error}); write for example '{{\"depth\": 4}}'"
        ) from error
    if not isinstance(options, dict):
        raise UserError(f"--options {text[:80]!r} is no JSON object; write for example '{{\"depth\": 4}}'")
    return options


def show(found: Sequence[Probed]) -> None:
    """Print the scores, the best backbone first, with the ratio that tells whether the method will work."""
    table = Table(
        "backbone", "patch", *PROBE_COLUMNS, "concept loss / probe", title="probes of frozen backbones, mIoU in %"
    )
    for probed in found:
        table.add_row(
            probed.name,
            str(probed.patch_size),
            *(percent(probed.scores[name].miou) for name in PROBE_COLUMNS.values()),
            f"{probed.share:.2f}",
        )
    make_console().print(table)
    say(
        f"the concept loss alone reaches {found[0].share:.2f} of the cosine probe on {found[0].name}; far below 0.6 a"
        " backbone does not suit it"
    )


def _plain(probed: Probed) -> dict[str, Any]:
    scores = {name: {"miou": each.miou, "pixel_accuracy": each.pixel_accuracy} for name, each in probed.scores.items()}
    return {"backbone": probed.name, "patch": probed.patch_size, "width": probed.dim, "scores": scores}
