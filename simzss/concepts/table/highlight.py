"""A report as colours in the terminal, and as a web page of its own."""

from collections.abc import Iterable
from html import escape

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from simzss.concepts.mentions import CaptionConcepts
from simzss.concepts.table.summary import Report

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Concepts in {title}</title>
<style>
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
mark {{ background: #d7ecd0; border-radius: 3px; padding: 0 .15em }}
mark small {{ color: #466a3c; padding-left: .3em }}
table {{ border-collapse: collapse; display: inline-table; vertical-align: top; margin: 0 2rem 1rem 0 }}
td, th {{ text-align: left; padding: .1rem .8rem .1rem 0 }}
td + td, th + th {{ text-align: right; font-variant-numeric: tabular-nums }}
</style>
<h1>Concepts in {title}</h1>
{tables}
<h2>Captions</h2>
{captions}
</html>
"""


def to_terminal(report: Report) -> RenderableType:
    """The report in the colours of the terminal."""
    parts: list[RenderableType] = [_terminal_table(_summary(report))]
    for title, rows in _lists(report):
        parts.extend([Text(f"\n{title}", "bold"), _terminal_table(_thousands(rows))])
    if report.unknown is None:
        parts.append(Text("\nnoun phrases not in the bank: only a pipeline with a parser sees them", "bold"))
    return Group(*parts, Text("\ncaptions", "bold"), *map(_marked, report.sample))


def to_page(report: Report, title: str) -> str:
    """The report as an HTML page that needs no other file."""
    tables = [_page_table("the table", "", _summary(report))]
    tables.extend(_page_table(heading, "count", _thousands(rows)) for heading, rows in _lists(report))
    captions = (f"<p>{_highlighted(one)}</p>" for one in report.sample)
    return PAGE.format(title=escape(title), tables="\n".join(tables), captions="\n".join(captions))


def _summary(report: Report) -> list[tuple[str, str]]:
    counts = report.counts
    captions = max(counts.captions, 1)
    return [
        ("captions", f"{counts.captions:,}"),
        ("rows skipped", f"{counts.skipped:,}"),
        ("captions with a mention", f"{counts.with_concepts:,} ({counts.with_concepts / captions:.1%})"),
        ("mentions", f"{counts.mentions:,}"),
        ("mentions per caption", f"{counts.mentions / captions:.2f}"),
        ("concepts found", f"{report.concepts_found:,} of {report.bank_size:,}"),
    ]


def _lists(report: Report) -> list[tuple[str, list[tuple[str, int]]]]:
    lists = [("most frequent concepts", report.frequent)]
    if report.unknown is not None:
        lists.append((f"noun phrases not in the bank (in {report.parsed_again:,} captions)", report.unknown))
    return lists


def _thousands(rows: Iterable[tuple[str, int]]) -> list[tuple[str, str]]:
    return [(name, f"{count:,}") for name, count in rows]


def _terminal_table(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table("", Column(justify="right"), box=None, pad_edge=False, show_header=False)
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def _marked(found: CaptionConcepts) -> Text:
    text = Text(found.caption)
    for mention in found.mentions:
        text.stylize("bold green", mention.start, mention.end)
    return text


def _page_table(title: str, column: str, rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table><tr><th>{escape(title)}</th><th>{column}</th></tr>{body}</table>"


def _highlighted(found: CaptionConcepts) -> str:
    pieces, behind = [], 0
    for mention in found.mentions:
        pieces.append(escape(found.caption[behind : mention.start]))
        pieces.append(f"<mark>{escape(mention.surface)}<small>{escape(mention.name)}</small></mark>")
        behind = mention.end
    return "".join(pieces) + escape(found.caption[behind:])
