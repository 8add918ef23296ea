"""All tests of this folder are marked `faults`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.commands import end_all
from tests.training.conftest import corpus, recipe

__all__ = ["corpus", "recipe"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that lie here."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(autouse=True)
def _nothing_outlives_a_test() -> Iterator[None]:
    yield
    end_all()
