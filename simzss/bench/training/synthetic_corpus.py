"""A drawn corpus on disk: JPEGs of COCO's sizes, five captions each of COCO's lengths, and their concept table."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from simzss.bench.training.synthetic_batches import drawn_jpeg, drawn_lengths
from simzss.concepts.bank import ConceptBank
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.routes.pipelines import GAZETTEER
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.workers import ExtractorRecipe

CAPTIONS_PER_IMAGE = 5
NAMES = ("person", "dog", "cat", "car", "bus", "horse", "chair", "table", "boat", "bird")
FILLERS = ("a", "the", "big", "small", "red", "on", "near", "with", "and", "behind", "old", "white", "green", "very")


def drawn_captions(count: int) -> list[str]:
    """Sentences of common words, of COCO's lengths, with one name each."""
    generator = np.random.default_rng(0)
    captions = []
    for length in drawn_lengths(generator, count):
        words = generator.choice(FILLERS, length - 2)
        words[generator.integers(len(words))] = generator.choice(NAMES)
        captions.append(" ".join(words))
    return captions


def write_corpus(folder: Path, images: int) -> None:
    """Write `folder/images` and `folder/table`."""
    (folder / "images").mkdir(parents=True)
    captions = drawn_captions(images * CAPTIONS_PER_IMAGE)
    for index in range(images):
        (folder / "images" / f"{index}.jpg").write_bytes(drawn_jpeg(index))
    listed = {
        "images": [{"id": index, "file_name": f"{index}.jpg"} for index in range(images)],
        "annotations": [
            {"id": place, "image_id": place // CAPTIONS_PER_IMAGE, "caption": caption}
            for place, caption in enumerate(captions)
        ],
    }
    (folder / "captions.json").write_text(json.dumps(listed))
    recipe = ExtractorRecipe(ConceptBank.from_names(NAMES), GAZETTEER)
    extract(Plan(open_corpus(str(folder / "captions.json")), recipe), folder / "table")


def drawn_rows(count: int) -> pa.Table:
    """What the tokenizer needs of a concept table: captions, and the characters of the one name in each."""
    captions = drawn_captions(count)
    return pa.table({"caption": captions, "concepts": [_spans(caption) for caption in captions]})


def _spans(caption: str) -> list[dict[str, int]]:
    start, words = 0, caption.split()
    for word in words:
        if word in NAMES:
            return [{"id": NAMES.index(word), "start": start, "end": start + len(word)}]
        start += len(word) + 1
    return []
