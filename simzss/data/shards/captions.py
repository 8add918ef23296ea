"""The captions of samples, tokenised, with concepts found on the fly or joined from a concept table by the key.

On the fly every caption is read again whenever it is drawn, by the extractor that `simzss concepts` uses: a gazetteer
keeps up with the decoding of images, a parser does not. A table is made once, and its tokens are mapped into memory.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.readers.rows import BadRow, CaptionRow, Columns, Place
from simzss.concepts.readers.shards import sample_row
from simzss.concepts.table.format import Manifest
from simzss.concepts.table.reading import checked_parts, read_part
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.data.image_index import hashes
from simzss.data.shards.store import SampleFiles
from simzss.data.token_table import TokenTable, tokenise_captions
from simzss.errors import UserError
from simzss.modeling.tokenizer import TextTokenizer

AS_NAMED = Columns()


class CaptionsOnTheFly:
    """Captions as they stand in the shards, the concepts of a bank found in them.

    Args:
        recipe: Makes the extractor, in each decoding process its own.
        tokenizer: The text encoder's.
    """

    def __init__(self, recipe: ExtractorRecipe, tokenizer: TextTokenizer) -> None:
        self.recipe, self.tokenizer = recipe, tokenizer
        self.extractor: ConceptExtractor | None = None

    def find(self, sample: SampleFiles) -> CaptionRow:
        """The `.txt` file of a sample, or the `caption` of its `.json`, as `simzss concepts` reads them.

        Raises:
            UserError: If it has none.
        """
        name = "txt" if "txt" in sample.files else "json"
        texts = {name: sample.files[name].decode("utf-8", "surrogateescape")} if name in sample.files else {}
        row = sample_row(texts, sample.key, AS_NAMED, Place("", "sample", sample.number))
        if isinstance(row, BadRow):
            raise UserError(row.problem.partition(": ")[2])
        return row

    def tokens(self, found: Sequence[CaptionRow]) -> TokenTable:
        """Find the concepts of some captions, and tokenise."""
        self.extractor = self.extractor or self.recipe.build()
        captions = [row.caption for row in found]
        mentions = [
            [(mention.concept, mention.start, mention.end) for mention in one.mentions]
            for one in self.extractor.pipe(captions)
        ]
        return tokenise_captions(captions, mentions, self.tokenizer)


class JoinedCaptions:
    """Captions and concepts of a table, found by the keys of the samples.

    Keys are held as hashes of 64 bits with their rows, 12 bytes for each. A foreign key passes for one of n with a
    chance of n in 2^64.

    Args:
        table: Folder of the concept table.
        tokens: The tokens of all its rows.

    Raises:
        UserError: If a key stands twice in the table.
    """

    def __init__(self, table: Path, tokens: TokenTable) -> None:
        self.table, self.all_tokens = table, tokens
        paths = checked_parts(table, Manifest.load(table))
        columns = (read_part(path, ["key"])["key"].to_pylist() for path in paths)
        keys = np.concatenate([hashes(key.encode() for key in column) for column in columns])
        self.rows: Int[np.ndarray, " rows"] = np.argsort(keys, kind="stable").astype(np.int32)
        self.keys = keys[self.rows]
        if (self.keys[1:] == self.keys[:-1]).any():
            raise UserError(f"{table} has a key twice, so that samples cannot be joined with it: leave data.table out")

    def find(self, sample: SampleFiles) -> int:
        """The row of a sample.

        Raises:
            UserError: If the table has none.
        """
        (key,) = hashes([sample.key.encode()])
        place = int(np.searchsorted(self.keys, key))
        if place == len(self.keys) or self.keys[place] != key:
            raise UserError(f"{self.table} has no row {sample.key!r}")
        return int(self.rows[place])

    def tokens(self, found: Sequence[int]) -> TokenTable:
        """The tokens of some rows."""
        return self.all_tokens.take(np.array(found))


ShardCaptions = CaptionsOnTheFly | JoinedCaptions
"""What finds the caption of a sample, and then makes tokens of several of those that it found."""
