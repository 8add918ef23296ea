"""`simzss bench concepts`: the tables of docs/concepts.md, measured."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from simzss.bench.concepts.agreement import Agreement
from simzss.bench.concepts.routes import CorpusResult, Way, against_annotations, compare_ways, machine, speeds
from simzss.bench.concepts.throughput import Speed
from simzss.concepts.bank import ConceptBank
from simzss.concepts.readers.source import Corpus, open_corpus
from simzss.errors import UserError
from simzss.io.files import check_writable, write_atomically
from simzss.modeling.tokenizer import Tokenizer, clean


def bench_concepts(
    data: Annotated[Path, typer.Option(envvar="SIMZSS_SHARED", help="folder of the two corpora")] = Path("../shared"),
    nlp: Annotated[str | None, typer.Option(help="spaCy pipeline with a parser  [default: the one in there]")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="times to measure the speeds; the best counts")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures there, too")] = None,
) -> None:
    """Measure speed, exactness and quality of extraction on COCO val2017 and on web captions."""
    if json_file is not None:
        check_writable(json_file)
    pipeline = nlp or str(data / "models" / "en_ud_ewt_cnn")
    corpora = _corpora(data)
    bank = ConceptBank.benchmarks()
    console = Console()
    console.print(f"{machine()}, pipeline {Path(pipeline).name}")
    measured = speeds(corpora[0], bank, pipeline, repeats)
    console.print(_speed_table(measured))
    tokenizer = Tokenizer()
    results = [result for corpus in corpora for result in compare_ways(corpus, bank, pipeline, tokenizer, clean)]
    console.print(_corpus_table(results))
    by_hand = against_annotations(_captions_by_id(corpora[0]), pipeline)
    console.print(_hand_table(by_hand))
    if json_file is not None:
        write_atomically(json_file, json.dumps(_figures(measured, results, by_hand), indent=2) + "\n")


def _corpora(data: Path) -> list[Corpus]:
    coco = data / "data" / "coco_captions_val2017" / "captions_val2017.json"
    web = data / "data" / "gcc_val" / "Validation_GCC-1.1.0-Validation.tsv"
    for path in (coco, web):
        if not path.is_file():
            raise UserError(f"the measurements need {path}; name the folder with --data or SIMZSS_SHARED")
    return [open_corpus(str(coco)), open_corpus(str(web), caption_column="1", key_column="2")]


def _captions_by_id(corpus: Corpus) -> dict[int, str]:
    annotations = json.loads(corpus.files[0].read_text("utf-8"))["annotations"]
    return {annotation["id"]: annotation["caption"] for annotation in annotations}


def _way(way: Way) -> str:
    return f"{Path(way.pipeline).name}, {way.match}"


def _speed_table(measured: dict[str, Speed]) -> Table:
    heads = ("captions/s", "bare", "extractor", "table", "time / bare", "table, by the clock", "two processes", "gain")
    table = Table(*heads, box=None, pad_edge=False)
    for pipeline, speed in measured.items():
        table.add_row(
            Path(pipeline).name,
            *(f"{rate:,.0f}" for rate in (speed.bare, speed.extractor, speed.table)),
            f"{speed.time_over_bare:.2f}",
            *(f"{rate:,.0f}" for rate in (speed.one, speed.two)),
            f"{speed.gain_of_two:.2f}",
        )
    return table


def _corpus_table(results: list[CorpusResult]) -> Table:
    heads = ("corpus", "way", "captions", "mentions", "each", "wrong text", "misaligned", "cut off", "parted")
    table = Table(*heads, "gazetteer: precision", "recall", box=None, pad_edge=False)
    for result in results:
        alignment = result.alignment
        table.add_row(
            Path(result.corpus).name,
            _way(result.way),
            f"{result.captions:,}",
            f"{alignment.mentions:,}",
            f"{result.per_caption:.2f}",
            *map(str, (alignment.wrong_surface, alignment.misaligned, alignment.cut_off, result.parted)),
            f"{result.gazetteer.precision:.1%}",
            f"{result.gazetteer.recall:.1%}",
        )
    return table


def _hand_table(by_hand: dict[Way, Agreement]) -> Table:
    table = Table("200 captions annotated by hand", "mentions", "precision", "recall", box=None, pad_edge=False)
    for way, agreed in by_hand.items():
        table.add_row(_way(way), str(agreed.found), f"{agreed.precision:.1%}", f"{agreed.recall:.1%}")
    return table


def _figures(measured: dict[str, Speed], results: list[CorpusResult], by_hand: dict[Way, Agreement]) -> dict[str, Any]:
    return {
        "machine": machine(),
        "captions_per_second": {
            Path(pipeline).name: {
                **asdict(speed),
                "time_over_bare": speed.time_over_bare,
                "gain_of_two": speed.gain_of_two,
            }
            for pipeline, speed in measured.items()
        },
        "corpora": [
            {
                "corpus": Path(result.corpus).name,
                "way": _way(result.way),
                "captions": result.captions,
                "mentions_per_caption": result.per_caption,
                "alignment": asdict(result.alignment),
                "parted": result.parted,
                "gazetteer_against_this": _agreement(result.gazetteer),
            }
            for result in results
        ],
        "annotated_by_hand": {_way(way): _agreement(agreed) for way, agreed in by_hand.items()},
    }


def _agreement(agreed: Agreement) -> dict[str, float]:
    return {**asdict(agreed), "precision": agreed.precision, "recall": agreed.recall}
