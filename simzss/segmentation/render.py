"""Pictures of label maps: photograph, truth and predictions side by side, with a legend of the classes that occur.

    picture = draw([PanelRow(image, [Panel("truth", truth), Panel("SimZSS", labels)])], names)
    picture.save("overlays.png")

Colours are given out to the classes of the truth first, and by how much of the picture a class covers, so that the few
classes a reader looks for are the ones easiest to tell apart. Pixels of no class (id below 0) stay grey.
"""

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt8
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from simzss.errors import UserError
from simzss.io.files import written_whole

GAP, LEGEND_ROW, FONT_SIZE = 8, 24, 15
INK, PAPER = (30, 30, 30), (255, 255, 255)
GREY = (128, 128, 128)
OPACITY = 0.62

Colour = tuple[int, int, int]
Photograph = UInt8[np.ndarray, "height width 3"]
ClassIds = Int[np.ndarray, "height width"]


@dataclass(frozen=True)
class Panel:
    """A label map and what it is."""

    title: str
    labels: ClassIds


@dataclass(frozen=True)
class PanelRow:
    """A photograph and the label maps to show beside it."""

    image: Photograph
    panels: Sequence[Panel]


def draw(rows: Sequence[PanelRow], names: Sequence[str], *, height: int = 224, abreast: int = 1) -> Image.Image:
    """Draw rows of panels of one height, `abreast` rows beside each other, titles above, a legend below."""
    colours = distinct_colours(rows)
    cell = max(_panel_width(row, height) for row in rows)
    strips = [_strip(row, colours, height, cell) for row in rows]
    step = max(strip.width for strip in strips) + 3 * GAP
    legend = draw_legend({names[id_]: colour for id_, colour in colours.items()}, abreast * step - 3 * GAP)
    lines = -(-len(rows) // abreast)
    canvas = Image.new("RGB", (legend.width, LEGEND_ROW + lines * (height + GAP) + legend.height), PAPER)
    for column in range(abreast):
        _draw_titles(canvas, ["photograph", *(panel.title for panel in rows[0].panels)], column * step, cell)
    for index, strip in enumerate(strips):
        line, column = divmod(index, abreast)
        canvas.paste(strip, (column * step, LEGEND_ROW + line * (height + GAP)))
    canvas.paste(legend, (0, canvas.height - legend.height))
    return canvas


def overlay(image: Photograph, labels: ClassIds, colours: Mapping[int, Colour], opacity: float = OPACITY) -> Photograph:
    """Lay the colours of the classes over a photograph, with a dark line between neighbours."""
    flat = np.empty_like(image)
    flat[:] = GREY
    for id_, colour in colours.items():
        flat[labels == id_] = colour
    mixed = (opacity * flat + (1 - opacity) * image).astype(np.uint8)
    mixed[edges(labels)] = INK
    return mixed


def edges(labels: ClassIds) -> Bool[np.ndarray, "height width"]:
    """Pixels whose right or lower neighbour is of another class."""
    line = np.zeros(labels.shape, dtype=bool)
    line[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    line[:-1] |= labels[:-1] != labels[1:]
    return line


def distinct_colours(rows: Sequence[PanelRow]) -> dict[int, Colour]:
    """A colour for every class that occurs: those of the first panels (as a rule the truth) first, then the largest."""
    ids = np.concatenate([panel.labels.ravel() for row in rows for panel in row.panels])
    first = np.concatenate([row.panels[0].labels.ravel() for row in rows])
    present, pixels = np.unique(ids[ids >= 0], return_counts=True)
    ranked = present[np.lexsort((-pixels, ~np.isin(present, first)))]
    return {int(id_): colour_of(rank) for rank, id_ in enumerate(ranked)}


def colour_of(rank: int) -> Colour:
    """Hues a golden section apart, so that any first few are far from each other; lightness changes every round."""
    hue = (0.58 + rank * 0.618034) % 1.0
    lightness = (0.52, 0.72, 0.36)[rank // 8 % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.85 if rank // 24 % 2 == 0 else 0.45)
    return (round(255 * red), round(255 * green), round(255 * blue))


def draw_legend(colours: Mapping[str, Colour], width: int) -> Image.Image:
    """Names and colours, in as many rows as the width asks for."""
    font = ImageFont.load_default(FONT_SIZE)
    places, x, y = [], GAP, 0
    for name, colour in colours.items():
        needed = LEGEND_ROW + int(font.getlength(name)) + 2 * GAP
        if x + needed > width and x > GAP:
            x, y = GAP, y + LEGEND_ROW
        places.append((x, y, name, colour))
        x += needed
    canvas = Image.new("RGB", (width, y + LEGEND_ROW), PAPER)
    pen = ImageDraw.Draw(canvas)
    for left, top, name, colour in places:
        pen.rectangle((left, top + 4, left + 16, top + 18), fill=colour, outline=INK)
        pen.text((left + LEGEND_ROW, top + 3), name, fill=INK, font=font)
    return canvas


def _strip(row: PanelRow, colours: Mapping[int, Colour], height: int, cell: int) -> Image.Image:
    """The photograph and its overlays, one per cell. Labels are enlarged by repeating pixels, never mixed."""
    width = _panel_width(row, height)
    large = np.array(Image.fromarray(row.image).resize((width, height), Image.Resampling.BICUBIC))
    pictures = [large]
    for panel in row.panels:
        labels = Image.fromarray(panel.labels.astype(np.int32)).resize((width, height), Image.Resampling.NEAREST)
        pictures.append(overlay(large, np.asarray(labels), colours))
    strip = Image.new("RGB", (len(pictures) * (cell + GAP) - GAP, height), PAPER)
    for index, picture in enumerate(pictures):
        strip.paste(Image.fromarray(picture), (index * (cell + GAP) + (cell - width) // 2, 0))
    return strip


def _panel_width(row: PanelRow, height: int) -> int:
    return max(1, round(row.image.shape[1] * height / row.image.shape[0]))


def _draw_titles(canvas: Image.Image, titles: Sequence[str], left: int, cell: int) -> None:
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT_SIZE)
    for index, title in enumerate(titles):
        pen.text((left + index * (cell + GAP) + cell / 2, 3), title, fill=INK, font=font, anchor="ma")


def save_label_map(
    labels: ClassIds, path: Path, colours: Sequence[Colour] = (), note: Mapping[str, str] | None = None
) -> None:
    """Write class ids as a PNG of 8 bits whose palette shows them in colours.

    Args:
        labels: The class ids.
        path: The file.
        colours: Of the first ids.
        note: Texts by keyword to keep in the file.

    Raises:
        UserError: If an id does not fit into 8 bits.
    """
    if labels.max(initial=0) > 255 or labels.min(initial=0) < 0:
        raise UserError(f"{path}: class ids must lie within 0..255 for a label map of 8 bits")
    image = Image.fromarray(labels.astype(np.uint8))
    palette = [*colours, *(colour_of(rank) for rank in range(len(colours), 256))]
    image.putpalette([level for colour in palette for level in colour])
    save_png(image, path, note)


def save_png(image: Image.Image, path: Path, note: Mapping[str, str] | None = None) -> None:
    """Write a picture, whole or not at all, with texts by keyword."""
    texts = PngInfo()
    for keyword, text in (note or {}).items():
        texts.add_itxt(keyword, text)
    with written_whole(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=texts)
