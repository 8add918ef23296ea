"""What the demo finds, in `results.json` and in the terminal."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from statistics import mean, pstdev

from rich.table import Table

from simzss.demo.run import GLOBAL_ONLY, DemoConfig, Method, Outcome
from simzss.demo.scenes import CLASS_NAMES
from simzss.demo.stuff import STUFF
from simzss.demo.world import WorldConfig
from simzss.diagnostics.probing import CHANCE
from simzss.errors import UserError
from simzss.io.config import configuration
from simzss.io.records import load_json
from simzss.segmentation.protocol import ClassToken, SegmentationProtocol, load_protocol

DEMO_RESULTS = "results.json"

MEANING = {
    Method.SIMZSS: "SimZSS: text encoder trained with both losses",
    GLOBAL_ONLY: "the same training with the concept loss off",
    Method.PACL: "PACL: patch embedder and text encoder trained",
    Method.CLIPPY: "CLIPpy: both towers trained, patches by their maximum",
    "cosine_probe": "supervised cosine classifier on the patches of the given backbone: the ceiling of a frozen one",
    "prototypes": "class means of its patches, with truth",
    "concept_only": "free class vectors, trained by the concept loss alone",
    CHANCE: "best prediction that does not look",
}
"""What a row of the table is."""


@configuration
class MethodFigures:
    """Every figure of a trained model, seed by seed; None where it was not measured."""

    miou: tuple[float, ...] | None = None
    pixel_accuracy: tuple[float, ...] | None = None
    top1: tuple[float, ...] | None = None
    """Single things named right."""
    top1_usual: tuple[float, ...] | None = None
    top1_unusual: tuple[float, ...] | None = None
    jaccard: tuple[float, ...] | None = None
    """Of groups of patches made without any text."""
    train_seconds: tuple[float, ...] | None = None


@configuration
class DemoSettings:
    """What a demo was made with."""

    train: tuple[str, ...]
    """Configurations of `simzss fit`."""
    protocol: SegmentationProtocol
    world: WorldConfig
    seeds: int
    class_token: dict[str, ClassToken]
    """By model."""
    extra: tuple[str, ...]
    """Further arguments of every training."""


@configuration
class DemoResults:
    """All numbers; fractions are means over the seeds."""

    method: Method
    miou: dict[str, float]
    """By row of the table."""
    per_class: dict[str, dict[str, float | None]]
    """IoU; None where a class has none."""
    methods: dict[str, MethodFigures]
    """By trained model: what `simzss compare` puts side by side."""
    seconds: dict[str, float]
    """By stage."""
    settings: DemoSettings
    spread: dict[str, float] | None = None
    """Population standard deviation of mIoU, with several seeds."""
    per_seed: dict[str, tuple[float, ...]] | None = None
    """MIoU, with several seeds."""


def gather_results(outcomes: Sequence[Outcome], config: DemoConfig) -> DemoResults:
    """All numbers of a demo."""
    names = list(outcomes[0].scores)
    miou = {name: tuple(outcome.scores[name].miou for outcome in outcomes) for name in names}
    several = len(outcomes) > 1
    return DemoResults(
        method=config.method,
        miou={name: mean(values) for name, values in miou.items()},
        per_class={name: _per_class([each.scores[name].class_iou.tolist() for each in outcomes]) for name in names},
        methods={name: _figures(outcomes, name) for name in outcomes[0].models},
        seconds={stage: mean(outcome.seconds[stage] for outcome in outcomes) for stage in outcomes[0].seconds},
        settings=DemoSettings(
            train=tuple(str(path) for path in config.train),
            protocol=load_protocol(config.protocol),
            world=config.world,
            seeds=len(outcomes),
            class_token=outcomes[0].tokens,
            extra=config.extra,
        ),
        spread={name: pstdev(values) for name, values in miou.items()} if several else None,
        per_seed=miou if several else None,
    )


def load_demo(folder: Path) -> DemoResults:
    """Read the results of `simzss demo`.

    Raises:
        UserError: If the folder holds none, or they are damaged.
    """
    results = load_json(DemoResults, folder / DEMO_RESULTS, "simzss demo")
    for name, figures in results.methods.items():
        for key, values in vars(figures).items():
            if values is not None and len(values) != results.settings.seeds:
                raise UserError(
                    f"{folder / DEMO_RESULTS}: {name} has not {results.settings.seeds} numbers of {key!r}, one a seed;"
                    " run the demo anew"
                )
    return results


def results_table(results: DemoResults) -> Table:
    """The scores, for people."""
    table = Table("class vectors", "mIoU", "stuff", "things", "", title="held-out pictures of the demo world, percent")
    for name in results.miou:
        iou = list(results.per_class[name].values())
        spread = f" ± {100 * results.spread[name]:.1f}" if results.spread else ""
        parts = [_mean(iou[: len(STUFF)]), _mean(iou[len(STUFF) :])]
        table.add_row(
            name, f"{100 * results.miou[name]:.1f}{spread}", *(f"{100 * part:.1f}" for part in parts), MEANING[name]
        )
    return table


def _figures(outcomes: Sequence[Outcome], name: str) -> MethodFigures:
    scores = [outcome.scores[name] for outcome in outcomes]
    measures = [outcome.measures[name] for outcome in outcomes]
    return MethodFigures(
        miou=tuple(each.miou for each in scores),
        pixel_accuracy=tuple(each.pixel_accuracy for each in scores),
        top1=tuple(each.top1 for each in measures),
        top1_usual=tuple(each.top1_usual for each in measures),
        top1_unusual=tuple(each.top1_unusual for each in measures),
        jaccard=tuple(each.jaccard for each in measures),
        train_seconds=tuple(outcome.seconds[name] for outcome in outcomes),
    )


def _per_class(per_seed: Sequence[Sequence[float]]) -> dict[str, float | None]:
    """Mean IoU of every class over the seeds; None where it has none."""
    means = [_mean(values) for values in zip(*per_seed, strict=True)]
    return {name: None if isnan(value) else value for name, value in zip(CLASS_NAMES, means, strict=True)}


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None and not isnan(value)]
    return mean(known) if known else float("nan")
