"""The whole way on small trees in native layout: an oracle must score 100, a constant its closed form."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from simzss.benchmarks import EIGHT
from simzss.errors import UserError
from simzss.evaluation import resumable
from simzss.evaluation.counts import ImageCounts, read_shard, total, write_shard
from simzss.evaluation.metrics import scores_of
from simzss.evaluation.resumable import evaluate_benchmarks
from simzss.evaluation.runner import ModelScorer, evaluate_benchmark
from simzss.evaluation.spec import Benchmark
from simzss.evaluation.task import choose
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.protocol import ClassToken, SegmentationProtocol, TemplateSet
from simzss.segmentation.segmenter import Segmenter
from tests.evaluation.trees import oracle_for, write_pair, write_tree
from tests.evaluation.variants import uncounted
from tests.segmentation.fakes import ColourModel

EXACT = SegmentationProtocol(
    short_side=None, crop=16, stride=8, templates=TemplateSet.PLAIN, class_token=ClassToken.MENTION, threshold=0.6
)
"""Nothing is resized, so that an oracle can be right everywhere; with windows in both directions all the same."""

RESIZED = replace(EXACT, short_side=28, long_cap=128, crop=28, stride=14)


def exact(benchmark: Benchmark) -> Segmenter:
    return Segmenter(oracle_for(benchmark), EXACT, windows_at_once=3)


@pytest.mark.parametrize("key", EIGHT)
def test_an_oracle_scores_100(tmp_path: Path, key: str) -> None:
    benchmark = uncounted(key)
    masks = write_tree(tmp_path, benchmark)
    result = evaluate_benchmark(exact(benchmark), benchmark, tmp_path)
    assert result.scores.miou == 1.0
    assert result.scores.pixel_accuracy == 1.0
    ids = np.concatenate([benchmark.table.ids[mask].ravel() for mask in masks.values()])
    assert result.scores.class_pixels.tolist() == [int((ids == c).sum()) for c in range(len(benchmark.names))]
    assert (result.images, result.limited) == (len(masks), False)


class ConstantModel(ColourModel):
    """Sees the same everywhere."""

    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], stride: int | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        features = super().embed_patches(images)
        return torch.zeros_like(features).index_fill_(-1, torch.tensor([1]), 1.0)


@pytest.mark.parametrize("key", EIGHT)
def test_a_constant_scores_its_closed_form_through_resizing_and_padding(tmp_path: Path, key: str) -> None:
    """One class everywhere: its IoU is its share of the labelled pixels, that of every other present class is 0."""
    benchmark = uncounted(key)
    masks = write_tree(tmp_path, benchmark)
    names = benchmark.names[1:] if benchmark.background else benchmark.names
    colours = {name: (index % 256, index // 256, 0) for index, name in enumerate(names)}
    segmenter = Segmenter(ConstantModel(colours, patch_size=4), RESIZED, windows_at_once=3)
    scores = evaluate_benchmark(segmenter, benchmark, tmp_path).scores
    ids = np.concatenate([benchmark.table.ids[mask].ravel() for mask in masks.values()])
    ids = ids[ids >= 0]
    predicted = benchmark.names.index(names[1])
    present = set(ids.tolist()) | {predicted}
    share = (ids == predicted).mean()
    assert scores.pixel_accuracy == pytest.approx(share, abs=1e-12)
    assert scores.miou == pytest.approx(share / len(present), abs=1e-12)


def test_one_pass_serves_both_of_a_pair(tmp_path: Path) -> None:
    pair = [uncounted("voc20"), uncounted("voc21")]
    write_tree(tmp_path / "data", pair[1])
    segmenter = exact(pair[1])
    alone = [evaluate_benchmark(segmenter, benchmark, tmp_path / "data") for benchmark in pair]
    assert isinstance(segmenter.model, ColourModel)
    passes = len(segmenter.model.calls) // 2
    segmenter.model.calls.clear()
    together = evaluate_benchmarks(ModelScorer(segmenter), pair, tmp_path / "data", tmp_path / "out")
    assert len(segmenter.model.calls) == passes
    assert [result.benchmark.key for result in together] == ["voc20", "voc21"]
    assert all(np.array_equal(a.matrix, b.matrix) for a, b in zip(alone, together, strict=True))


def test_an_interrupted_run_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "IMAGES_PER_SHARD", 2)
    benchmark = uncounted("ade20k")
    masks = write_tree(tmp_path / "data", benchmark)
    segmenter, out = exact(benchmark), tmp_path / "out"

    def breaking(
        images: Iterable[tuple[ImageCounts, ...]], title: str, count: int
    ) -> Iterable[tuple[ImageCounts, ...]]:
        for index, image in enumerate(images):
            if index == 3:
                raise KeyboardInterrupt
            yield image

    with pytest.raises(KeyboardInterrupt):
        evaluate_benchmarks(ModelScorer(segmenter), [benchmark], tmp_path / "data", out, watch=breaking)
    assert [path.name for path in sorted(out.rglob("*.*"))] == ["000000.parquet"]
    watched: list[tuple[str, int]] = []

    def watching(
        images: Iterable[tuple[ImageCounts, ...]], title: str, count: int
    ) -> Iterable[tuple[ImageCounts, ...]]:
        watched.append((title, count))
        return images

    (result,) = evaluate_benchmarks(ModelScorer(segmenter), [benchmark], tmp_path / "data", out, watch=watching)
    assert watched == [("ade20k", len(masks) - 2)]
    assert np.array_equal(result.matrix, evaluate_benchmark(segmenter, benchmark, tmp_path / "data").matrix)


def test_shards_of_other_images_are_counted_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that came in between moves all later ones to other shards."""
    monkeypatch.setattr(resumable, "IMAGES_PER_SHARD", 2)
    benchmark = uncounted("ade20k")
    write_tree(tmp_path / "data", benchmark)
    segmenter, out = exact(benchmark), tmp_path / "out"
    evaluate_benchmarks(ModelScorer(segmenter), [benchmark], tmp_path / "data", out)
    write_pair(tmp_path / "data", benchmark, "picture_00", np.full((9, 9), 7, dtype=np.uint8))
    (again,) = evaluate_benchmarks(ModelScorer(segmenter), [benchmark], tmp_path / "data", out)
    assert np.array_equal(again.matrix, evaluate_benchmark(segmenter, benchmark, tmp_path / "data").matrix)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_images_that_changed_are_counted_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Same names, same sizes, other pixels: only their shard is done again."""
    monkeypatch.setattr(resumable, "IMAGES_PER_SHARD", 2)
    benchmark = uncounted("ade20k")
    write_tree(tmp_path / "data", benchmark)
    segmenter, out = exact(benchmark), tmp_path / "out"
    (before,) = evaluate_benchmarks(ModelScorer(segmenter), [benchmark], tmp_path / "data", out)
    files = [tmp_path / "data" / getattr(benchmark, kind).format(stem=f"picture_{index}") for index in (2, 3)]
    with Image.open(files[1]) as picture:
        pixels = np.array(picture)
    Image.fromarray(pixels[::-1]).save(files[1], quality=100, subsampling=0)
    watched: list[int] = []

    def watching(
        images: Iterable[tuple[ImageCounts, ...]], title: str, count: int
    ) -> Iterable[tuple[ImageCounts, ...]]:
        watched.append(count)
        return images

    (after,) = evaluate_benchmarks(ModelScorer(segmenter), [benchmark], tmp_path / "data", out, watch=watching)
    evaluate_benchmarks(ModelScorer(segmenter), [benchmark], tmp_path / "data", out, watch=watching)
    assert watched == [2, 0]
    assert not np.array_equal(before.matrix, after.matrix)
    assert np.array_equal(after.matrix, evaluate_benchmark(segmenter, benchmark, tmp_path / "data").matrix)


def test_two_benchmarks_of_one_key_are_refused(tmp_path: Path) -> None:
    benchmark = uncounted("ade20k")
    with pytest.raises(UserError, match="two benchmarks are called 'ade20k'"):
        evaluate_benchmarks(
            ModelScorer(exact(benchmark)), [benchmark, replace(benchmark, count=1)], tmp_path, tmp_path / "out"
        )


def test_class_vectors_from_elsewhere(tmp_path: Path) -> None:
    benchmark = uncounted("cityscapes")
    write_tree(tmp_path, benchmark)
    segmenter = exact(benchmark)
    right = segmenter.class_embeddings(benchmark.names).queries
    swapped = ClassEmbeddings.of_vectors(right.roll(1, dims=0))
    assert evaluate_benchmark(segmenter, benchmark, tmp_path, classes=swapped).scores.pixel_accuracy == 0.0
    same = ClassEmbeddings.of_vectors(3 * right)
    assert evaluate_benchmark(segmenter, benchmark, tmp_path, classes=same).scores.miou == 1.0


def test_a_limit_spreads_over_the_images_and_is_told(tmp_path: Path) -> None:
    assert choose(list("abcdefghij"), 3) == ["a", "d", "g"]
    assert choose(list("abc"), 9) == choose(list("abc"), None) == ["a", "b", "c"]
    benchmark = uncounted("ade20k")
    write_tree(tmp_path, benchmark)
    result = evaluate_benchmark(exact(benchmark), benchmark, tmp_path, limit=2)
    assert (result.images, result.limited) == (2, True)


def test_counts_survive_their_file_and_add_up(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    matrices = [rng.integers(0, 3, (5, 5)) for _ in range(4)] + [np.zeros((5, 5), dtype=np.int64)]
    counts = [ImageCounts.of_matrix(f"image {index}", matrix) for index, matrix in enumerate(matrices)]
    write_shard(tmp_path / "a" / "x.parquet", counts)
    back = read_shard(tmp_path / "a" / "x.parquet")
    assert [image.stem for image in back] == [image.stem for image in counts]
    assert np.array_equal(total(back, 5), np.sum(matrices, axis=0))
    assert np.isnan(scores_of(total(back[-1:], 5)).miou)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"x\.parquet: not a shard of counts .* delete it"):
        read_shard(tmp_path / "x.parquet")
