"""The small corpus, once for all tests of this folder."""

from pathlib import Path

import pytest

from tests.corpus import Corpus, write_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Six images, twelve captions."""
    folder: Path = tmp_path_factory.mktemp("corpus")
    return write_corpus(folder)
