"""Every caption's tokens, made once per concept table and tokenizer.

Concept tables hold character spans, so that a table serves any tokenizer. What a tokenizer makes of a caption is always
the same, and a run draws it many times: so ids and token spans of all captions are made once, kept as four flat arrays
in one safetensors file, and mapped into memory by every process.

The file appears whole or not at all. It carries a hash of the table's parts and of the tokenizer; where that does not
fit, or the file is truncated, it is made anew.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Int, Shaped
from rich.progress import track
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch.utils.data import DataLoader, Dataset

from simzss.concepts.table.format import SCHEMA, part_paths
from simzss.distributed import barrier, rank, ranks_here
from simzss.errors import UserError
from simzss.io.files import written_whole
from simzss.modeling.tokenizer import TextTokenizer

VERSION = 1
"""To be raised when the same captions and tokenizer give other arrays."""
KEY, TOKENS = "key", "tokens-"


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


def open_token_table(table: Path, folder: Path, tokenizer: TextTokenizer, workers: int) -> TokenTable:
    """The tokens of a concept table, made by one process of every machine if they are not there yet.

    Args:
        table: Folder of the concept table.
        folder: Where the file lies; made if need be.
        tokenizer: The text encoder's.
        workers: Tokenising processes.

    Raises:
        UserError: If the file cannot be written, or other processes do not find it.
    """
    key = _key(table, tokenizer)
    path = folder / f"{TOKENS}{tokenizer.fingerprint[:12]}.safetensors"
    if rank() == ranks_here()[0] and _read(path, key) is None:
        _write(path, _tokenise_all(part_paths(table), tokenizer, workers), key)
    barrier()
    if (tokens := _read(path, key)) is None:
        raise UserError(f"{path} does not hold the tokens of {table}: all processes must see the same table")
    return tokens


def tokenise(rows: pa.Table, tokenizer: TextTokenizer) -> TokenTable:
    """The tokens of some rows of a concept table."""
    tokens = tokenizer(rows["caption"].to_pylist())
    mentions = [
        [(one["id"], *span) for one in row if (span := text.span(one["start"], one["end"])) is not None]
        for row, text in zip(rows["concepts"].to_pylist(), tokens, strict=True)
    ]
    kind = np.uint16 if tokenizer.vocabulary_size <= 2**16 else np.int32
    return TokenTable(
        ids=np.array([number for text in tokens for number in text.ids], dtype=kind),
        id_starts=_starts([len(text.ids) for text in tokens]),
        mentions=np.array([mention for row in mentions for mention in row], dtype=np.int32).reshape(-1, 3),
        mention_starts=_starts([len(row) for row in mentions]),
    )


def _starts(counts: Sequence[int] | Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows_and_one"]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _join(parts: Sequence[TokenTable]) -> TokenTable:
    return TokenTable(
        ids=np.concatenate([part.ids for part in parts]),
        id_starts=_starts(np.concatenate([part.lengths for part in parts])),
        mentions=np.concatenate([part.mentions for part in parts]),
        mention_starts=_starts(np.concatenate([np.diff(part.mention_starts) for part in parts])),
    )


class _Parts(Dataset[TokenTable]):
    """The parts of a concept table, tokenised."""

    def __init__(self, paths: Sequence[Path], tokenizer: TextTokenizer) -> None:
        self.paths, self.tokenizer = paths, tokenizer

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> TokenTable:
        return tokenise(pq.read_table(self.paths[index], schema=SCHEMA), self.tokenizer)


def _tokenise_all(paths: Sequence[Path], tokenizer: TextTokenizer, workers: int) -> TokenTable:
    processes = min(workers, len(paths)) if len(paths) > 1 else 0  # starting one takes longer than one part
    loader = DataLoader(_Parts(paths, tokenizer), batch_size=None, num_workers=processes)
    return _join(list(track(loader, description="tokens of all captions", disable=rank() != 0)))


def _key(table: Path, tokenizer: TextTokenizer) -> str:
    """Hash of everything that the arrays depend on."""
    key = hashlib.sha256(f"{VERSION}\0{tokenizer.fingerprint}\0".encode())
    for path in part_paths(table):
        with path.open("rb") as file:
            key.update(hashlib.file_digest(file, "sha256").digest())
    return key.hexdigest()


def _read(path: Path, key: str) -> TokenTable | None:
    """The arrays, memory-mapped; None if the file is missing, truncated, or of another table or tokenizer."""
    try:
        with safe_open(path, "pt") as file:  # torch's reader maps, numpy's copies
            if (file.metadata() or {}).get(KEY) != key:
                return None
            arrays: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    return TokenTable(**{name: tensor.numpy() for name, tensor in arrays.items()})


def _write(path: Path, tokens: TokenTable, key: str) -> None:
    try:
        with written_whole(path, writer=f"-{rank()}") as temporary:
            temporary.write_bytes(save(dict(vars(tokens)), metadata={KEY: key}))
    except UserError as error:
        raise UserError(f"{error} with data.cache_dir") from error
