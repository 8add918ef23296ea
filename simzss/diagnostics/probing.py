"""Does a frozen backbone suit the method? Class vectors made from its features with the truth at hand.

All of them are used as text vectors would be: cosine with the patches, same windows, same upsampling, same score. So
they tell, before any text encoder is trained, what one could reach and whether the concept loss gets there:

cosine_probe
    a supervised cosine classifier on the L2-normalised patches: the best that class vectors could do;
prototypes
    the mean patch of every class;
concept_only
    free class vectors trained by the concept loss alone (`simzss.losses.concept`), which is told which classes a
    picture shows but not where. Far below `prototypes`, no text encoder will help;
chance
    the better of two predictions that never look: everywhere the class that does best so, and the truth's own pixels
    shuffled over the data set, whose expected confusion matrix is the outer product of the class frequencies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from simzss.errors import UserError
from simzss.evaluation.dataset import Sample, list_stems, read_ahead, read_sample
from simzss.evaluation.labels import IGNORE
from simzss.evaluation.metrics import Matrix, Scores, scores_of
from simzss.evaluation.runner import class_sets_task
from simzss.evaluation.spec import Benchmark
from simzss.evaluation.task import choose, totals
from simzss.losses.concept import class_weights, concept_cross_entropy
from simzss.modeling.backbone import ImageBackbone
from simzss.modeling.pooling import similarity_pool
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.segmenter import Segmenter

ProbeVectors = Float[Tensor, "classes dim"]
CHANCE = "chance"
"""The name that `chance` goes by among the scores."""


class Probe(StrEnum):
    """The class vectors that can be made with truth."""

    COSINE = "cosine_probe"
    PROTOTYPES = auto()
    CONCEPT_ONLY = auto()


@dataclass(frozen=True)
class ProbeConfig:
    """Numbers of the trained probes."""

    steps: int = 600
    lr: float = 1e-2
    """Of Adam; falls linearly to zero."""
    scale: float = 20.0
    """Multiplies the cosines of the cosine probe."""
    patches: int = 4096
    """Patches per step of the cosine probe."""
    windows: int = 128
    """Windows per step of the concept loss."""
    pooling_temperature: float = 0.1
    """Divides the cosines between patches and class vector when the concept loss pools patches."""
    concept_scale: float = 1 / 0.07
    """Multiplies the cosines in the concept loss."""
    mentioned: float = 0.5
    """Chance that a class that a window shows is mentioned."""
    visible: float = 0.01
    """Share of a window that a class must cover to be mentioned."""
    seed: int = 0


@dataclass(frozen=True)
class PatchTruth:
    """Patches of some windows and what they show."""

    patches: Float[Tensor, "windows patches dim"]
    """L2-normalised."""
    share: Float[Tensor, "windows patches classes"]
    """How much of a patch each class covers; the rest is ignored."""


class PatchesOnly:
    """A frozen backbone as a segmenter takes it: patches, but no text."""

    def __init__(self, backbone: ImageBackbone) -> None:
        self.backbone = backbone
        self.patch_size = backbone.patch_size
        self.pixel_mean = backbone.pixel_mean
        self.pixel_std = backbone.pixel_std

    @property
    def device(self) -> torch.device:
        """Where the backbone lies."""
        return next(self.backbone.parameters()).device

    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], stride: int | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        """L2-normalised patches as a grid."""
        features = self.backbone(images, stride=stride)
        return functional.normalize(features.patches, dim=-1).unflatten(1, features.grid)

    def embed_prompts(
        self, prompts: Sequence[str], spans: Sequence[tuple[int, int]] | None
    ) -> Float[Tensor, "prompts dim"]:
        """There is no text encoder here."""
        raise NotImplementedError("a backbone alone embeds no prompts")


def run_probes(
    segmenter: Segmenter, benchmark: Benchmark, root: Path, limit: int | None, config: ProbeConfig
) -> dict[str, Scores]:
    """Learn every probe from one half of the images, score it on the other; by the names in this file's head."""
    stems = choose(list_stems(benchmark, root), limit)
    if len(stems) < 2:
        raise UserError(f"{benchmark.key}: a probe learns from one half of the images, give at least two")
    data = gather(segmenter, benchmark, root, stems[::2])
    if not data.share.any():
        raise UserError(f"{benchmark.key}: no pixel that a probe could learn from is labelled: give other images")
    vectors = [fit_probe(probe, data, config) for probe in Probe]
    matrices = evaluate_vectors(segmenter, benchmark, root, stems[1::2], vectors)
    if not matrices[0].any():
        raise UserError(f"{benchmark.key}: no pixel that a probe is scored on is labelled: give other images")
    scores = {str(probe): scores_of(matrix) for probe, matrix in zip(Probe, matrices, strict=True)}
    return scores | {CHANCE: scores_of(chance(matrices[0].sum(axis=1)))}


def gather(segmenter: Segmenter, benchmark: Benchmark, root: Path, stems: Sequence[str]) -> PatchTruth:
    """Embed images and bring their truth to the patches."""
    samples = list(read_ahead(partial(read_sample, [benchmark], root), stems, threads=2))
    prepared = (segmenter.prepare(torch.from_numpy(sample.image)) for sample in samples)
    patches, share = [], []
    for sample, (_, features) in zip(samples, segmenter.embed(prepared), strict=True):
        patches.append(features.flatten(1, 2).cpu())
        share.append(patch_share(segmenter, sample, len(benchmark.names)))
    if len({part.shape[1] for part in patches}) > 1:
        raise UserError(f"{benchmark.key}: windows differ in size; probe with a protocol whose crop fits every image")
    return PatchTruth(torch.cat(patches), torch.cat(share))


def patch_share(segmenter: Segmenter, sample: Sample, classes: int) -> Float[Tensor, "windows patches classes"]:
    """The share of every patch that each class covers; labels are resized and cut as the image is."""
    labels = torch.from_numpy(sample.labels[0]).long()
    layers = functional.one_hot(labels.clamp(min=0), classes) * (labels != IGNORE).unsqueeze(-1)
    layout = segmenter.prepare(torch.from_numpy(sample.image)).merger.layout
    size = (layout.rows.length, layout.columns.length)
    resized = functional.interpolate(layers.permute(2, 0, 1)[None].float(), size, mode="area")[0]
    windows = layout.cut(resized)
    return functional.avg_pool2d(windows, segmenter.model.patch_size).flatten(2).transpose(1, 2)


def fit_probe(probe: Probe, data: PatchTruth, config: ProbeConfig) -> ProbeVectors:
    """Class vectors of one kind."""
    if probe is Probe.PROTOTYPES:
        return prototypes(data)
    return cosine_probe(data, config) if probe is Probe.COSINE else concept_only(data, config)


def prototypes(data: PatchTruth) -> ProbeVectors:
    """The normalised mean patch of every class."""
    return functional.normalize(torch.einsum("wpc,wpd->cd", data.share, data.patches), dim=-1)


def cosine_probe(data: PatchTruth, config: ProbeConfig) -> ProbeVectors:
    """Cross-entropy of the scaled cosines over single patches, with the shares as soft targets."""
    patches, share = data.patches.flatten(0, 1), data.share.flatten(0, 1)
    generator = torch.Generator().manual_seed(config.seed)
    vectors = _start(data, generator)
    optimizer = torch.optim.Adam([vectors], config.lr)
    for step in range(config.steps):
        rows = torch.randint(len(patches), (config.patches,), generator=generator)
        log_odds = (config.scale * patches[rows] @ functional.normalize(vectors, dim=-1).T).log_softmax(dim=-1)
        loss = -(share[rows] * log_odds).sum(dim=-1).mean()
        _descend(optimizer, loss, config.lr * (1 - step / config.steps))
    return functional.normalize(vectors.detach(), dim=-1)


def concept_only(data: PatchTruth, config: ProbeConfig) -> ProbeVectors:
    """The concept loss of SimZSS with a free vector per class in place of a text encoder."""
    generator = torch.Generator().manual_seed(config.seed)
    shown = data.share.mean(dim=1) > config.visible
    mentioned = shown & (torch.rand(shown.shape, generator=generator) < config.mentioned)
    vectors = _start(data, generator)
    optimizer = torch.optim.Adam([vectors], config.lr)
    for step in range(config.steps):
        rows = torch.randint(len(mentioned), (config.windows,), generator=generator)
        window, concept = mentioned[rows].nonzero(as_tuple=True)
        loss = _concept_loss(data.patches[rows], window, concept, functional.normalize(vectors, dim=-1), config)
        _descend(optimizer, loss, config.lr * (1 - step / config.steps))
    return functional.normalize(vectors.detach(), dim=-1)


def _concept_loss(
    patches: Float[Tensor, "batch patches dim"],
    window: Int[Tensor, " mentions"],
    concept: Int[Tensor, " mentions"],
    vectors: ProbeVectors,
    config: ProbeConfig,
) -> Float[Tensor, ""]:
    query = vectors[concept]
    visual = similarity_pool(patches, window, query, config.pooling_temperature)
    return concept_cross_entropy(
        visual, concept, class_weights(query, concept, len(vectors)), config.concept_scale
    ).loss


def _start(data: PatchTruth, generator: torch.Generator) -> torch.nn.Parameter:
    shape = (data.share.shape[-1], data.patches.shape[-1])
    return torch.nn.Parameter(0.1 * torch.randn(shape, generator=generator))


def _descend(optimizer: torch.optim.Optimizer, loss: Float[Tensor, ""], lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def evaluate_vectors(
    segmenter: Segmenter, benchmark: Benchmark, root: Path, stems: Sequence[str], vectors: Sequence[ProbeVectors]
) -> list[Matrix]:
    """One confusion matrix per set of class vectors, from one pass of the backbone."""
    class_sets = [ClassEmbeddings.of_vectors(each) for each in vectors]
    task = class_sets_task(segmenter, [benchmark] * len(vectors), class_sets, root, stems)
    return [result.matrix for result in totals(task, stems)]


def chance(labelled: np.ndarray) -> Matrix:
    """The confusion matrix of the better prediction of the two that never look.

    Args:
        labelled: Labelled pixels of every class.
    """
    constant = np.zeros((len(labelled), len(labelled)), dtype=np.int64)
    constant[:, int(labelled.argmax())] = labelled
    shuffled = np.rint(np.outer(labelled, labelled / max(1, labelled.sum()))).astype(np.int64)
    return max(constant, shuffled, key=lambda matrix: scores_of(matrix).miou)
