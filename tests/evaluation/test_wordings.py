"""Several wordings in one pass give what each gives alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from simzss.errors import UserError
from simzss.evaluation.resumable import evaluate_benchmarks
from simzss.evaluation.runner import ModelScorer, evaluate_benchmark
from simzss.evaluation.task import score
from simzss.evaluation.vocabularies import words_of
from simzss.evaluation.wordings import embed_wordings, name_of, wordings_of
from simzss.segmentation.background import class_embeddings_of
from simzss.segmentation.protocol import BackgroundRule, ClassToken, SegmentationProtocol, TemplateSet
from simzss.segmentation.segmenter import Segmenter
from tests.evaluation.trees import oracle_for, write_tree
from tests.evaluation.variants import uncounted
from tests.segmentation.fakes import NoiseModel

BASE = SegmentationProtocol(short_side=28, long_cap=128, crop=28, stride=14, templates=TemplateSet.PLAIN, threshold=0.1)
ASKED = (["standard", "synonyms", "distractors", "nonsense"], [TemplateSet.PLAIN, TemplateSet.CLIP7])


@pytest.mark.parametrize("key", ["voc21", "cityscapes"])
def test_one_pass_counts_what_each_wording_counts_alone(tmp_path: Path, key: str) -> None:
    benchmark = uncounted(key)
    write_tree(tmp_path / "data", benchmark)
    wordings = wordings_of(BASE, *ASKED, class_tokens=[ClassToken.EOS, ClassToken.MENTION])
    together = evaluate_benchmarks(
        ModelScorer(Segmenter(NoiseModel(), BASE), wordings), [benchmark], tmp_path / "data", tmp_path
    )
    assert [result.wording for result in together] == [name_of(wording) for wording in wordings]
    assert len({result.matrix.tobytes() for result in together}) > 8  # the words do matter
    for wording, result in zip(wordings, together, strict=True):
        (alone,) = score(ModelScorer(Segmenter(NoiseModel(), wording)), benchmark, tmp_path / "data")
        assert np.array_equal(alone.matrix, result.matrix)


def test_one_pass_of_the_backbone(tmp_path: Path) -> None:
    benchmark = uncounted("ade20k")
    write_tree(tmp_path, benchmark)
    model = oracle_for(benchmark)
    protocol = replace(BASE, class_token=ClassToken.MENTION)
    evaluate_benchmark(Segmenter(model, protocol), benchmark, tmp_path)
    passes = len(model.calls)
    model.calls.clear()
    wordings = wordings_of(protocol, templates=list(TemplateSet))
    score(ModelScorer(Segmenter(model, protocol), wordings), benchmark, tmp_path)
    assert len(model.calls) == passes


def test_class_vectors_are_those_of_the_segmentation_room() -> None:
    benchmarks = [uncounted("voc20"), uncounted("voc21")]
    wordings = wordings_of(BASE, ["standard", "proxyclip"], backgrounds=list(BackgroundRule))
    pairs = [(benchmark, wording) for benchmark in benchmarks for wording in wordings]
    for (benchmark, wording), found in zip(pairs, embed_wordings(NoiseModel(), pairs), strict=True):
        words = words_of(benchmark, wording.names).classes
        expected = class_embeddings_of(NoiseModel(), words, wording, has_background=benchmark.background)
        torch.testing.assert_close(found.queries, expected.queries)
        assert torch.equal(found.class_ids, expected.class_ids)
        assert found.threshold == expected.threshold


def test_what_falls_to_a_distractor_is_lost_and_counts_against_no_other_class(tmp_path: Path) -> None:
    """An oracle that also knows a distractor by the colour of the third class, and prefers it."""
    benchmark = uncounted("cityscapes")
    write_tree(tmp_path, benchmark)
    model = oracle_for(benchmark)
    third = model.names.index(benchmark.names[2])
    words = words_of(benchmark, "distractors").distractors
    model.names[third] = words[0]  # this colour is called so
    model.names += [benchmark.names[2], *words[1:]]  # these are the names of colours that no picture shows
    model.palette = torch.cat([model.palette, torch.full((20, 3), 9.0)])
    protocol = replace(BASE, short_side=None, crop=16, stride=8, class_token=ClassToken.MENTION, names="distractors")
    (result,) = score(ModelScorer(Segmenter(model, protocol)), benchmark, tmp_path)
    scores = result.scores
    assert result.matrix.shape == (19, 20)
    assert scores.class_iou[2] == 0.0
    assert np.nanmin(np.delete(scores.class_iou, 2)) == 1.0
    assert scores.pixel_accuracy == 1 - scores.class_pixels[2] / scores.class_pixels.sum()


def test_two_wordings_of_one_name_are_refused() -> None:
    with pytest.raises(UserError, match="two of the wordings are called 'standard plain eos"):
        wordings_of(BASE, ["standard", "standard"])
