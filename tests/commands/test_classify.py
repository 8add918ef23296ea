"""What `simzss classify` tells of a data set that cannot be had, and what it does not swallow."""

from unittest.mock import patch

import pytest
from datasets.exceptions import DatasetNotFoundError

from simzss.commands.classify import _hugging_face
from simzss.errors import UserError


@pytest.mark.parametrize("error", [DatasetNotFoundError("gone"), ConnectionError("offline"), ValueError("no split")])
def test_a_data_set_that_cannot_be_had_is_told(error: Exception) -> None:
    with patch("datasets.load_dataset", side_effect=error), pytest.raises(UserError, match="neither a folder nor"):
        _hugging_face("somebody/pictures", "test")


def test_a_defect_keeps_its_traceback() -> None:
    with patch("datasets.load_dataset", side_effect=TypeError("ours")), pytest.raises(TypeError, match="ours"):
        _hugging_face("somebody/pictures", "test")
