"""Configurations are found by name and by path."""

from pathlib import Path

import pytest

from simzss.errors import UserError
from simzss.io.named_configs import Kind, config_names, find_config


@pytest.mark.parametrize("kind", Kind)
def test_every_shipped_configuration_is_found_by_its_name(kind: Kind) -> None:
    names = config_names(kind)
    assert names
    for name in names:
        assert find_config(kind, name).name == f"{name}.yaml"


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.touch()
    assert find_config(Kind.PROTOCOL, own) == own


@pytest.mark.parametrize("name", ["nothing", "nothing.yaml"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UserError, match="tcl"):
        find_config(Kind.PROTOCOL, name)
