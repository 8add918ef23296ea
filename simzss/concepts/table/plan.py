"""What decides a concept table, and how the work on one is shared out."""

import json
from dataclasses import dataclass
from typing import Any

from simzss.concepts.readers.bad_rows import OnError
from simzss.concepts.readers.source import Corpus
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.errors import UserError


@dataclass(frozen=True)
class Plan:
    """All that decides what the table holds."""

    corpus: Corpus
    recipe: ExtractorRecipe
    on_error: OnError = OnError.STOP
    limit: int | None = None
    """Source rows to read; None: all."""
    rows_per_part: int = 10_000
    """Source rows per Parquet file, and the most that a kill can cost."""

    def settings(self, pipeline: dict[str, str]) -> dict[str, Any]:
        """The plan as the manifest keeps it."""
        bank = self.recipe.bank
        settings = {
            "source": self.corpus.describe(),
            "pipeline": pipeline,
            "bank": {"kind": bank.kind, "concepts": len(bank.names), "hash": bank.content_hash},
            "match": self.recipe.match,
            "on_error": self.on_error,
            "limit": self.limit,
            "rows_per_part": self.rows_per_part,
        }
        return json.loads(json.dumps(settings))


@dataclass(frozen=True)
class Shard:
    """One of several runs that share a folder, counted from 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read "2/8".

        Raises:
            UserError: If it is not two numbers I/N with 1 <= I <= N.
        """
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise UserError(f"--shard {text}: write I/N with 1 <= I <= N, such as 2/8")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"

    def takes(self, part: int) -> bool:
        """Whether a part is this run's to write."""
        return part % self.of == self.number - 1


WHOLE = Shard()
