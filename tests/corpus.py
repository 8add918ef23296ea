"""A corpus of a few coloured squares with captions, made into a concept table by the package's own extractor."""

import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.workers import ExtractorRecipe

NAMES = ("cat", "dog", "traffic light", "grass", "sky")
CAPTIONS = (
    ("A cat sits on the grass.", "Two dogs near a traffic light"),
    ("the sky is blue", "Nothing to see here."),
    ("a dog, another dog and a cat", "grass under a wide sky"),
)


@dataclass(frozen=True)
class Corpus:
    """Where the files of the corpus lie."""

    table: Path
    images: Path
    captions: Path


def write_corpus(folder: Path, copies: int = 2, size: tuple[int, int] = (40, 30)) -> Corpus:
    """Write `copies` times three images with two captions each, and their concept table."""
    images, rows, entries = folder / "images", [], []
    images.mkdir(parents=True)
    for index in range(copies * len(CAPTIONS)):
        image = Image.new("RGB", size, (40 * index % 256, 90, 200 - 20 * index % 200))
        image.paste((255, 20 * index % 256, 0), (5, 5, 15 + index, 20))
        name = f"{index:03}.png"
        image.save(images / name)
        rows.append({"id": index, "file_name": name})
        entries += [
            {"id": 2 * index + place, "image_id": index, "caption": caption}
            for place, caption in enumerate(CAPTIONS[index % len(CAPTIONS)])
        ]
    captions = folder / "captions.json"
    captions.write_text(json.dumps({"images": rows, "annotations": entries}))
    recipe = ExtractorRecipe(ConceptBank.from_names(NAMES), "gazetteer", Match.EXACT, batch_size=32)
    extract(Plan(open_corpus(str(captions)), recipe), folder / "concepts")
    return Corpus(folder / "concepts", images, captions)
