"""Scores of everything that gives class vectors: trained models, free vectors, probes with masks, chance.

Models whose patches are the backbone's own share one pass of it, whatever they were trained with.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from simzss.concepts.bank import ConceptBank
from simzss.data.transforms import SeededCrop
from simzss.devices import Precision
from simzss.diagnostics.probing import CHANCE, Probe, ProbeConfig, fit_probe, gather
from simzss.diagnostics.retrieval import Recall, recall
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.task import Watch, unwatched
from simzss.io.images import read_image
from simzss.model import AlignedModel, load_model
from simzss.objectives.simzss import SimZSS
from simzss.photographs.material import Split
from simzss.photographs.scores import Question, Score, answer
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.protocol import ClassToken, SegmentationProtocol
from simzss.segmentation.segmenter import Segmenter

FREE = "free_vectors"
IMAGE_CONTEXT = 0.5
"""`image_context` of a second look at the main rows and the probes; chosen on photographs outside VOC's val."""
IN_CONTEXT = "+context"
"""Behind the names of what that look gives."""
PROBES = (Probe.PROTOTYPES, Probe.COSINE)
SIDE, TOGETHER = 224, 64
"""Pixels of a side of a photograph to retrieve, and how many are embedded at a time."""

AnswerScores = dict[str, dict[str, list[Score]]]
"""By question and name of the class vectors (`row/token`, or a probe), seed by seed."""
ClassVectors = dict[str, dict[str, ClassEmbeddings]]
"""By name and seed (`name@seed`), then by the key of a benchmark."""


@dataclass
class _Group:
    """Class vectors that are compared with the same patches, and a model that makes these."""

    model: AlignedModel
    vectors: ClassVectors = field(default_factory=dict)


def score_all(
    models: Mapping[str, Sequence[Path]],
    free: Sequence[Float[Tensor, "concepts dim"]],
    protocol: SegmentationProtocol,
    asked: Sequence[Question],
    learnt_on: Mapping[str, Split],
    main: Container[str],
    watch: Watch = unwatched,
) -> AnswerScores:
    """The scores of all; those of the main rows and the probes a second time, with the context of the image.

    Args:
        models: Saved models by row, the first row's patches being the backbone's own, seed by seed.
        free: Free class vectors for the bank of the first row, seed by seed.
        protocol: How to segment.
        asked: What is asked.
        learnt_on: Photographs whose masks the probes may see, by the key of the benchmark they are then asked.
        main: The rows that are looked at twice.
        watch: Shows how far it has come.
    """
    groups = _groups(models, protocol, asked)
    first = next(iter(groups.values()))
    for seed, own in enumerate(free):
        first.vectors[f"{FREE}@{seed}"] = {
            question.split.benchmark.key: _of_bank(own, first.model.bank, question.split.benchmark.names)
            for question in asked
        }
    first.vectors |= _probes(_segmenter(first.model, protocol), learnt_on)
    twice = {name.replace("@", f"{IN_CONTEXT}@"): each for name, each in first.vectors.items() if _row(name) in main}
    looks = [(_segmenter(group.model, protocol), group.vectors) for group in groups.values()]
    looks.append((_segmenter(first.model, replace(protocol, image_context=IMAGE_CONTEXT)), twice))
    scores: AnswerScores = {}
    for segmenter, vectors in looks:
        for question, by_name in answer(segmenter, asked, vectors, watch).items():
            for name, score in by_name.items():
                scores.setdefault(question, {}).setdefault(name.partition("@")[0], []).append(score)
    for seeds in scores.values():
        seeds[CHANCE] = seeds[CHANCE][:1]  # the same in every look
    return scores


def _row(name: str) -> str:
    return name.partition("/")[0].partition("@")[0]


def _groups(
    models: Mapping[str, Sequence[Path]], protocol: SegmentationProtocol, asked: Sequence[Question]
) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    parts = {question.split.benchmark.key: question.split.benchmark for question in asked}
    for row, paths in models.items():
        for seed, path in enumerate(paths):
            model = load_model(path)
            shared = isinstance(model.objective, SimZSS)
            group = groups.setdefault(model.backbone.fingerprint() if shared else str(path), _Group(model))
            for token in ClassToken:
                reader = Segmenter(model, replace(protocol, class_token=token))
                group.vectors[f"{row}/{token}@{seed}"] = {
                    key: reader.class_embeddings(benchmark.words(protocol.names)) for key, benchmark in parts.items()
                }
    return groups


def _segmenter(model: AlignedModel, protocol: SegmentationProtocol) -> Segmenter:
    return Segmenter(model, protocol, half_precision=Precision.AUTOMATIC.is_half(model.device))


def _of_bank(vectors: Float[Tensor, "concepts dim"], bank: ConceptBank | None, names: Sequence[str]) -> ClassEmbeddings:
    """The vectors of the concepts that class names lead to; a class without a concept is never answered."""
    numbers = [None if bank is None else bank.lookup(name) for name in names]
    known = [(number, concept) for number, concept in enumerate(numbers) if concept is not None]
    return ClassEmbeddings(vectors[[concept for _, concept in known]], torch.tensor([number for number, _ in known]))


def _probes(segmenter: Segmenter, learnt_on: Mapping[str, Split]) -> ClassVectors:
    """Class vectors made with masks."""
    found: ClassVectors = {}
    for key, part in learnt_on.items():
        truth = gather(segmenter, part.benchmark, part.root, list_stems(part.benchmark, part.root))
        for probe in PROBES:
            vectors = fit_probe(probe, truth, ProbeConfig())
            found.setdefault(f"{probe}@0", {})[key] = ClassEmbeddings.of_vectors(vectors)
    return found


@torch.no_grad()
def retrieve(path: Path, heldout: Sequence[tuple[str, list[str]]], images: Path) -> Recall:
    """Recall of held-back photographs and their captions by a saved model."""
    model = load_model(path)
    texts = [caption for _, captions in heldout for caption in captions]
    owner = torch.tensor([number for number, (_, captions) in enumerate(heldout) for _ in captions])
    starts = range(0, len(texts), 512)
    embedded = torch.cat([normalize(model.embed_prompts(texts[start : start + 512]), dim=-1) for start in starts])
    crop = SeededCrop(SIDE, (1.0, 1.0))
    similarity = []
    for start in range(0, len(heldout), TOGETHER):
        names = [name for name, _ in heldout[start : start + TOGETHER]]
        pixels = torch.stack([crop(read_image(images / name, SIDE), seed=0) for name in names]).to(model.device)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=Precision.AUTOMATIC.is_half(model.device)):
            image = model.backbone(model.backbone.normalise(pixels))
        similarity.append(model.objective.compare_images(image.float(), embedded))
    return recall(torch.cat(similarity), owner.to(model.device))
