"""The demo from end to end: world, concepts, two trainings, probes, scores, pictures.

The two trainings differ in the weight of the concept loss alone (`global_only` has none). Everything is done by the
same code as on real data; what is the demo's own is the world, its backbone and its settings
(`configs/train/demo.yaml`, `configs/protocol/demo.yaml`).
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from simzss.benchmarks.dataset import list_stems
from simzss.benchmarks.metrics import Matrix, Scores, scores_of
from simzss.benchmarks.probe import Probe, ProbeConfig, Vectors, chance, evaluate_vectors, fit_probe, gather
from simzss.benchmarks.spec import load_benchmark
from simzss.concepts.bank import ConceptBank
from simzss.concepts.corpus.source import open_corpus
from simzss.concepts.extraction import extract
from simzss.concepts.extractor import BATCH_SIZE
from simzss.concepts.mentions import Match
from simzss.concepts.pipelines import GAZETTEER
from simzss.concepts.plan import Plan
from simzss.concepts.workers import ExtractorRecipe
from simzss.demo.world import World, WorldConfig, build_world
from simzss.errors import UserError
from simzss.objectives.model import load_model
from simzss.segmentation.prompts import embed_names
from simzss.segmentation.protocol import ClassToken, SegmentationProtocol, load_protocol
from simzss.segmentation.segmenter import Segmenter
from simzss.training.fit import fit

SIMZSS, GLOBAL_ONLY, CHANCE = "simzss", "global_only", "chance"
NO_CONCEPT_LOSS = "--model.objective.init_args.concept_weight=0"


@dataclass(frozen=True)
class DemoConfig:
    """What the demo is made with."""

    train: Path
    """Configuration of `simzss fit`."""
    protocol: Path
    world: WorldConfig
    extra: tuple[str, ...] = ()
    """Further arguments of both trainings."""


@dataclass(frozen=True)
class Stopwatch:
    """Seconds by stage."""

    seconds: dict[str, float]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


@dataclass(frozen=True)
class Outcome:
    """One seed of the demo."""

    folder: Path
    world: World
    models: dict[str, Path]
    """Folders of the two saved models."""
    tokens: dict[str, ClassToken]
    """Which tokens speak for a class in each of them."""
    scores: dict[str, Scores]
    seconds: dict[str, float]


def run_demo(folder: Path, config: DemoConfig) -> Outcome:
    """Everything, for the seed of the world."""
    _make_room(folder)
    watch = Stopwatch({})
    start = time.perf_counter()
    with watch.stage("world"):
        world = build_world(folder / "world", config.world)
    with watch.stage("concepts"):
        extract_concepts(world, folder / "concepts")
    models = {}
    for name, arguments in ((SIMZSS, ()), (GLOBAL_ONLY, (NO_CONCEPT_LOSS,))):
        with watch.stage(name):
            models[name] = train(folder, name, config, arguments)
    protocol = load_protocol(config.protocol)
    with watch.stage("probes"):
        vectors = make_vectors(models, world, protocol)
    with watch.stage("evaluation"):
        matrices = evaluate_all(models[SIMZSS], world, protocol, vectors)
    tokens = {name: best_token(name, matrices) for name in models}
    scores = gather_scores(matrices, tokens)
    watch.seconds["total"] = time.perf_counter() - start
    return Outcome(folder, world, models, tokens, scores, watch.seconds)


def extract_concepts(world: World, table: Path) -> None:
    """The concept table of the captions, with the class names as the bank."""
    bank = ConceptBank.from_file(world.concepts)
    corpus = open_corpus(str(world.captions))
    extract(Plan(corpus, ExtractorRecipe(bank, GAZETTEER, Match.EXACT, BATCH_SIZE)), table)


def train(folder: Path, name: str, config: DemoConfig, arguments: Sequence[str]) -> Path:
    """Train one model, as `simzss fit` does; both share the features of the frozen backbone."""
    settings = {
        "--config": config.train,
        "--run": folder / name,
        "--data.table": folder / "concepts",
        "--data.images": folder / "world" / "train",
        "--data.cache_dir": folder / "features",
        "--data.seed": config.world.seed,
        "--seed_everything": config.world.seed,
    }
    return fit([*(f"{key}={value}" for key, value in settings.items()), *config.extra, *arguments])


def make_vectors(models: dict[str, Path], world: World, protocol: SegmentationProtocol) -> dict[str, Vectors]:
    """Class vectors of both models by either token (named model/token), and of the probes."""
    benchmark, vectors = load_benchmark(world.benchmark), {}
    for name, folder in models.items():
        model = load_model(folder)
        for token in ClassToken:
            vectors[f"{name}/{token}"] = embed_names(model, benchmark.names, replace(protocol, class_token=token))
    whole = replace(protocol, short_side=None)
    segmenter = Segmenter(load_model(models[SIMZSS]), whole)
    known = load_benchmark(world.probe)
    data = gather(segmenter, known, world.folder, list_stems(known, world.folder))
    return vectors | {str(probe): fit_probe(probe, data, ProbeConfig(seed=0)) for probe in Probe}


def evaluate_all(
    model: Path, world: World, protocol: SegmentationProtocol, vectors: dict[str, Vectors]
) -> dict[str, Matrix]:
    """A confusion matrix for each set of class vectors; the backbone is the same for all and looks once."""
    benchmark = load_benchmark(world.benchmark)
    segmenter = Segmenter(load_model(model), protocol)
    stems = list_stems(benchmark, world.folder)
    found = evaluate_vectors(segmenter, benchmark, world.folder, stems, list(vectors.values()))
    return dict(zip(vectors, found, strict=True))


def best_token(name: str, matrices: dict[str, Matrix]) -> ClassToken:
    """SimZSS is asked by the tokens it trains; the baseline by those that serve it better."""
    if name == SIMZSS:
        return ClassToken.MENTION
    return max(ClassToken, key=lambda token: scores_of(matrices[f"{name}/{token}"]).miou)


def gather_scores(matrices: dict[str, Matrix], tokens: dict[str, ClassToken]) -> dict[str, Scores]:
    """Scores by the names of `results.json`."""
    chosen = {name: matrices[f"{name}/{token}"] for name, token in tokens.items()}
    chosen |= {str(probe): matrices[probe] for probe in Probe}
    chosen[CHANCE] = chance(chosen[SIMZSS].sum(axis=1))
    return {name: scores_of(matrix) for name, matrix in chosen.items()}


def _make_room(folder: Path) -> None:
    """Remove what an earlier demo left, and nothing else.

    Raises:
        UserError: If the folder holds something else.
    """
    if not folder.exists():
        return
    if any(folder.iterdir()) and not (folder / "world").is_dir():
        raise UserError(f"{folder} is no folder of an earlier demo: give another --output, or empty it")
    shutil.rmtree(folder)
