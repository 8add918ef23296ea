"""Odd photographs, decoded when drawn and cached: grey, CMYK, a single row, rotated by EXIF, palette, truncated."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from simzss.data.caption_dataset import CaptionDataset
from simzss.data.feature_cache import Placement, open_cache
from simzss.data.live import Decoder
from simzss.data.sampler import BatchIndices
from simzss.data.transforms import SeededCrop
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from tests.corpus import Corpus

GREY, CMYK, ROW, ROTATED, PALETTE, TRUNCATED = range(6)
"""Which of the corpus's images is which; names end in .png, the bytes say what they are."""
ORIENTATION = 0x0112
SIDEWAYS = 6


def noise(mode: str = "RGB", width: int = 40, height: int = 60) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.fixture
def images(corpus: Corpus, tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    shutil.copytree(corpus.images, folder)
    path = [folder / f"{number:03}.png" for number in range(6)]
    noise("L").save(path[GREY], "JPEG")
    noise("CMYK").save(path[CMYK], "JPEG", quality=100)
    noise(height=1).save(path[ROW], "JPEG")
    exif = Image.Exif()
    exif[ORIENTATION] = SIDEWAYS
    noise().save(path[ROTATED], "JPEG", exif=exif)
    noise("P").save(path[PALETTE], "PNG", transparency=3)
    noise(width=400, height=300).save(path[TRUNCATED], "JPEG")
    os.truncate(path[TRUNCATED], path[TRUNCATED].stat().st_size // 2)
    return folder


def dataset(corpus: Corpus, images: Path) -> CaptionDataset:
    return CaptionDataset(corpus.table, images, SeededCrop(32, (0.5, 1.0)), views=1, max_broken=1)


def test_when_drawn(corpus: Corpus, images: Path, tmp_path: Path) -> None:
    data = dataset(corpus, images)
    draws = BatchIndices(2 * np.arange(6), np.arange(6))
    with pytest.warns(UserWarning, match=r"005\.png.*truncated.*1 of 6 images"):
        found = Decoder(data, seed=0)[draws]
    assert found.draws.pairs[:TRUNCATED].tolist() == [0, 2, 4, 6, 8]
    assert found.draws.pairs[TRUNCATED] < 10
    assert all(pixels.shape == (3, 32, 32) for pixels in found.pixels)
    grey, row, rotated = found.pixels[GREY], found.pixels[ROW], found.pixels[ROTATED]
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])
    assert (row == row[:, :1]).all()  # one row, stretched
    noise().save(tmp_path / "stored.jpg", "JPEG")
    with Image.open(tmp_path / "stored.jpg") as stored:  # the same bytes without the tag
        turned = stored.convert("RGB").transpose(Image.Transpose.ROTATE_270)
        assert torch.equal(rotated, data.crop(turned, seed=ROTATED))
    plain = np.asarray(data.crop(noise(), seed=CMYK), dtype=np.int64)
    assert np.abs(found.pixels[CMYK].numpy() - plain).mean() < 2  # colours, not their negative
    palette = np.asarray(data.crop(noise("P").convert("RGB"), seed=PALETTE))
    np.testing.assert_array_equal(found.pixels[PALETTE].numpy(), palette)


def test_cached(corpus: Corpus, images: Path, tmp_path: Path) -> None:
    data, readable = dataset(corpus, images), list(range(TRUNCATED))
    torch.manual_seed(0)
    config = BackboneConfig("vit_tiny_patch16_224", "random", {"embed_dim": 16, "depth": 1, "num_heads": 2})
    backbone = ImageBackbone(config)
    with pytest.warns(UserWarning, match=r"1 of 6 images cannot be read, the first is 005\.png"):
        cache = open_cache(tmp_path / "cache", backbone, data, placement=Placement.host, dtype=torch.float32, workers=0)
    assert len(data) == 10
    live = backbone(backbone.normalise(torch.stack([data.pixels(crop) for crop in readable])))
    cached = cache(torch.tensor(readable))
    torch.testing.assert_close(cached.cls, live.cls, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(cached.patches, live.patches, atol=1e-6, rtol=1e-5)
    assert cached.patches.isfinite().all()
