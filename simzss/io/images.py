"""Image files to RGB, one rule for the whole package: photographs are turned the way their EXIF tag asks.

Captions and people speak of the upright photograph, so training, classification and segmentation see it upright. An
image with a mask is another matter: readers differ in whether they obey the tag, and masks are never turned, so
`simzss.evaluation.dataset` refuses such an image by `orientation_of`.

Values keep their meaning. 16-bit greys are scaled to 8 bits, where PIL would clip them to white. Files of 32-bit
numbers have no stated range and are refused, as are images of more than `MAX_PIXELS`, which would exhaust the memory.
"""

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from simzss.errors import UserError

ORIENTATION = 0x0112
"""The EXIF tag that says how to turn an image; 1 is upright."""
MAX_PIXELS = 100_000_000
"""The largest image that is decoded: 300 MB of RGB."""
Image.init()  # here, in one thread: with a list of formats PIL does it at the first image, perhaps in several at once
PIL_FORMATS = tuple(
    name for name in ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP") if name in Image.OPEN
)
"""Those that are read, whatever a file is called: some of PIL's others start programs (EPS) or name further files."""
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif"}
"""Of the files of a folder that are taken for images."""
DEEP_GREY = ("I;16", "I;16B", "I;16L", "I;16N")
"""PIL's modes of 16-bit grey images."""


def read_image(path: Path, smallest_side: int | None = None) -> Image.Image:
    """Decode a photograph to upright RGB.

    Args:
        path: Any file that PIL reads; grey, palette and CMYK images are converted.
        smallest_side: Pixels that both sides need; a JPEG is then decoded at the smallest sufficient scale.

    Raises:
        UserError: If the file is missing, broken, too large or no image.
    """
    return to_rgb(open_image(path, smallest_side), str(path))


def to_rgb(image: Image.Image, name: str = "the image") -> Image.Image:
    """An image of any mode as upright RGB, 8 bits a channel.

    Raises:
        UserError: If its values are 32-bit numbers, whose range nobody states.
    """
    image = ImageOps.exif_transpose(image)  # first: what is made of an array has no tag
    if image.mode in DEEP_GREY:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in {"I", "F"}:
        raise UserError(f"{name} holds 32-bit numbers: convert it to 8 or 16 bits a channel")
    return image.convert("RGB")


def to_array(image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels of an RGB image, writable, so that torch can share them."""
    return np.array(image)


def orientation_of(image: Image.Image) -> int:
    """What the EXIF tag asks for; 1 is upright."""
    return int(image.getexif().get(ORIENTATION, 1))


def open_image(path: Path, smallest_side: int | None = None) -> Image.Image:
    """Open an image file and decode it whole, values as stored; arguments and errors as for `read_image`."""
    return _decode(path, str(path), smallest_side)


def decode_image(content: bytes, name: str, smallest_side: int | None = None) -> Image.Image:
    """The same as `read_image` of an image in memory, which errors call by a name."""
    return to_rgb(_decode(BytesIO(content), name, smallest_side), name)


def _decode(source: Path | BytesIO, name: str, smallest_side: int | None) -> Image.Image:
    if isinstance(source, Path) and source.exists() and not source.is_file():
        raise UserError(f"cannot read the image {name}: it is no file; give that of an image")
    try:
        with _header(source) as image:
            check_pixels(name, image.height, image.width)
            if smallest_side is not None:
                image.draft("RGB", (smallest_side, smallest_side))
            turned = 1
            if isinstance(image, TiffImageFile) and (turned := orientation_of(image)) != 1:
                image.filename = ""  # PIL would map the file into memory with the sides of the turned image
            image.load()
            return image if turned == 1 else _turned_back(image, turned)
    except FileNotFoundError as error:
        raise UserError(f"no image at {name}") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{name} has more than the {MAX_PIXELS:,} pixels that are allowed: shrink it") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError(f"cannot read the image {name}: {error}; fetch it anew") from error


def _turned_back(image: Image.Image, orientation: int) -> Image.Image:
    """A TIFF as stored: PIL turns it when it decodes it, and drops the tag."""
    back = {6: 8, 8: 6}.get(orientation, orientation)
    image.getexif()[ORIENTATION] = back
    stored = ImageOps.exif_transpose(image)
    stored.getexif()[ORIENTATION] = orientation
    return stored


def check_pixels(name: str, height: int, width: int, most: int | None = None) -> None:
    """Refuse an image whose pixels would exhaust the memory.

    Raises:
        UserError: If there are more than `most`, or than `MAX_PIXELS` where that is not given.
    """
    most = MAX_PIXELS if most is None else most
    if width * height > most:
        raise UserError(f"{name} has {width} x {height} pixels, {most:,} are allowed: shrink it")


def _header(source: Path | BytesIO) -> Image.Image:
    """What PIL reads before it decodes; its warning of large images is ours to give, as an error, at our own limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(source, formats=PIL_FORMATS)
