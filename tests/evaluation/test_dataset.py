"""Readers: what they read, and the one line each damaged file gets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simzss.benchmarks import EIGHT
from simzss.errors import UserError
from simzss.evaluation.check import inspect, is_present
from simzss.evaluation.dataset import list_stems, problems_of, read_ahead, read_mask, read_sample
from simzss.evaluation.spec import load_benchmark
from simzss.io.images import read_image, to_array
from tests.evaluation.trees import write_pair, write_tree
from tests.evaluation.variants import uncounted


@pytest.mark.parametrize("key", EIGHT)
def test_native_trees_are_read_as_written(tmp_path: Path, key: str) -> None:
    benchmark = uncounted(key)
    masks = write_tree(tmp_path, benchmark)
    stems = list_stems(benchmark, tmp_path)
    assert stems == list(masks)
    for stem in stems:
        sample = read_sample([benchmark], tmp_path, stem)
        assert np.array_equal(sample.labels[0], benchmark.table.ids[masks[stem]])
        assert sample.image.shape == (*masks[stem].shape, 3)


def test_a_missing_root_split_image_mask_or_count_is_named(tmp_path: Path) -> None:
    voc = load_benchmark("voc20")
    with pytest.raises(UserError, match="no such folder"):
        list_stems(voc, tmp_path / "nowhere")
    with pytest.raises(
        UserError, match=r"no split file .*val\.txt; get it with: python -m data_prep\.benchmarks voc2012"
    ):
        list_stems(voc, tmp_path)
    masks = write_tree(tmp_path, voc)
    with pytest.raises(UserError, match=f"{len(masks)} images instead of 1449"):
        list_stems(voc, tmp_path)
    mask = tmp_path / voc.masks.format(stem="picture_1")
    mask.unlink()
    with pytest.raises(UserError, match=r"picture_1\.png is missing"):
        list_stems(voc, tmp_path)


def test_a_stray_image_is_noticed_by_its_missing_mask(tmp_path: Path) -> None:
    ade = load_benchmark("ade20k")
    write_tree(tmp_path, ade)
    image = next((tmp_path / ade.images).parent.glob("*.jpg"))
    image.with_name("stray.jpg").write_bytes(image.read_bytes())
    with pytest.raises(UserError, match=r"stray\.png is missing"):
        list_stems(ade, tmp_path)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ade20k: no image fits"):
        list_stems(load_benchmark("ade20k"), tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    voc = load_benchmark("voc21")
    write_tree(tmp_path, voc)
    path = tmp_path / voc.masks.format(stem="picture_0")
    Image.fromarray(np.zeros((23, 17), dtype=np.uint8)).save(path)
    with pytest.raises(UserError, match=r"picture_0\.png: mask of 17 x 23 for an image of 23 x 17"):
        read_sample([voc], tmp_path, "picture_0")


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "RGB"), ("RGBA", "RGBA"), ("LA", "LA"), ("I;16", "16-bit"), ("1", "1-bit")]
)
def test_a_mask_of_another_kind_is_refused(tmp_path: Path, mode: str, kind: str) -> None:
    Image.new(mode, (4, 3)).save(tmp_path / "mask.png")
    with pytest.raises(UserError, match=rf"mask\.png: a {kind} image where a single-channel 8-bit mask belongs"):
        read_mask(tmp_path / "mask.png", 8)


def test_sixteen_bit_masks_where_they_belong(tmp_path: Path) -> None:
    raw = np.array([[0, 300], [846, 65535]], dtype=np.uint16)
    Image.fromarray(raw).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", 16), raw)


@pytest.mark.parametrize("value", [65536 + 3, -1])
def test_values_beyond_the_bits_of_a_mask_become_no_other_ids(tmp_path: Path, value: int) -> None:
    Image.fromarray(np.array([[0, value]], dtype=np.int32)).save(tmp_path / "mask.tif")
    with pytest.raises(UserError, match=rf"mask\.tif: values from .*{value}.*, beyond 16 bits"):
        read_mask(tmp_path / "mask.tif", 16)


def test_a_palette_keeps_its_indices(tmp_path: Path) -> None:
    raw = np.array([[0, 3], [255, 20]], dtype=np.uint8)
    mask = Image.fromarray(raw)
    mask.putpalette(bytes(range(256)) * 3)
    mask.save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as stored:
        assert stored.mode == "P"
    assert np.array_equal(read_mask(tmp_path / "mask.png", 8), raw)


@pytest.mark.parametrize("content", [b"", b"not an image", b"cut"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jpg"
    if content == b"cut":
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
        content = path.read_bytes()[:900]
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read the image .*x\.jpg"):
        read_image(path)


def test_an_image_that_asks_to_be_turned_is_refused_with_a_mask_and_turned_without(tmp_path: Path) -> None:
    ade, exif = uncounted("ade20k"), Image.Exif()
    write_pair(tmp_path, ade, "x", np.zeros((3, 4), dtype=np.uint8))
    path = tmp_path / ade.images.format(stem="x")
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[:, :16] = 255
    exif[0x0112] = 6  # to be turned a quarter to the right: what is left comes to the top
    Image.fromarray(pixels).save(path, exif=exif, quality=100)
    with pytest.raises(UserError, match=r"x\.jpg: EXIF orientation 6; .* remove the tag"):
        read_sample([ade], tmp_path, "x")
    turned = to_array(read_image(path))
    assert turned.shape == (32, 16, 3)
    assert (turned[:8] > 200).all()
    assert (turned[24:] < 50).all()
    exif[0x0112] = 1
    Image.fromarray(pixels[:3, :4]).save(path, exif=exif)
    assert to_array(read_image(path)).shape == read_sample([ade], tmp_path, "x").image.shape == (3, 4, 3)


@pytest.mark.parametrize("images", ["{stem}/{stem}.png", "here/im_{stem}.png", "here/{stem}/im_{stem}_x.png"])
def test_the_stem_may_stand_anywhere_in_a_pattern(tmp_path: Path, images: str) -> None:
    benchmark = replace(uncounted("ade20k"), images=images, masks="masks/{stem}.png")
    for stem in ("b", "a", "c"):
        write_pair(tmp_path, benchmark, stem, np.zeros((3, 4), dtype=np.uint8))
    stray = (tmp_path / images.format(stem="a")).with_name("other.png")
    stray.write_bytes(b"")
    assert list_stems(benchmark, tmp_path) == ["a", "b", "c"]
    assert is_present(benchmark, tmp_path)


def test_all_problems_are_told_with_their_numbers(tmp_path: Path) -> None:
    voc = load_benchmark("voc20")
    stems = list(write_tree(tmp_path, voc))
    for pattern, count in ((voc.images, 1), (voc.masks, 3)):
        for stem in stems[:count]:
            (tmp_path / pattern.format(stem=stem)).unlink()
    image, masks, number = problems_of(voc, tmp_path, stems)
    assert "picture_0.jpg is missing" in image
    assert "picture_0.png and 2 more masks are missing" in masks
    assert "5 images instead of 1449" in number
    assert inspect(voc, tmp_path).images == 4


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_photographs_become_rgb(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 3)).save(tmp_path / "x.jpg")
    assert to_array(read_image(tmp_path / "x.jpg")).shape == (3, 4, 3)


def test_reading_ahead_keeps_the_order_and_stops_at_an_error() -> None:
    assert list(read_ahead(lambda x: x * x, range(50), threads=3)) == [x * x for x in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(read_ahead(lambda x: 1 // x, [1, 0, 1], threads=2))


def test_reading_ahead_is_bounded() -> None:
    taken = []
    results = read_ahead(lambda x: x, (taken.append(i) or i for i in range(1000)), threads=2)  # type: ignore[func-returns-value]
    next(results)
    assert len(taken) <= 9
    results.close()  # type: ignore[attr-defined]


@pytest.mark.data
def test_real_voc_masks(shared: Path) -> None:
    root, voc20, voc21 = shared / "data/voc2012_sample", uncounted("voc20"), uncounted("voc21")
    stems = list_stems(voc20, root)
    assert len(stems) == 40
    seen: set[int] = set()
    for stem in stems:
        sample = read_sample([voc20, voc21], root, stem)
        without, with_ = sample.labels
        assert np.array_equal(np.where(with_ > 0, with_ - 1, -1), without)
        seen |= set(np.unique(with_).tolist())
    assert {-1, 0, 8, 12} <= seen <= set(range(-1, 21))  # ignored borders, background, cats, dogs


@pytest.mark.data
def test_real_ade_masks(shared: Path) -> None:
    root, ade = shared / "data/ade20k_sample/..", uncounted("ade20k", strip="ade/", under="ade20k_sample/")
    stems = list_stems(ade, root)
    assert len(stems) == 3
    names = {ade.names[i] for s in stems for i in np.unique(read_sample([ade], root, s).labels[0]) if i >= 0}
    assert {"sky", "building", "wall"} <= names


def test_images_may_lie_anywhere(tmp_path: Path) -> None:
    """A pattern of an absolute path, as `simzss data render` writes it, does not need a split file."""
    ade = uncounted("ade20k")
    masks = write_tree(tmp_path / "data", ade)
    elsewhere = replace(ade, images=str(tmp_path / "data" / ade.images), masks=str(tmp_path / "data" / ade.masks))
    (tmp_path / "empty").mkdir()
    assert list_stems(elsewhere, tmp_path / "empty") == sorted(masks)


def test_a_stem_of_a_split_may_hold_blanks(tmp_path: Path) -> None:
    voc = uncounted("voc20")
    write_pair(tmp_path, voc, "my photo", np.ones((4, 4), dtype=np.uint8))
    split = tmp_path / str(voc.split)
    split.parent.mkdir(parents=True)
    split.write_text("my photo \n\n")
    assert list_stems(voc, tmp_path) == ["my photo"]


def test_a_stem_that_stands_twice_in_a_split_is_told(tmp_path: Path) -> None:
    """Its pixels would count twice."""
    voc = uncounted("voc20")
    masks = write_tree(tmp_path, voc)
    (tmp_path / str(voc.split)).write_text("\n".join([*masks, next(iter(masks))]))
    with pytest.raises(UserError, match=r"val\.txt: 'picture_0' is listed twice, and would count twice"):
        list_stems(voc, tmp_path)
