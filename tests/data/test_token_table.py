"""The tokens of a concept table are made once, and never used where they do not fit."""

import os
import shutil
import tempfile
import warnings
from pathlib import Path
from types import ModuleType
from unittest.mock import Mock

import numpy as np
import pytest

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.reading import read_table
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.data import token_table
from simzss.data.token_table import TokenTable, open_token_table, tokenise
from simzss.errors import UserError
from simzss.modeling.tokenizer import Tokenizer
from tests.corpus import NAMES, Corpus

TOKENIZER = Tokenizer()


@pytest.fixture(scope="module")
def table(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The concept table of the corpus in three parts."""
    folder = tmp_path_factory.mktemp("parts") / "concepts"
    recipe = ExtractorRecipe(ConceptBank.from_names(NAMES), "gazetteer", Match.EXACT, batch_size=32)
    extract(Plan(open_corpus(str(corpus.captions)), recipe, rows_per_part=5), folder)
    assert len(list(folder.glob("*.parquet"))) == 3
    return folder


def assert_same(found: TokenTable, expected: TokenTable) -> None:
    for name, array in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)
        assert getattr(found, name).dtype == array.dtype


def made_again(monkeypatch: pytest.MonkeyPatch, table: Path, folder: Path, tokenizer: Tokenizer = TOKENIZER) -> bool:
    """Whether opening the table tokenises anything."""
    watched = Mock(side_effect=tokenise)
    with monkeypatch.context() as patch:
        patch.setattr(token_table, "tokenise", watched)
        opened = open_token_table(table, folder, tokenizer, workers=0)
    assert_same(opened, tokenise(read_table(table).rows, tokenizer))
    return watched.called


@pytest.mark.parametrize("workers", [0, 2])
def test_parts_and_processes_give_the_tokens_of_the_whole(table: Path, tmp_path: Path, workers: int) -> None:
    opened = open_token_table(table, tmp_path, TOKENIZER, workers)
    assert_same(opened, tokenise(read_table(table).rows, TOKENIZER))
    assert len(opened.lengths) == 12
    assert len(list(tmp_path.iterdir())) == 1


def test_they_are_made_once(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made_again(monkeypatch, table, tmp_path)
    assert not made_again(monkeypatch, table, tmp_path)


def test_every_tokenizer_has_its_own(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = Tokenizer(context_length=6)
    assert made_again(monkeypatch, table, tmp_path)
    assert made_again(monkeypatch, table, tmp_path, short)
    assert not made_again(monkeypatch, table, tmp_path)
    assert not made_again(monkeypatch, table, tmp_path, short)


def test_another_table_is_tokenised_anew(
    table: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made_again(monkeypatch, table, tmp_path)
    assert made_again(monkeypatch, corpus.table, tmp_path)  # the same rows in one part: other files


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_a_truncated_file_is_made_anew(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    assert made_again(monkeypatch, table, tmp_path)
    path = next(tmp_path.iterdir())
    os.truncate(path, size % path.stat().st_size)
    assert made_again(monkeypatch, table, tmp_path)


def test_a_place_that_cannot_be_written_is_named(table: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write .* choose another place \(data\.cache_dir\)"):
        open_token_table(table, tmp_path / "file", TOKENIZER, workers=0)


def test_large_vocabularies_keep_their_ids(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = Tokenizer()
    large.vocabulary_size = 2**16 + 1
    opened = tokenise(read_table(table).rows, large)
    assert opened.ids.dtype == np.int32
    np.testing.assert_array_equal(opened.ids, tokenise(read_table(table).rows, TOKENIZER).ids)


@pytest.mark.parametrize("patched", [(tempfile, "TemporaryFile"), (shutil, "copyfileobj")])
def test_a_failed_writing_leaves_nothing(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patched: tuple[ModuleType, str]
) -> None:
    """The disk is full while the arrays grow, or while they are copied into the file."""
    monkeypatch.setattr(*patched, Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(UserError, match="No space left"):
        open_token_table(table, tmp_path, TOKENIZER, workers=0)
    assert list(tmp_path.iterdir()) == []


def test_any_flipped_byte_is_noticed(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made_again(monkeypatch, table, tmp_path)
    path = next(tmp_path.iterdir())
    whole = path.read_bytes()
    for place in [*range(0, len(whole), 131), len(whole) - 1]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert made_again(monkeypatch, table, tmp_path), place
        assert all("is damaged: it does not fit its checksum" in str(warning.message) for warning in caught)
        assert path.read_bytes() == whole


def test_complete_tokens_are_only_read(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made_again(monkeypatch, table, tmp_path)
    monkeypatch.setattr(token_table, "written_whole", lambda *_, **__: pytest.fail("written"))
    assert not made_again(monkeypatch, table, tmp_path)
