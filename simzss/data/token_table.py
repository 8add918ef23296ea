"""Every caption's tokens, made once per concept table and tokenizer.

Concept tables hold character spans, so that a table serves any tokenizer. What a tokenizer makes of a caption is always
the same, and a run draws it many times: so ids and token spans of all captions are made once, kept as four flat arrays
in one safetensors file, and mapped into memory by every process. No more than a few parts of the table are in memory
while it is made.

The file appears whole or not at all. It carries a hash of the table's parts and of the tokenizer, and a checksum of its
own; where either does not fit, or the file is truncated, it is made anew.
"""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Int, Shaped
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from simzss.concepts.table.format import Manifest
from simzss.concepts.table.reading import checked_parts, read_part
from simzss.data.flat_arrays import ArraysWriter, is_intact, read_arrays
from simzss.distributed import barrier, rank, ranks_here
from simzss.errors import UserError
from simzss.io.files import written_whole
from simzss.modeling.tokenizer import TextTokenizer

VERSION = 2
"""To be raised when the same captions and tokenizer give other arrays."""
TABLE_KEY, TOKENS = "key", "tokens-"


@dataclass(frozen=True)
class TokenTable:
    """The tokens of all rows of a concept table, one behind the other."""

    ids: Shaped[np.ndarray, " all_tokens"]
    """16 bits each where the vocabulary allows it."""
    id_starts: Int[np.ndarray, " rows_and_one"]
    """Where each row's ids begin, and where the last end."""
    mentions: Int[np.ndarray, "all_mentions 3"]
    """Concept, first token, one past the last token; mentions beyond the context length are left out."""
    mention_starts: Int[np.ndarray, " rows_and_one"]

    @property
    def lengths(self) -> Int[np.ndarray, " rows"]:
        """Tokens of each caption."""
        return np.diff(self.id_starts)

    def take(self, rows: Int[np.ndarray, " some"]) -> "TokenTable":
        """The tokens of some rows, in their order."""
        (lengths, words), (counts, found) = (
            items_of_rows(self.id_starts, rows),
            items_of_rows(self.mention_starts, rows),
        )
        return TokenTable(self.ids[words], _starts(lengths), self.mentions[found], _starts(counts))


ARRAYS = tuple(field.name for field in fields(TokenTable))


def open_token_table(table: Path, folder: Path, tokenizer: TextTokenizer, workers: int) -> TokenTable:
    """The tokens of a concept table, made by one process of every machine if they are not there yet.

    Args:
        table: Folder of the concept table.
        folder: Where the file lies; made if need be.
        tokenizer: The text encoder's.
        workers: Tokenising processes.

    Raises:
        UserError: If the concept table is damaged, the file cannot be written, or other processes do not find it.
    """
    parts = checked_parts(table, Manifest.load(table))
    key = _key(parts.values(), tokenizer)
    path = folder / f"{TOKENS}{tokenizer.fingerprint[:12]}.safetensors"
    if rank() == ranks_here()[0] and not _is_there(path, key):
        _make(path, list(parts), tokenizer, workers, key)
    barrier()
    if (tokens := _read(path, key)) is None:
        raise UserError(f"{path} does not hold the tokens of {table}: all processes must see the same table")
    return tokens


def tokenise(rows: pa.Table, tokenizer: TextTokenizer) -> TokenTable:
    """The tokens of some rows of a concept table."""
    concepts = rows["concepts"].combine_chunks()
    columns = (concepts.flatten().field(name).to_pylist() for name in ("id", "start", "end"))
    mentions = list(zip(*columns, strict=True))
    bounds = (concepts.offsets.to_numpy() - concepts.offsets[0].as_py()).tolist()
    of_rows = [mentions[first:last] for first, last in pairwise(bounds)]
    return tokenise_captions(rows["caption"].to_pylist(), of_rows, tokenizer)


def tokenise_captions(
    captions: Sequence[str], mentions: Sequence[Sequence[tuple[int, int, int]]], tokenizer: TextTokenizer
) -> TokenTable:
    """The tokens of some captions.

    Args:
        captions: The texts.
        mentions: Those of each caption: concept, first character, one past the last.
        tokenizer: The text encoder's.
    """
    tokens = tokenizer(captions)
    found = [
        [(concept, *span) for concept, start, end in row if (span := text.span(start, end)) is not None]
        for row, text in zip(mentions, tokens, strict=True)
    ]
    kind = np.uint16 if tokenizer.vocabulary_size <= 2**16 else np.int32
    return TokenTable(
        ids=np.array([number for text in tokens for number in text.ids], dtype=kind),
        id_starts=_starts([len(text.ids) for text in tokens]),
        mentions=np.array([mention for row in found for mention in row], dtype=np.int32).reshape(-1, 3),
        mention_starts=_starts([len(row) for row in found]),
    )


def concatenate(tables: Sequence[TokenTable]) -> TokenTable:
    """Some tables, one behind the other."""
    counts = [np.diff(table.mention_starts) for table in tables]
    return TokenTable(
        ids=np.concatenate([table.ids for table in tables]),
        id_starts=_starts(np.concatenate([table.lengths for table in tables])),
        mentions=np.concatenate([table.mentions for table in tables]),
        mention_starts=_starts(np.concatenate(counts)),
    )


def items_of_rows(
    starts: Int[np.ndarray, " rows_and_one"], rows: Int[np.ndarray, " batch"]
) -> tuple[Int[np.ndarray, " batch"], Int[np.ndarray, " items"]]:
    """How many items each of these rows has in a flat array, and where all of them lie, row by row."""
    counts = starts[rows + 1] - starts[rows]
    before = np.cumsum(counts) - counts
    return counts, np.repeat(starts[rows] - before, counts) + np.arange(counts.sum())


def _starts(counts: Sequence[int] | Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows_and_one"]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


class _Parts(Dataset[TokenTable]):
    """The parts of a concept table, tokenised."""

    def __init__(self, paths: Sequence[Path], tokenizer: TextTokenizer) -> None:
        self.paths, self.tokenizer = paths, tokenizer

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> TokenTable:
        return tokenise(read_part(self.paths[index], ["caption", "concepts"]), self.tokenizer)


def _key(parts: Iterable[str], tokenizer: TextTokenizer) -> str:
    """Hash of everything that the arrays depend on."""
    return hashlib.sha256("\0".join([str(VERSION), tokenizer.fingerprint, *parts]).encode()).hexdigest()


def _is_there(path: Path, key: str) -> bool:
    """Whether a file holds what it should and as it was written; damage is told."""
    if _read(path, key) is None:
        return False
    if not (intact := is_intact(path)):
        warnings.warn(f"{path} is damaged: it does not fit its checksum, and is made anew", stacklevel=2)
    return intact


def _read(path: Path, key: str) -> TokenTable | None:
    """The arrays, memory-mapped; None if the file is missing, truncated, or of another table or tokenizer."""
    found = read_arrays(path)
    if found is None or found.metadata.get(TABLE_KEY) != key or found.arrays.keys() != {*ARRAYS}:
        return None
    return TokenTable(**found.arrays)


def _make(path: Path, parts: Sequence[Path], tokenizer: TextTokenizer, workers: int, key: str) -> None:
    processes = min(workers, len(parts)) if len(parts) > 1 else 0  # starting one takes longer than one part
    loader = DataLoader(_Parts(parts, tokenizer), batch_size=None, num_workers=processes)
    try:
        with written_whole(path, writer=f"-{rank()}") as temporary, ArraysWriter(path.parent) as writer:
            for tokens in track(loader, description="tokens of all captions", disable=rank() != 0):
                _append(writer, tokens)
            writer.save(temporary, {TABLE_KEY: key})
    except UserError as error:
        raise UserError(f"{error} (data.cache_dir)") from error


def _append(writer: ArraysWriter, tokens: TokenTable) -> None:
    """Put the tokens of some rows behind those that are there."""
    for items, starts in (("ids", "id_starts"), ("mentions", "mention_starts")):
        before = writer.lengths.get(items, 0)
        ends = getattr(tokens, starts) + before
        writer.append(items, getattr(tokens, items))
        writer.append(starts, ends[1:] if starts in writer.lengths else ends)
