"""`simzss audit`: what a model's score owes to words and to the background rule."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from simzss.commands.console import say
from simzss.commands.options import DeviceName, ProtocolName
from simzss.commands.progress import watch_images
from simzss.devices import Precision, pick_device
from simzss.diagnostics.audit import Audit, Images, audit
from simzss.diagnostics.audit_report import as_record, draw_audit, headline, one_page
from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.mentions import count_mentions
from simzss.evaluation.provenance import describe_run, settings_of
from simzss.evaluation.scored_model import load_scored
from simzss.evaluation.spec import Benchmark, load_benchmark
from simzss.evaluation.task import choose
from simzss.evaluation.vocabularies import MADE, check_vocabulary
from simzss.evaluation.wordings import wordings_of
from simzss.io.files import write_atomically
from simzss.io.places import check_writable, locked
from simzss.io.records import write_json
from simzss.segmentation.protocol import ClassToken, TemplateSet, load_protocol
from simzss.segmentation.segmenter import Segmenter

AUDIT_FILES = ("report.md", "audit.png", "results.json")


def audit_model(  # noqa: PLR0913  # one argument per option
    model: Annotated[str, typer.Argument(help="folder of a saved model, or PLUGIN:NAME")],
    *,
    data_root: Annotated[Path, typer.Option(help="where the data set lies")],
    benchmark: Annotated[str, typer.Option(help="one of the eight, or a YAML file")],
    training_split: Annotated[
        str | None, typer.Option(help="file below the training root with the stems to choose thresholds on")
    ] = None,
    training_root: Annotated[Path | None, typer.Option(help="where these lie  [default: the data root]")] = None,
    training: Annotated[
        str | None, typer.Option(help="a benchmark (YAML file) to choose thresholds on, instead of a split")
    ] = None,
    protocol: ProtocolName = "tcl",
    vocabulary: Annotated[
        list[str] | None, typer.Option(help="repeatable, the first leads  [default: the protocol's and all there are]")
    ] = None,
    templates: Annotated[list[TemplateSet] | None, typer.Option(help="repeatable  [default: all]")] = None,
    class_token: Annotated[list[ClassToken] | None, typer.Option(help="repeatable  [default: both]")] = None,
    concepts: Annotated[Path | None, typer.Option(help="concept table of the training captions")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="images of either kind, evenly spread")] = None,
    output: Annotated[Path, typer.Option(help="folder for report.md, audit.png and results.json")],
    precision: Annotated[Precision, typer.Option(help="of the backbone")] = Precision.FLOAT32,
    device: DeviceName = "",
) -> None:
    """Score a model under every combination of word list, prompts, class token and background rule, in one pass.

    Writes a report of one page, a plot, and all numbers. Thresholds against a background are chosen on a training
    split, for every wording anew.
    """
    for name in AUDIT_FILES:
        check_writable(output / name)
    chosen, place = load_benchmark(benchmark), pick_device(device)
    base = load_protocol(protocol)
    wordings = wordings_of(
        base,
        vocabulary or _vocabularies(chosen, base.names),
        templates or [base.templates, *(each for each in TemplateSet if each is not base.templates)],
        class_token or [base.class_token, *(each for each in ClassToken if each is not base.class_token)],
    )
    for wording in wordings:
        check_vocabulary([chosen], wording.names)
    scored = Images(chosen, data_root, choose(list_stems(chosen, data_root), limit))
    if not chosen.background and (training_split or training or training_root):
        raise UserError(
            f"{chosen.key} has no background, so that no threshold is chosen: leave out the training images"
        )
    learnt = _training(chosen, training_root or data_root, training_split, training, limit)
    mentions = count_mentions(concepts, chosen.names) if concepts else None
    loaded, described = load_scored(model, place, base.crop)
    segmenter = Segmenter(loaded, base, half_precision=precision.is_half(place))
    found = audit(segmenter, wordings, scored, learnt, watch_images)
    run = describe_run(settings_of(described, segmenter, [chosen], wordings), [chosen], data_root, limit)
    _write(found, as_record(found, run, mentions), output)


def _write(found: Audit, record: dict[str, object], output: Path) -> None:
    with locked(output):
        write_json(output / "results.json", record)
        write_atomically(output / "report.md", one_page(record))
        draw_audit(found, record, output / "audit.png")
    say(*headline(record), *(f"wrote {output / name}" for name in AUDIT_FILES))


def _vocabularies(benchmark: Benchmark, leading: str) -> list[str]:
    """The leading one, the data set's own names, the published renamings, and those that any benchmark has."""
    return list(dict.fromkeys([leading, "standard", *benchmark.variants, *MADE]))


def _training(
    benchmark: Benchmark, root: Path, split: str | None, other: str | None, limit: int | None
) -> Images | None:
    """The images to choose thresholds on, if any were named."""
    if not (split or other):
        return None
    source = replace(load_benchmark(other) if other else benchmark, count=None)
    source = replace(source, split=split) if split else source
    return Images(source, root, choose(list_stems(source, root), limit))
