"""`simzss fit`: train from a YAML of configs/train."""

from collections.abc import Sequence

from simzss.training import fit as training


def fit(arguments: Sequence[str]) -> None:
    """Train as the YAML and the options say, and name the folder of the model."""
    print(f"trained: {training.fit(arguments)}")
