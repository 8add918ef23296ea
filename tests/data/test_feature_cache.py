"""Cached features are the backbone's, survive a kill, and are never used when they do not fit."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from simzss.data import feature_file, feature_filling
from simzss.data.cache_key import cache_key
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.datamodule import CaptionData
from simzss.data.feature_cache import FeatureCache, Placement, open_cache
from simzss.data.sampler import BatchIndices
from simzss.data.transforms import SeededCrop
from simzss.errors import UserError
from simzss.io.places import locked
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from tests.corpus import Corpus

TINY = {"embed_dim": 16, "depth": 1, "num_heads": 2}


class Killed(BaseException):
    """Stands for the end of the process: no handler of the package may catch it."""


def die() -> bytes:
    raise Killed


@pytest.fixture
def backbone() -> ImageBackbone:
    torch.manual_seed(0)
    return ImageBackbone(BackboneConfig("vit_tiny_patch16_224", "random", TINY))


def dataset(corpus: Corpus, views: int | None = 2, size: int = 32) -> CaptionDataset:
    return CaptionDataset(corpus.table, corpus.images, SeededCrop(size, (0.5, 1.0)), views)


def opened(
    folder: Path, backbone: ImageBackbone, data: CaptionDataset, placement: Placement = Placement.host
) -> FeatureCache:
    return open_cache(folder, backbone, data, placement=placement, dtype=torch.float32, workers=0)


@pytest.mark.parametrize("placement", [Placement.disk, Placement.host, Placement.automatic])
def test_cached_features_equal_live_ones(
    corpus: Corpus, backbone: ImageBackbone, tmp_path: Path, placement: Placement
) -> None:
    data = dataset(corpus)
    cache = opened(tmp_path, backbone, data, placement)
    crops = torch.tensor([7, 0, 3, 7])
    live = backbone(backbone.normalise(torch.stack([data.pixels(int(crop)) for crop in crops])))
    cached = cache(crops)
    assert cached.grid == live.grid == (2, 2)
    torch.testing.assert_close(cached.cls, live.cls, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(cached.patches, live.patches, atol=1e-6, rtol=1e-5)


def test_a_complete_cache_is_not_made_again(
    corpus: Corpus, backbone: ImageBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path, backbone, dataset(corpus))
    monkeypatch.setattr(feature_filling, "_encode", lambda *_: pytest.fail("made again"))
    opened(tmp_path, backbone, dataset(corpus))


def test_a_killed_run_goes_on_where_it_stopped(
    corpus: Corpus, backbone: ImageBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = opened(tmp_path / "whole", backbone, dataset(corpus)).features
    monkeypatch.setattr(feature_filling, "CHUNK", 2)
    monkeypatch.setattr(feature_file, "FLUSH_SECONDS", 0)
    encode = Mock(side_effect=feature_filling._encode)
    monkeypatch.setattr(feature_filling, "_encode", lambda *crops: encode(*crops) if encode.call_count < 2 else die())
    with pytest.raises(Killed):
        opened(tmp_path / "killed", backbone, dataset(corpus))
    assert encode.call_count == 2
    monkeypatch.setattr(feature_filling, "_encode", encode)
    resumed = opened(tmp_path / "killed", backbone, dataset(corpus)).features
    assert encode.call_count == 12 // 2  # the two chunks before the kill were kept
    assert torch.equal(resumed, whole)


def test_unreadable_images_are_left_out_up_to_a_limit(corpus: Corpus, backbone: ImageBackbone, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(corpus.images, images)
    (images / "001.png").write_bytes(b"no image")
    os.truncate(images / "004.png", 60)
    Image.new("L", (50, 1)).save(images / "002.png")  # a single row of grey pixels is odd, not broken
    crop = SeededCrop(32, (0.5, 1.0))
    data = CaptionDataset(corpus.table, images, crop, views=2, max_broken=2)
    with pytest.warns(UserWarning, match=r"2 of 6 images cannot be read, the first is 001\.png"):
        opened(tmp_path / "cache", backbone, data)
    assert len(data) == 12 - 2 * 2
    pairs = np.arange(len(data))
    assert set(data.crops(BatchIndices(pairs, pairs)) // 2) == {0, 2, 3, 5}
    listed = (tmp_path / "cache" / "broken.txt").read_text()
    assert "001.png" in listed
    assert "004.png" in listed
    with pytest.raises(UserError, match=r"2 of 6 images cannot be read.*data\.max_broken"):
        opened(tmp_path / "cache", backbone, CaptionDataset(corpus.table, images, crop, views=2, max_broken=1))


def test_what_does_not_fit_is_made_anew(corpus: Corpus, backbone: ImageBackbone, tmp_path: Path) -> None:
    opened(tmp_path, backbone, dataset(corpus))
    key = (tmp_path / "key.json").read_text()
    other = opened(tmp_path, backbone, dataset(corpus, size=48))  # another size of crop
    assert other.grid == (3, 3)
    backbone.model.norm.weight.data += 1  # other weights
    changed = opened(tmp_path, backbone, dataset(corpus, size=48))
    assert not torch.allclose(changed.features, other.features)
    assert json.loads(key)["weights"] != json.loads((tmp_path / "key.json").read_text())["weights"]


def test_a_truncated_cache_is_made_anew(corpus: Corpus, backbone: ImageBackbone, tmp_path: Path) -> None:
    whole = opened(tmp_path, backbone, dataset(corpus)).features
    os.truncate(tmp_path / "features.bin", 100)
    assert torch.equal(opened(tmp_path, backbone, dataset(corpus)).features, whole)


def test_without_fixed_views_there_is_nothing_to_cache(corpus: Corpus, backbone: ImageBackbone, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="views"):
        opened(tmp_path, backbone, dataset(corpus, views=None))


def test_a_place_that_cannot_be_written_is_named(corpus: Corpus, backbone: ImageBackbone, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="holds other things"):
        opened(tmp_path / "file", backbone, dataset(corpus))


def test_a_folder_with_other_things_is_left_alone(corpus: Corpus, backbone: ImageBackbone, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds other things"):
        opened(tmp_path, backbone, dataset(corpus))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_options_of_the_backbone_are_part_of_the_key(corpus: Corpus, backbone: ImageBackbone, tmp_path: Path) -> None:
    first = opened(tmp_path, backbone, dataset(corpus)).features
    other = ImageBackbone(BackboneConfig("vit_tiny_patch16_224", "random", TINY | {"num_heads": 4}))
    other.load_state_dict(backbone.state_dict())  # the same weights in another architecture
    assert not torch.equal(opened(tmp_path, other, dataset(corpus)).features, first)


def test_too_few_pairs_after_leaving_images_out(corpus: Corpus, backbone: ImageBackbone, tmp_path: Path) -> None:
    shutil.copytree(corpus.images, tmp_path / "images")
    (tmp_path / "images" / "000.png").unlink()
    data = CaptionData(
        corpus.table,
        tmp_path / "images",
        image_size=32,
        batch_size=2,
        pairs_per_epoch=12,
        views=1,
        cache=Placement.host,
        workers=0,
    )
    data.setup("fit")
    with (
        pytest.warns(UserWarning, match="1 of 6 images"),
        pytest.raises(UserError, match="12 is more than the 10 pairs"),
    ):
        data.open_cache(backbone)


def damage(path: Path, place: int) -> None:
    """Flip one bit."""
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 4]))


def test_one_run_at_a_time_fills_the_cache(
    corpus: Corpus, backbone: ImageBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others come while it is filled: with another size of crop, and with the same."""
    whole = opened(tmp_path / "whole", backbone, dataset(corpus)).features
    refused: list[str] = []

    def disturbed(*arguments: Any) -> torch.Tensor:
        for size in (48, 32):
            with pytest.raises(UserError, match=r"another process is at work in .*cache_dir") as error:
                opened(tmp_path / "both", backbone, dataset(corpus, size=size))
            refused.append(str(error.value))
        return encode(*arguments)

    encode = feature_filling._encode
    with monkeypatch.context() as patch:
        patch.setattr(feature_filling, "_encode", disturbed)
        assert torch.equal(opened(tmp_path / "both", backbone, dataset(corpus)).features, whole)
    assert len(refused) == 2
    assert "\n" not in "".join(refused)
    with locked(tmp_path / "both"):  # a complete one is only read
        assert torch.equal(opened(tmp_path / "both", backbone, dataset(corpus)).features, whole)
    (tmp_path / "both" / ".lock").touch()  # as a kill leaves it
    assert opened(tmp_path / "both", backbone, dataset(corpus, size=48)).grid == (3, 3)
    assert not (tmp_path / "both" / ".lock").exists()


@pytest.mark.parametrize("filled", [True, False])
@pytest.mark.parametrize(("views", "size"), [(2, 48), (1, 32)])
def test_a_cache_that_another_run_begins_anew_while_it_is_read_is_refused(
    corpus: Corpus,
    backbone: ImageBackbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    views: int,
    size: int,
    *,
    filled: bool,
) -> None:
    opened(tmp_path, backbone, dataset(corpus))
    other = dataset(corpus, views, size)
    check = feature_filling._damaged

    def replaced(*arguments: Any) -> Any:
        monkeypatch.setattr(feature_filling, "_damaged", check)
        damaged = check(*arguments)
        if filled:
            opened(tmp_path, backbone, other)
        else:
            feature_file.FeatureFile(tmp_path, cache_key(backbone, other, torch.float32)).prepare(0)
        return damaged

    monkeypatch.setattr(feature_filling, "_damaged", replaced)
    with pytest.raises(UserError, match=r"another run with other settings has begun .* anew: set data\.cache_dir"):
        opened(tmp_path, backbone, dataset(corpus))


CROP_BYTES = 5 * 16 * 4
"""Five tokens of sixteen 32-bit numbers."""


@pytest.mark.parametrize("placement", [Placement.host, Placement.disk])
@pytest.mark.parametrize(("name", "place"), [("features.bin", 7 * CROP_BYTES + 9), ("state.bin", 7 * 8 + 3)])
def test_a_flipped_bit_is_named_and_that_crop_alone_computed_anew(
    corpus: Corpus,
    backbone: ImageBackbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    placement: Placement,
    name: str,
    place: int,
) -> None:
    whole = opened(tmp_path, backbone, dataset(corpus), placement).features.clone()
    damage(tmp_path / name, place)
    encode = Mock(side_effect=feature_filling._encode)
    monkeypatch.setattr(feature_filling, "_encode", encode)
    with pytest.warns(UserWarning, match=r"features\.bin is damaged: .* 1 of 12 crops .* crop 7, of 003\.png"):
        mended = opened(tmp_path, backbone, dataset(corpus), placement).features
    assert torch.equal(mended, whole)
    ((_, crops, _),) = (call.args for call in encode.call_args_list)
    assert len(crops) == 1
    opened(tmp_path, backbone, dataset(corpus), placement)  # without a warning


def test_any_flipped_bit_of_the_marks_is_noticed_or_harmless(
    corpus: Corpus, backbone: ImageBackbone, tmp_path: Path
) -> None:
    """A done crop is computed again, an unreadable image is not trained on, one to do is not taken for done."""
    images = tmp_path / "images"
    shutil.copytree(corpus.images, images)
    (images / "001.png").write_bytes(b"no image")
    data = CaptionDataset(corpus.table, images, SeededCrop(32, (0.5, 1.0)), views=1, max_broken=1)
    with pytest.warns(UserWarning, match="cannot be read"):
        opened(tmp_path / "cache", backbone, data)
    file = feature_file.FeatureFile(tmp_path / "cache", cache_key(backbone, data, torch.float32))
    marks, crops = file.marks(), np.arange(6)
    assert len(set(marks.tolist())) == 6
    for bit in range(6 * 64):
        changed = marks.copy()
        changed[bit // 64] ^= np.uint64(1 << bit % 64)
        changed.tofile(tmp_path / "cache" / "state.bin")
        assert file.damaged(crops).tolist() == [bit // 64]
    np.zeros(6, np.uint64).tofile(tmp_path / "cache" / "state.bin")
    for bit in range(64):
        np.array([1 << bit] * 6, np.uint64).tofile(tmp_path / "cache" / "state.bin")
        assert file.damaged(crops).tolist() == crops.tolist()


def test_the_disk_has_the_features_before_they_are_marked(
    corpus: Corpus, backbone: ImageBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every flush to the disk, what it brings there is not marked as done; afterwards it is."""
    seen: list[tuple[int, int]] = []

    def watched(_: int) -> None:
        written = np.fromfile(tmp_path / "features.bin", np.uint8).reshape(12, CROP_BYTES).any(axis=1)
        seen.append((int(written.sum()), int((np.fromfile(tmp_path / "state.bin", np.uint64) != 0).sum())))

    monkeypatch.setattr(feature_filling, "CHUNK", 4)
    monkeypatch.setattr(feature_file, "FLUSH_SECONDS", 0)
    monkeypatch.setattr(os, "fsync", watched)
    opened(tmp_path, backbone, dataset(corpus))
    assert seen[:3] == [(4, 0), (8, 4), (12, 8)]


def test_a_disk_that_takes_no_more_is_told_in_one_line(tmp_path: Path) -> None:
    """The kernel refuses to write beyond 2 kB; through a mapping it would not refuse, and a full disk would kill."""
    script = f"""
import resource, signal, torch
from pathlib import Path
from simzss.errors import UserError
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.feature_cache import Placement, open_cache
from simzss.data.transforms import SeededCrop
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from tests.corpus import write_corpus
folder = Path({str(tmp_path)!r})
corpus = write_corpus(folder / "corpus")
data = CaptionDataset(corpus.table, corpus.images, SeededCrop(32, (0.5, 1.0)), 2)
backbone = ImageBackbone(BackboneConfig("vit_tiny_patch16_224", "random", {TINY}))
def opened():
    return open_cache(folder / "cache", backbone, data, placement=Placement.disk, dtype=torch.float32, workers=0)
opened()
(folder / "cache" / "state.bin").write_bytes(bytes(12 * 8))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    opened()
except UserError as error:
    print(error)
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert re.search(r"cannot write the feature cache to .*/cache: File too large; make room", process.stdout)


@pytest.mark.parametrize("placement", [Placement.host, Placement.disk])
def test_a_complete_cache_is_only_read(
    corpus: Corpus, backbone: ImageBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: Placement
) -> None:
    whole = opened(tmp_path, backbone, dataset(corpus), placement).features.clone()

    def refuse_to_write(event: str, arguments: tuple[object, ...]) -> None:
        if reading and event == "open" and str(arguments[0]).startswith(str(tmp_path)):
            assert not int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR), arguments

    reading = True
    sys.addaudithook(refuse_to_write)  # who runs the tests may be root, whom no permission stops
    try:
        assert torch.equal(opened(tmp_path, backbone, dataset(corpus), placement).features, whole)
    finally:
        reading = False
    for path in tmp_path.iterdir():
        path.chmod(0o444)
    tmp_path.chmod(0o555)
    assert torch.equal(opened(tmp_path, backbone, dataset(corpus), placement).features, whole)
    tmp_path.chmod(0o755)
