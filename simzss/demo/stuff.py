"""The grounds of the demo world: textures without a shape of their own, each painted by one small function.

Every function fills a whole square picture with one material, in numbers from 0 to 255, as the given generator decides.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image

Texture = Float[np.ndarray, "height width 3"]
Field = Float[np.ndarray, "height width"]
Generator = np.random.Generator


@dataclass(frozen=True)
class Stuff:
    """One kind of ground."""

    name: str
    paint: Callable[[Generator, int], Texture]


def noise(rng: Generator, size: int, rows: int, columns: int) -> Field:
    """Smooth noise from -1 to 1 whose bumps are `size / rows` pixels high and `size / columns` wide."""
    coarse = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def grain(rng: Generator, size: int) -> Field:
    """A value of its own for every pixel, from -1 to 1."""
    return rng.uniform(-1, 1, (size, size)).astype(np.float32)


def coloured(rng: Generator, base: tuple[int, int, int], field: Field) -> Texture:
    """The colour `base`, a little shifted, made lighter and darker by `field` grey levels."""
    shifted = np.array(base, dtype=np.float32) + rng.normal(0, 10, 3).astype(np.float32)
    return shifted + field[..., None]


def mixed(first: Texture, second: Texture, share: Field) -> Texture:
    """`second` where `share` is one, `first` where it is zero."""
    return first + (second - first) * share.clip(0, 1)[..., None]


def sky(rng: Generator, size: int) -> Texture:
    """Brighter towards the horizon, with clouds."""
    down = np.linspace(-1, 1, size, dtype=np.float32)[:, None].repeat(size, 1)
    clouds = noise(rng, size, 7, 4) + 0.5 * noise(rng, size, 14, 8)
    blue = coloured(rng, ((108, 168, 232), (150, 185, 225), (225, 170, 150))[rng.integers(3)], 22 * down)
    return mixed(blue, np.full_like(blue, 246), 1.4 * clouds - 0.25)


def grass(rng: Generator, size: int) -> Texture:
    """Upright blades."""
    blades = noise(rng, size, 28, size) + 0.5 * grain(rng, size)
    return coloured(rng, (84, 150, 52), 24 * blades + 12 * noise(rng, size, 4, 4))


def sand(rng: Generator, size: int) -> Texture:
    """Fine grain over soft ripples."""
    rows = np.arange(size, dtype=np.float32)[:, None]
    ripples = np.sin(rows / rng.uniform(1.6, 2.4) + 4 * noise(rng, size, 3, 4))
    return coloured(rng, (222, 190, 132), 9 * ripples + 11 * grain(rng, size))


def water(rng: Generator, size: int) -> Texture:
    """Long horizontal waves with bright crests."""
    waves = noise(rng, size, 36, 7) + 0.6 * noise(rng, size, 50, 14)
    body = coloured(rng, (38, 96, 158), 26 * waves)
    return mixed(body, np.full_like(body, 225), 4 * (waves - 0.85))


def snow(rng: Generator, size: int) -> Texture:
    """White with bluish hollows and a little glitter."""
    hollows = noise(rng, size, 6, 5)
    glitter = 26 * (grain(rng, size) > 0.94)
    return coloured(rng, (226, 233, 244), 9 * hollows + 3 * grain(rng, size) + glitter)


def road(rng: Generator, size: int) -> Texture:
    """Asphalt with broken white lines."""
    rows, columns = np.indices((size, size), dtype=np.float32)
    asphalt = coloured(rng, (82, 82, 88), 12 * grain(rng, size) + 7 * noise(rng, size, 5, 5))
    gap, dash, shift = rng.uniform(20, 30), rng.uniform(16, 26), rng.uniform(0, 30)
    lines = ((rows + shift) % gap < 2.5) & ((columns + 9 * ((rows + shift) // gap)) % dash < 0.6 * dash)
    return mixed(asphalt, np.full_like(asphalt, 228), lines.astype(np.float32))


def gravel(rng: Generator, size: int) -> Texture:
    """Pebbles of many greys."""
    pebbles = np.kron(rng.uniform(-1, 1, (size // 4, size // 4)), np.ones((4, 4))).astype(np.float32)
    rows, columns = np.indices((size, size)) % 4
    joints = ((rows == 0) | (columns == 0)).astype(np.float32)
    pebbles = np.stack([np.roll(line, (i // 4 % 3) - 1) for i, line in enumerate(pebbles)])
    return coloured(rng, (148, 142, 136), 42 * pebbles - 30 * joints + 8 * grain(rng, size))


def brick_wall(rng: Generator, size: int) -> Texture:
    """Courses of bricks between pale joints."""
    high, long = rng.integers(6, 9), rng.integers(13, 18)
    rows, columns = np.indices((size, size))
    course = rows // high
    shifted = columns + (course % 2) * (long // 2) + 3
    tints = rng.normal(0, 1, (size, size)).astype(np.float32)[course, shifted // long]
    bricks = coloured(
        rng, ((168, 78, 58), (150, 96, 74), (186, 104, 72))[rng.integers(3)], 14 * tints + 6 * grain(rng, size)
    )
    joints = ((rows % high == 0) | (shifted % long == 0)).astype(np.float32)
    return mixed(bricks, np.full_like(bricks, 205), joints)


def wood_floor(rng: Generator, size: int) -> Texture:
    """Long planks with the grain along them."""
    high, long = rng.integers(9, 13), rng.integers(38, 60)
    rows, columns = np.indices((size, size))
    plank = rows // high
    shifted = columns + plank * 23
    tints = rng.normal(0, 1, (size, 16)).astype(np.float32)[plank, shifted // long % 16]
    boards = coloured(rng, (172, 116, 66), 13 * tints + 9 * noise(rng, size, size, 8))
    joints = ((rows % high == 0) | (shifted % long == 0)).astype(np.float32)
    return mixed(boards, np.full_like(boards, 70), 0.8 * joints)


def tile_floor(rng: Generator, size: int) -> Texture:
    """Two colours of square tiles."""
    side = int(rng.integers(10, 15))
    rows, columns = np.indices((size, size))
    light = coloured(rng, (232, 228, 220), 4 * grain(rng, size))
    dark = coloured(rng, ((60, 70, 84), (70, 110, 120), (120, 70, 66))[rng.integers(3)], 6 * grain(rng, size))
    return mixed(light, dark, ((rows // side + columns // side) % 2).astype(np.float32))


def flower_bed(rng: Generator, size: int) -> Texture:
    """Dark leaves sprinkled with blossoms of several colours."""
    bed = coloured(rng, (44, 92, 46), 26 * noise(rng, size, 30, 30) + 10 * grain(rng, size))
    colours = np.array([(236, 70, 90), (250, 214, 70), (240, 240, 250), (196, 96, 214)], dtype=np.float32)
    for row, column in rng.integers(0, size - 3, (size * size // 70, 2)):
        bed[row : row + 3, column : column + 3] = colours[rng.integers(len(colours))] + rng.normal(0, 10)
    return bed


STUFF: tuple[Stuff, ...] = (
    Stuff("sky", sky),
    Stuff("grass", grass),
    Stuff("sand", sand),
    Stuff("water", water),
    Stuff("snow", snow),
    Stuff("road", road),
    Stuff("gravel", gravel),
    Stuff("brick wall", brick_wall),
    Stuff("wood floor", wood_floor),
    Stuff("tile floor", tile_floor),
    Stuff("flower bed", flower_bed),
)
