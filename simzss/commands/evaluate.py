"""`simzss evaluate`: the scores of a model on zero-shot segmentation benchmarks."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer

from simzss.benchmarks import EIGHT
from simzss.commands.options import DeviceName, ProtocolName
from simzss.commands.progress import watch_images
from simzss.commands.score_table import print_scores
from simzss.devices import Precision, pick_device
from simzss.diagnostics.grouping import BOTTOM_UP, read_groups
from simzss.distributed import join_processes, part_processes, rank
from simzss.errors import UserError
from simzss.evaluation.check import present_benchmarks
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.mentions import MentionCounts, count_mentions, save_plot, scores_by_mentions
from simzss.evaluation.pictures import save_overlays
from simzss.evaluation.predictions import IDS, SavedPredictions, table_hash
from simzss.evaluation.provenance import claim, describe_run, settings_of
from simzss.evaluation.report import REPORT, write_results
from simzss.evaluation.results import EvaluationResults, ScoredModel, ScorerSettings, results_of, with_earlier
from simzss.evaluation.resumable import evaluate_benchmarks
from simzss.evaluation.runner import ModelScorer
from simzss.evaluation.scored_model import load_scored
from simzss.evaluation.spec import STANDARD, Benchmark, check_keys, load_benchmark
from simzss.evaluation.task import COUNTS, Scorer, choose
from simzss.evaluation.thresholds import calibrated, image_hashes, load_calibration
from simzss.evaluation.vocabularies import MADE, check_vocabulary
from simzss.evaluation.wordings import Wording, wordings_of
from simzss.io.places import locked, nothing_left
from simzss.segmentation.protocol import BackgroundRule, ClassToken, SegmentationProtocol, TemplateSet, load_protocol
from simzss.segmentation.segmenter import Segmenter

TCL = "tcl"
USUAL_VOCABULARIES = (STANDARD, "clip_dinoiser", "proxyclip", *MADE)


def evaluate(  # noqa: PLR0913  # one argument per option
    model: Annotated[
        str | None,
        typer.Argument(
            help="folder of a saved model, or PLUGIN:NAME such as open_clip:ViT-B-16/openai", show_default=False
        ),
    ] = None,
    *,
    data_root: Annotated[Path, typer.Option(help="where the data sets lie, see `simzss data check`")],
    benchmarks: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(EIGHT)}, or a YAML file; repeatable  [default: those there]")
    ] = None,
    predictions: Annotated[Path | None, typer.Option(help="folder of label maps to score instead of a model")] = None,
    prediction_ids: Annotated[
        str, typer.Option(help="what their values are: ids, masks (as the benchmark's masks), or a YAML file")
    ] = IDS,
    protocol: ProtocolName = TCL,
    vocabulary: Annotated[
        list[str] | None,
        typer.Option(help=f"class names: {', '.join(USUAL_VOCABULARIES)}, a YAML file; repeatable, in one pass"),
    ] = None,
    templates: Annotated[list[TemplateSet] | None, typer.Option(help="prompts; repeatable, in one pass")] = None,
    class_token: Annotated[list[ClassToken] | None, typer.Option(help="repeatable, in one pass")] = None,
    background: Annotated[list[BackgroundRule] | None, typer.Option(help="repeatable, in one pass")] = None,
    threshold: Annotated[float | None, typer.Option(help="background threshold instead of the protocol's")] = None,
    calibration: Annotated[Path | None, typer.Option(help="a threshold that `simzss calibrate` chose")] = None,
    pamr: Annotated[bool | None, typer.Option(help="refine with PAMR, or not  [default: the protocol's]")] = None,
    bottom_up: Annotated[bool, typer.Option("--bottom-up", help="group patches without any text, too")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="images per benchmark, evenly spread")] = None,
    concepts: Annotated[
        Path | None, typer.Option(help="concept table of the training captions: IoU by mentions, with a plot")
    ] = None,
    output: Annotated[Path, typer.Option(help="folder for the results; an interrupted run in it continues")],
    overlays: Annotated[int, typer.Option(min=0, help="images per benchmark to draw")] = 0,
    precision: Annotated[Precision, typer.Option(help="of the backbone")] = Precision.FLOAT32,
    device: DeviceName = "",
    windows_at_once: Annotated[int, typer.Option(min=1, help="changes speed and memory only")] = 32,
) -> None:
    """Score a model, or label maps from files, on zero-shot segmentation benchmarks, exactly to a published protocol.

    Writes results.json (every score, unrounded, with all that decided it) and report.md (next to published rows);
    benchmarks that the same run evaluated into this folder before stay in both.
    """
    started = time.perf_counter()
    chosen = [load_benchmark(name) for name in benchmarks] if benchmarks else present_benchmarks(data_root)
    check_keys(chosen)
    if threshold is not None and calibration:
        raise UserError("--threshold and --calibration both give the threshold: leave one of them out")
    if predictions is not None:
        asked = (model, vocabulary, templates, class_token, background, bottom_up, calibration, device)
        changed = protocol != TCL or precision is not Precision.FLOAT32 or threshold is not None or pamr is not None
        if any(asked) or changed:
            raise UserError(
                "--predictions takes no model, words, prompts or groups, no protocol, threshold, PAMR, precision or"
                " device: its label maps are all there is"
            )
        scored = _predictions(predictions, prediction_ids)
    elif prediction_ids != IDS:
        raise UserError("--prediction-ids says what values --predictions have: give these, or leave it out")
    elif model is None:
        raise UserError("nothing to score; give the folder of a saved model, or --predictions")
    else:
        base = _protocol(protocol, threshold, pamr)
        wordings = wordings_of(base, vocabulary or (), templates or (), class_token or (), background or ())
        if threshold is not None or calibration:
            _check_threshold_counts(wordings)
        calibrate = _calibration(calibration, chosen, data_root, limit) if calibration else None
        segmenting = Segmenting(pick_device(device, join_processes()), windows_at_once, precision, bottom_up)
        scored = _model(model, chosen, wordings, segmenting, calibrate)
    mentions = {each.key: count_mentions(concepts, each.names) for each in chosen} if concepts else {}
    with locked(output) if rank() == 0 else nullcontext(), nothing_left(output, (output / COUNTS).exists):
        run = claim(output, describe_run(scored.settings, chosen, data_root, limit))
        counted = evaluate_benchmarks(scored.scorer, chosen, data_root, output, limit=limit, watch=watch_images)
    part_processes()
    if rank() != 0:
        return
    images = {each.benchmark.key: each.images for each in counted}
    jaccards = {each.key: read_groups(output, each, images[each.key]).jaccard for each in chosen} if bottom_up else {}
    results = with_earlier(output, results_of(run, counted, time.perf_counter() - started, jaccards))
    results = _with_mentions(results, mentions)
    write_results(output, results)
    pictures = save_overlays(scored.scorer, chosen, data_root, output, overlays, limit) if overlays else []
    pictures += _draw_mentions(results, mentions, output)
    print_scores(results, [output / REPORT, *pictures])


def _with_mentions(results: EvaluationResults, mentions: Mapping[str, MentionCounts]) -> EvaluationResults:
    own = {key: results.benchmarks[key] for key in mentions}
    own = {key: replace(each, mentions=scores_by_mentions(each.class_iou, mentions[key])) for key, each in own.items()}
    return replace(results, benchmarks=results.benchmarks | own)


def _draw_mentions(results: EvaluationResults, mentions: Mapping[str, MentionCounts], output: Path) -> list[Path]:
    """One picture for every benchmark with mentions."""
    pictures = []
    for key, counts in mentions.items():
        scores, path = results.benchmarks[key], output / f"mentions_{key}.png"
        pictures.append(save_plot({"IoU": scores.class_iou}, counts.times, scores.title, path))
    return pictures


@dataclass(frozen=True)
class DescribedScorer:
    """Where label maps come from, and what a result says of it."""

    scorer: Scorer
    settings: ScorerSettings


@dataclass(frozen=True)
class Segmenting:
    """How a model is run."""

    device: torch.device
    windows_at_once: int
    precision: Precision
    bottom_up: bool


def _predictions(folder: Path, values: str) -> DescribedScorer:
    """Label maps from files, which know neither protocol nor words."""
    settings = ScorerSettings(
        ScoredModel(str(folder.resolve())),
        protocol=None,
        precision=None,
        words={},
        prediction_ids=values,
        prediction_table=table_hash(values),
    )
    return DescribedScorer(SavedPredictions(folder, values), settings)


def _protocol(name: str, threshold: float | None, pamr: bool | None) -> SegmentationProtocol:
    """A protocol, with what was given beside it."""
    protocol = load_protocol(name)
    protocol = protocol if threshold is None else replace(protocol, threshold=threshold)
    return protocol if pamr is None else replace(protocol, pamr=pamr)


def _check_threshold_counts(wordings: Sequence[Wording]) -> None:
    """Refuse a threshold where no wording finds its background by one."""
    if all(wording.background is BackgroundRule.WORDS for wording in wordings):
        raise UserError(
            "--threshold and --calibration change nothing where the background is found by words: leave them out, or"
            " add --background threshold"
        )


def _calibration(
    path: Path, benchmarks: Sequence[Benchmark], data_root: Path, limit: int | None
) -> Callable[[Wording, ScoredModel], Wording]:
    """What gives a wording the threshold of a file, which is read before the images, as these take long."""
    made = load_calibration(path)
    stems = {each.key: choose(list_stems(each, data_root), limit) for each in benchmarks}
    hashes = {each.key: image_hashes(each, data_root, stems[each.key]) for each in benchmarks}
    return partial(calibrated, path, made, evaluated=hashes)


def _model(
    name: str,
    benchmarks: Sequence[Benchmark],
    wordings: Sequence[Wording],
    how: Segmenting,
    calibrate: Callable[[Wording, ScoredModel], Wording] | None,
) -> DescribedScorer:
    """A model, which puts classes into words in all these ways; `calibrate` gives each its threshold."""
    for wording in wordings:
        check_vocabulary(benchmarks, wording.names)
    model, described = load_scored(name, how.device, wordings[0].crop)
    if calibrate:
        wordings = [calibrate(wording, described) for wording in wordings]
    segmenter = Segmenter(model, wordings[0], how.windows_at_once, how.precision.is_half(how.device))
    scorer = ModelScorer(segmenter, wordings, [BOTTOM_UP] if how.bottom_up else [])
    return DescribedScorer(scorer, settings_of(described, segmenter, benchmarks, wordings))
