"""`simzss calibrate`: the background threshold, chosen on a training split."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import typer
from matplotlib.figure import Figure

from simzss.commands.console import say
from simzss.commands.options import DeviceName, ProtocolName
from simzss.devices import pick_device
from simzss.diagnostics.calibration import ScoreHistogram, gather_scores
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.metrics import number_or_none
from simzss.evaluation.scored_model import load_scored
from simzss.evaluation.spec import load_benchmark
from simzss.evaluation.task import choose
from simzss.evaluation.thresholds import Calibration, image_hashes
from simzss.io.files import written_whole
from simzss.io.places import check_apart, check_writable
from simzss.io.records import write_json
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.segmenter import Segmenter


def calibrate(  # one argument per option
    model: Annotated[str, typer.Argument(help="folder of a saved model, or PLUGIN:NAME")],
    *,
    data_root: Annotated[Path, typer.Option(help="where the data set lies")],
    benchmark: Annotated[str, typer.Option(help="one with background: voc21, context60, coco_object, a YAML file")],
    split: Annotated[
        str | None, typer.Option(help="file below the data root with the stems of a training split, one a line")
    ] = None,
    protocol: ProtocolName = "tcl",
    limit: Annotated[int | None, typer.Option(min=1, help="images, evenly spread")] = None,
    output: Annotated[Path, typer.Option(help="the file for `simzss evaluate --calibration`; a plot goes beside it")],
    device: DeviceName = "",
) -> None:
    """Choose the background threshold on a training split, and say what can be said without any threshold.

    Writes the threshold with the curve of mIoU against it, and a plot of the curve and of risk against coverage.
    """
    picture = output.with_suffix(".png")
    check_apart(output, picture)
    for path in (output, picture):
        check_writable(path)
    chosen = load_benchmark(benchmark)
    chosen = replace(chosen, split=split, count=None) if split else chosen
    settings, place = load_protocol(protocol), pick_device(device)
    loaded, described = load_scored(model, place, settings.crop)
    segmenter = Segmenter(loaded, settings)
    stems = choose(list_stems(chosen, data_root), limit)
    histogram = gather_scores(segmenter, chosen, data_root, stems)
    threshold, miou = histogram.best()
    curve = zip(histogram.edges, histogram.curve(), strict=True)
    calibration = Calibration(
        threshold=threshold,
        miou=miou,
        auroc=number_or_none(histogram.auroc()),
        curve={f"{edge:g}": number_or_none(value) for edge, value in curve},
        benchmark=chosen.key,
        model=described.weights,
        protocol=settings,
        image_hashes=image_hashes(chosen, data_root, stems),
        plugin=described.plugin,
    )
    write_json(output, calibration)
    draw_curves(histogram, picture)
    say(
        f"{chosen.key}, {len(stems):,} images: threshold {threshold:g}, mIoU {100 * miou:.2f} % there;"
        f" any named class against background, area under the ROC {100 * histogram.auroc():.1f} %",
        f"wrote {output}",
        f"wrote {picture}",
    )


def draw_curves(histogram: ScoreHistogram, path: Path) -> None:
    """MIoU against the threshold, and risk against coverage."""
    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(8, 3), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(histogram.edges, 100 * histogram.curve())
        left.axvline(histogram.best()[0], linestyle=":", color="grey")
        left.set(xlabel="threshold", ylabel="mIoU, percent")
        coverage, risk = histogram.risk_coverage()
        right.plot(100 * coverage, 100 * risk)
        right.set(xlabel="coverage, percent of the pixels", ylabel="risk: of these wrong, percent")
        with written_whole(path) as temporary:
            figure.savefig(temporary, format="png", dpi=150)
