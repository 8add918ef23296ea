"""`simzss demo`: the whole method on a small drawn world, in minutes and without any download."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from simzss.demo.report import draw_overlays, results_of, to_table, write_results
from simzss.demo.run import DemoConfig, run_demo
from simzss.demo.world import WorldConfig
from simzss.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"


def demo(
    output: Annotated[Path, typer.Option(help="folder for all that the demo leaves")] = Path("runs/demo"),
    *,
    seeds: Annotated[int, typer.Option(min=1, help="worlds and trainings to average over")] = 1,
    pictures: Annotated[int, typer.Option(min=50, help="training pictures per world")] = WorldConfig.pictures,
    config: Annotated[Path, typer.Option(help="configuration of the training")] = CONFIGS / "train" / "demo.yaml",
) -> None:
    """Draw a world, train SimZSS and its baseline on it, score both beside the probes, and make the pictures."""
    if not config.is_file():
        raise UserError(f"no configuration at {config}: run the demo from a clone of the repository, or give --config")
    world = WorldConfig(pictures=pictures, with_truth=min(WorldConfig.with_truth, pictures))
    settings = DemoConfig(config, CONFIGS / "protocol" / "demo.yaml", world)
    outcomes = [
        run_demo(output / f"seed-{seed}", replace(settings, world=replace(world, seed=seed))) for seed in range(seeds)
    ]
    record = results_of(outcomes, settings)
    write_results(output / "results.json", record)
    draw_overlays(outcomes[0], settings, output / "overlays.png")
    console = Console()
    console.print(to_table(record))
    console.print(
        f"{record['seconds']['total']:.0f} seconds per seed; wrote {output}/results.json and overlays.png",
        highlight=False,
    )
