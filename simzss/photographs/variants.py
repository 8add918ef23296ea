"""The rows of the table: what is trained, and in which one thing it differs from the recipe.

The main rows take all epochs and several seeds. Every further row takes a third of the epochs and one seed, beside the
main row at the same number of steps, so that the whole is affordable without a GPU; a difference within the spread of
the seeds says nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from simzss.concepts.mentions import Match

METHOD_OPTION = "--model.objective"
SETTING = f"{METHOD_OPTION}.init_args"
PATCH_WIDTH = "PATCH_WIDTH"
"""Stands for the width of the backbone's patches in the arguments of a row."""


class Bank(StrEnum):
    """Where the concepts of a row come from."""

    BENCHMARKS = "benchmarks"
    """The class names of the eight benchmarks, VOC's and COCO's among them."""
    MINED_WITHOUT = "mined_without"
    """Frequent names of the training captions, but for all names of the benchmarks."""
    MINED = "mined"
    """Frequent names of the training captions."""


@dataclass(frozen=True)
class Concepts:
    """How the concept table of a row is made."""

    bank: Bank = Bank.BENCHMARKS
    gazetteer: bool = False
    """Whether names are looked up in the plain text, without the parser."""
    match: Match = Match.EXACT

    @property
    def folder(self) -> str:
        """The name of its table's folder."""
        return f"concepts-{self.bank}-{'gazetteer' if self.gazetteer else self.match}"


@dataclass(frozen=True)
class Variant:
    """One training."""

    meaning: str
    arguments: tuple[str, ...] = ()
    """Of `simzss fit`, beside the recipe."""
    concepts: Concepts = field(default_factory=Concepts)
    shortened: bool = True
    """Whether it takes a third of the epochs, and one seed."""

    @property
    def features(self) -> str:
        """The name of the folder of its features: other pixels, other features."""
        return "features-openai" if RELEASED["statistics_openai"] in self.arguments else "features"


RELEASED = {
    "mention_sum": f"{SETTING}.mention_pooling=sum",
    "query_concept": f"{SETTING}.query=concept",
    "target_predicted": f"{SETTING}.target=predicted",
    "statistics_openai": "--model.backbone.statistics=openai",
}
"""The switches of `as_released.yaml` that this backbone has."""

MAIN_ROWS: Mapping[str, Variant] = {
    "simzss": Variant("SimZSS: both losses", shortened=False),
    "global_only": Variant("without the concept loss", (f"{SETTING}.concept_weight=0",), shortened=False),
}
FURTHER_ROWS: Mapping[str, Variant] = {
    "simzss_third": Variant("SimZSS at a third of the steps"),
    "global_only_third": Variant("without the concept loss, a third", (f"{SETTING}.concept_weight=0",)),
    "weight_005": Variant("the paper's weight of the concept loss", (f"{SETTING}.concept_weight=0.05",)),
    **{name: Variant(f"released: {name}", (argument,)) for name, argument in RELEASED.items()},
    "as_released": Variant("all switches of the released code", tuple(RELEASED.values())),
    "bank_mined_without": Variant("bank mined, test names kept out", concepts=Concepts(Bank.MINED_WITHOUT)),
    "bank_mined": Variant("bank mined freely", concepts=Concepts(Bank.MINED)),
    "route_gazetteer": Variant("gazetteer in place of the parser", concepts=Concepts(gazetteer=True)),
    "match_fallback": Variant("parser with fallback to the head", concepts=Concepts(match=Match.HEAD_FALLBACK)),
    "pacl": Variant(
        "PACL",
        (
            f"{METHOD_OPTION}=PACL",
            f"{SETTING}.vision_width={PATCH_WIDTH}",
            f"{SETTING}.text_width={PATCH_WIDTH}",
        ),
    ),
}
