"""What is trained: concept tables, a model per row and seed, and free class vectors beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from simzss.concepts.bank import ConceptBank
from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.mining import mine
from simzss.concepts.readers.bad_rows import SILENT, OnError, good_rows
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.routes.pipelines import GAZETTEER, load_pipeline
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.errors import UserError
from simzss.photographs.free_vectors import free_vectors
from simzss.photographs.material import Material
from simzss.photographs.variants import MAIN_ROWS, PATCH_WIDTH, Bank, Concepts, Variant
from simzss.training.fit import fit, quiet_lightning, read

MINED_AT_LEAST, MINED_AT_MOST = 50, 1000
"""Uses in the training captions that a mined concept needs, and the number of concepts."""


@dataclass(frozen=True)
class Trainings:
    """How the rows are trained."""

    folder: Path
    """For concept tables, features and models."""
    material: Material
    rows: Mapping[str, Variant]
    recipe: Path
    """Of `simzss fit`."""
    epochs: int
    """Of the main rows; the others take a third."""
    seeds: int
    """Of the main rows; the others take one."""
    extra: tuple[str, ...] = ()
    """Further arguments of every training."""

    def seeds_of(self, row: str) -> range:
        """The seeds that a row is trained with."""
        return range(1 if self.rows[row].shortened else self.seeds)

    def arguments(self, row: Variant, seed: int) -> list[str]:
        """What `simzss fit` is told, but for the folder of the run."""
        settings = {
            "--config": self.recipe,
            "--model.backbone.weights": self.material.weights,
            "--data.table": self.folder / row.concepts.folder,
            "--data.images": self.material.images,
            "--data.cache_dir": self.folder / row.features,
            "--data.epochs": max(1, self.epochs // 3) if row.shortened else self.epochs,
            "--data.seed": seed,
            "--seed_everything": seed,
        }
        further = [
            each.replace(PATCH_WIDTH, str(self.patch_width)) if PATCH_WIDTH in each else each for each in row.arguments
        ]
        return [*(f"{key}={value}" for key, value in settings.items()), *self.extra, *further]

    @cached_property
    def patch_width(self) -> int:
        """Of the backbone that all rows share."""
        with quiet_lightning():
            cli = read([*self.arguments(MAIN_ROWS["simzss"], 0), f"--run={self.folder / 'none'}"])
        return int(cli.model.model.backbone.dim)


def make_concept_table(trainings: Trainings, concepts: Concepts) -> None:
    """The concept table of the training captions."""
    material = trainings.material
    corpus = open_corpus(str(material.captions))
    bank: ConceptBank | None = ConceptBank.benchmarks()
    if concepts.bank is not Bank.BENCHMARKS:
        excluded = bank if concepts.bank is Bank.MINED_WITHOUT else None
        extractor = ConceptExtractor(ConceptBank.benchmarks(), load_pipeline(material.nlp))
        captions = (row.caption for row in good_rows(corpus, OnError.STOP, None, SILENT))
        bank = mine(extractor.phrases(captions), MINED_AT_LEAST, MINED_AT_MOST, excluded)
    if bank is None:
        raise UserError(f"{material.captions}: no name is used {MINED_AT_LEAST} times; give more captions")
    pipeline = GAZETTEER if concepts.gazetteer else material.nlp
    recipe = ExtractorRecipe(bank, pipeline, concepts.match)
    extract(Plan(corpus, recipe), trainings.folder / concepts.folder)


def train_variant(trainings: Trainings, name: str, seed: int) -> Path:
    """Train a row, unless that was done before; the folder of the model."""
    run = trainings.folder / name / f"seed-{seed}"
    if (run / "model").is_dir():
        return run / "model"
    arguments = trainings.arguments(trainings.rows[name], seed)
    return fit([*arguments, f"--run={run}", f"--resume={str(run.is_dir()).lower()}"])


def train_free_vectors(trainings: Trainings, row: str, seed: int) -> Float[Tensor, "concepts dim"]:
    """Free class vectors on the batches of a row."""
    with quiet_lightning():
        cli = read([*trainings.arguments(trainings.rows[row], seed), f"--run={trainings.folder / 'free_vectors'}"])
    data, model = cli.datamodule, cli.model.model
    data.setup("fit")
    data.tokenise(model.tokenizer)
    cache = data.open_cache(model.backbone)
    if cache is None:
        raise UserError(f"{trainings.recipe}: free vectors need cached features, set data.cache")
    return free_vectors(data.train_dataloader(), data.steps, cache, model.objective, seed)
