"""The demo from end to end: world, concepts, trainings, probes, scores, pictures.

One method is trained: SimZSS (and beside it `global_only`, the same without the concept loss), PACL or CLIPpy.
Everything is done by the same code as on real data; what is the demo's own is the world, its backbone and its settings
(`configs/train/demo*.yaml`, `configs/protocol/demo.yaml`).
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from simzss.concepts.bank import ConceptBank
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.routes.pipelines import GAZETTEER
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.demo.things_and_groups import Measures, measure
from simzss.demo.world import UNFINISHED, World, WorldConfig, build_world
from simzss.diagnostics.probing import (
    CHANCE,
    PatchesOnly,
    Probe,
    ProbeConfig,
    chance,
    evaluate_vectors,
    fit_probe,
    gather,
)
from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.metrics import Matrix, Scores, scores_of
from simzss.evaluation.spec import load_benchmark
from simzss.io.config import from_mapping, read_yaml
from simzss.model import load_model
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.segmentation.prompts import embed_names
from simzss.segmentation.protocol import ClassToken, SegmentationProtocol, load_protocol
from simzss.segmentation.segmenter import Segmenter
from simzss.timing import timed
from simzss.training.fit import fit

GLOBAL_ONLY = "global_only"
BACKBONE_WEIGHTS = Path(__file__).with_name("backbone.safetensors")
"""The weights of the demo's frozen ViT; `data_prep.demo_backbone` tells how they were made."""
NO_CONCEPT_LOSS = "--model.objective.init_args.concept_weight=0"


class Method(StrEnum):
    """What is trained."""

    SIMZSS = "simzss"
    PACL = "pacl"
    CLIPPY = "clippy"


@dataclass(frozen=True)
class DemoConfig:
    """What the demo is made with."""

    method: Method
    train: tuple[Path, ...]
    """Configurations of `simzss fit`, later ones override."""
    protocol: Path
    world: WorldConfig
    extra: tuple[str, ...] = ()
    """Further arguments of every training."""

    @property
    def trainings(self) -> dict[str, tuple[str, ...]]:
        """What is trained, the method first, and what is different in it."""
        method: dict[str, tuple[str, ...]] = {self.method.value: ()}
        return method | ({GLOBAL_ONLY: (NO_CONCEPT_LOSS,)} if self.method is Method.SIMZSS else {})


@dataclass(frozen=True)
class Outcome:
    """One seed of the demo."""

    folder: Path
    world: World
    models: dict[str, Path]
    """Folders of the saved models, the method's first."""
    tokens: dict[str, ClassToken]
    """Which tokens speak for a class in each of them."""
    scores: dict[str, Scores]
    measures: dict[str, Measures]
    """What else each of the models was asked."""
    seconds: dict[str, float]


def run_demo(folder: Path, config: DemoConfig) -> Outcome:
    """Everything, for the seed of the world."""
    _make_room(folder)
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    with timed(seconds, "world"):
        world = build_world(folder / "world", config.world)
    with timed(seconds, "concepts"):
        extract_concepts(world, folder / "concepts")
    models = {}
    for name, arguments in config.trainings.items():
        with timed(seconds, name):
            models[name] = train(folder, name, world, config, arguments)
    protocol = load_protocol(config.protocol)
    with timed(seconds, "evaluation"):
        matrices = {name: evaluate_tokens(model, world, protocol) for name, model in models.items()}
    tokens = {name: best_token(name, matrices[name]) for name in models}
    scores = {name: scores_of(matrices[name][token]) for name, token in tokens.items()}
    with timed(seconds, "probes"):
        scores |= evaluate_probes(folder / config.method, world, protocol)
    scores[CHANCE] = scores_of(chance(matrices[config.method][tokens[config.method]].sum(axis=1)))
    with timed(seconds, "measures"):
        measures = {name: measure(load_model(model), world, protocol) for name, model in models.items()}
    seconds["total"] = time.perf_counter() - start
    return Outcome(folder, world, models, tokens, scores, measures, seconds)


def extract_concepts(world: World, table: Path) -> None:
    """The concept table of the captions, with the class names as the bank."""
    bank = ConceptBank.from_file(world.concepts)
    corpus = open_corpus(str(world.captions))
    extract(Plan(corpus, ExtractorRecipe(bank, GAZETTEER)), table)


def train(folder: Path, name: str, world: World, config: DemoConfig, arguments: Sequence[str]) -> Path:
    """Train one model, as `simzss fit` does; those with a frozen backbone share its features."""
    settings = {
        "--run": folder / name,
        "--model.backbone.weights": BACKBONE_WEIGHTS,
        "--data.table": folder / "concepts",
        "--data.images": world.images,
        "--data.cache_dir": folder / "features",
        "--data.seed": config.world.seed,
        "--seed_everything": config.world.seed,
    }
    given = [f"{key}={value}" for key, value in settings.items()]
    return fit([*(f"--config={path}" for path in config.train), *given, *config.extra, *arguments])


def evaluate_tokens(folder: Path, world: World, protocol: SegmentationProtocol) -> dict[ClassToken, Matrix]:
    """Confusion matrices of a saved model on the held-out pictures, by what speaks for a class, from one look."""
    model, benchmark = load_model(folder), load_benchmark(world.benchmark)
    vectors = [embed_names(model, benchmark.names, replace(protocol, class_token=token)) for token in ClassToken]
    found = evaluate_vectors(
        Segmenter(model, protocol), benchmark, world.folder, list_stems(benchmark, world.folder), vectors
    )
    return dict(zip(ClassToken, found, strict=True))


def best_token(name: str, matrices: dict[ClassToken, Matrix]) -> ClassToken:
    """SimZSS is asked by the tokens it trains; the others by those that serve them better."""
    if name == Method.SIMZSS:
        return ClassToken.MENTION
    return max(ClassToken, key=lambda token: scores_of(matrices[token]).miou)


def evaluate_probes(run: Path, world: World, protocol: SegmentationProtocol) -> dict[str, Scores]:
    """What class vectors made with the truth reach on the backbone that a run started from."""
    asked = run / "config.yaml"
    started_from = from_mapping(BackboneConfig, read_yaml(asked)["model"]["backbone"], str(asked))
    backbone = PatchesOnly(ImageBackbone(started_from))
    known, benchmark = load_benchmark(world.probe), load_benchmark(world.benchmark)
    whole = Segmenter(backbone, replace(protocol, short_side=None))
    data = gather(whole, known, world.folder, list_stems(known, world.folder))
    vectors = [fit_probe(probe, data, ProbeConfig(seed=0)) for probe in Probe]
    stems = list_stems(benchmark, world.folder)
    found = evaluate_vectors(Segmenter(backbone, protocol), benchmark, world.folder, stems, vectors)
    return {str(probe): scores_of(matrix) for probe, matrix in zip(Probe, found, strict=True)}


def _make_room(folder: Path) -> None:
    """Remove what an earlier demo left, and nothing else.

    Raises:
        UserError: If the folder holds something else.
    """
    if not folder.exists():
        return
    if any(folder.iterdir()) and not any((folder / name).is_dir() for name in ("world", UNFINISHED)):
        raise UserError(f"{folder} is no folder of an earlier demo: give another --output, or empty it")
    shutil.rmtree(folder)
