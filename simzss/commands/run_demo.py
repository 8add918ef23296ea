"""`simzss demo`: the whole method on a small drawn world, in minutes and without any download."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from simzss.commands.console import make_console, say
from simzss.demo.demo_results import DEMO_RESULTS, gather_results, results_table
from simzss.demo.overlays import draw_overlays
from simzss.demo.run import DemoConfig, Method, run_demo
from simzss.demo.world import WorldConfig
from simzss.io.named_configs import Kind, find_config
from simzss.io.records import write_json


def demo(
    *,
    output: Annotated[
        Path | None, typer.Option(help="folder for all that the demo leaves  [default: runs/demo, or runs/demo_METHOD]")
    ] = None,
    method: Annotated[Method, typer.Option(help="what to train")] = Method.SIMZSS,
    seeds: Annotated[int, typer.Option(min=1, help="worlds and trainings to average over")] = 1,
    pictures: Annotated[int, typer.Option(min=50, help="training pictures per world")] = WorldConfig.pictures,
    context_bias: Annotated[
        float, typer.Option(min=0, max=1, help="share of training pictures with a thing on its usual ground")
    ] = WorldConfig.context_bias,
    fit: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE of `simzss fit`, e.g. data.epochs=2; repeatable")
    ] = None,
) -> None:
    """Draw a world, train a method on it (SimZSS: and its baseline), score it beside the probes, make the pictures."""
    output = output or Path("runs/demo" if method is Method.SIMZSS else f"runs/demo_{method}")
    world = WorldConfig(pictures=pictures, with_truth=min(WorldConfig.with_truth, pictures), context_bias=context_bias)
    extra = tuple(f"--{pair}" for pair in fit or ())
    settings = DemoConfig(method, demo_recipes(method), find_config(Kind.PROTOCOL, "demo"), world, extra)
    outcomes = [
        run_demo(output / f"seed-{seed}", replace(settings, world=replace(world, seed=seed))) for seed in range(seeds)
    ]
    results = gather_results(outcomes, settings)
    write_json(output / DEMO_RESULTS, results)
    draw_overlays(outcomes[0], settings, output / "overlays.png")
    make_console().print(results_table(results))
    say(f"{results.seconds['total']:.0f} seconds per seed; wrote {output}/{DEMO_RESULTS} and overlays.png")


def demo_recipes(method: Method) -> tuple[Path, ...]:
    """The configurations of a method: SimZSS's, and what the others change in it."""
    names = ["demo"] if method is Method.SIMZSS else ["demo", f"demo_{method}"]
    return tuple(find_config(Kind.TRAIN, name) for name in names)
