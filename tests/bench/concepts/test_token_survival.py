"""Mentions through CLIP's tokenizer: their tokens read as the mentions do."""

from pathlib import Path

import pytest

from simzss.bench.concepts.token_survival import Survival, check_survival
from simzss.concepts.bank import ConceptBank
from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.mentions import CaptionConcepts, Mention
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.routes.pipelines import load_pipeline

bank = ConceptBank.benchmarks()


def aligned(captions: list[str], pipeline: str = "gazetteer") -> Survival:
    return check_survival(ConceptExtractor(bank, load_pipeline(pipeline)).pipe(captions))


def test_odd_captions_keep_their_mentions() -> None:
    captions = ["🐶 A DOG, two cats🐈 and a t-shirt", "Stop  Sign\n&amp; dogs", "İİ dog's bench", "كلب dog"]
    result = aligned(captions)
    assert result == Survival(mentions=7, wrong_surface=0, misaligned=0, cut_off=0)


def test_what_the_context_cuts_off_is_counted() -> None:
    assert aligned(["dog " + "very " * 80 + "dog"]) == Survival(2, 0, 0, cut_off=1)


def test_a_wrong_span_is_noticed() -> None:
    shifted = CaptionConcepts("a big dog", (Mention(0, "dog", "dog", 2, 5, 2, 5),))
    assert check_survival([shifted]) == Survival(1, wrong_surface=1, misaligned=1, cut_off=0)


@pytest.mark.data
def test_every_mention_in_the_coco_captions(coco_captions: list[str]) -> None:
    result = aligned(coco_captions[::5])
    assert result.mentions > 7_000
    assert (result.wrong_surface, result.misaligned, result.cut_off) == (0, 0, 0)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("pipeline", ["gazetteer", "models/en_ud_ewt_cnn"])
def test_every_mention_in_both_corpora_on_both_routes(shared: Path, coco_captions: list[str], pipeline: str) -> None:
    web = open_corpus(str(shared / "data" / "gcc_val" / "Validation_GCC-1.1.0-Validation.tsv"), caption_column="1")
    captions = [*coco_captions, *(row.caption for row in web.rows() if hasattr(row, "caption"))]
    assert len(captions) == 25_014 + 15_833
    result = aligned(captions, pipeline if pipeline == "gazetteer" else str(shared / pipeline))
    assert result.mentions > 35_000
    assert (result.wrong_surface, result.misaligned) == (0, 0)
