"""Reading and cropping images."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import pil_to_tensor

from simzss.data.transforms import SeededCrop
from simzss.errors import UserError
from simzss.io.images import read_image


def noise(width: int = 40, height: int = 30) -> Image.Image:
    generator = torch.Generator().manual_seed(0)
    return Image.fromarray(torch.randint(0, 256, (height, width, 3), generator=generator).byte().numpy())


def test_crop_is_a_function_of_its_seed() -> None:
    crop = SeededCrop(16, (0.5, 1.0))
    first, again, other = (crop(noise(), seed) for seed in (1, 1, 2))
    assert first.shape == (3, 16, 16)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_crop_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    SeededCrop(16, (0.5, 1.0))(noise(), 1)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("size", [(480, 640), (640, 480), (30, 40), (1, 1), (50, 1), (1000, 90)])
@pytest.mark.parametrize("scale", [(0.9, 1.0), (0.08, 1.0), (1.0, 1.0)])
def test_boxes_are_those_of_torchvision_seeded_alike(size: tuple[int, int], scale: tuple[float, float]) -> None:
    crop, image = SeededCrop(16, scale), Image.new("RGB", size[::-1])
    for seed in [*range(50), 2**33 + 5, 2**62]:
        torch.manual_seed(seed)
        assert crop.box(image, seed) == RandomResizedCrop.get_params(image, list(scale), list(crop.ratio))


@pytest.mark.parametrize(
    ("size", "scale", "seed", "box"),
    [
        ((480, 640), (0.9, 1.0), 2**33 + 5, (7, 26, 457, 607)),
        ((480, 640), (0.08, 1.0), 7, (1, 35, 457, 384)),
        ((480, 640), (0.08, 1.0), 2**62, (98, 42, 376, 439)),
        ((480, 640), (1.0, 1.0), 7, (0, 80, 480, 480)),
        ((50, 1), (0.9, 1.0), 7, (24, 0, 1, 1)),
        ((1000, 90), (0.08, 1.0), 2**62, (198, 1, 105, 86)),
    ],
)
def test_boxes_stay_those_of_features_that_are_cached(
    size: tuple[int, int], scale: tuple[float, float], seed: int, box: tuple[int, int, int, int]
) -> None:
    """As made once without torchvision, by its rule."""
    assert SeededCrop(16, scale).box(Image.new("RGB", size[::-1]), seed) == box


def test_no_common_generator_is_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An accelerator's would otherwise be seeded anew at every crop."""
    for seed in (torch.manual_seed, torch.cuda.manual_seed_all):
        monkeypatch.setattr(f"{seed.__module__}.{seed.__name__}", lambda *_: pytest.fail("seeded"))
    monkeypatch.setattr(torch, "manual_seed", lambda *_: pytest.fail("seeded"))
    SeededCrop(16, (0.5, 1.0))(noise(), 1)


def test_whole_square_is_kept_where_nothing_is_cropped() -> None:
    image = noise(16, 16)
    assert torch.equal(SeededCrop(16, (1.0, 1.0))(image, 7), pil_to_tensor(image))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_mode_is_read_as_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    noise().convert(mode).save(path)
    assert read_image(path).mode == "RGB"


def test_draft_decodes_a_jpeg_smaller_but_never_below_the_need(tmp_path: Path) -> None:
    noise(640, 480).save(tmp_path / "image.jpg")
    assert read_image(tmp_path / "image.jpg", smallest_side=224).size == (320, 240)


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    with pytest.raises(UserError, match=r"broken\.jpg"):
        read_image(tmp_path / "broken.jpg")
    with pytest.raises(UserError, match=r"missing\.jpg"):
        read_image(tmp_path / "missing.jpg")
