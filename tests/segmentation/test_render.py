"""Pictures: what is where, and that no class borrows another's colour."""

import numpy as np

from simzss.segmentation.render import (
    GREY,
    INK,
    OPACITY,
    Panel,
    PanelRow,
    distinct_colours,
    draw,
    draw_legend,
    edges,
    overlay,
)

IMAGE = np.full((6, 8, 3), 100, dtype=np.uint8)


def test_overlay_mixes_the_colour_of_the_class_and_draws_borders() -> None:
    labels = np.zeros((6, 8), dtype=np.int64)
    labels[:, 4:] = 2
    labels[5, 7] = -1
    got = overlay(IMAGE, labels, {0: (200, 0, 0), 2: (0, 0, 200)})
    mixed = [int(OPACITY * level + (1 - OPACITY) * 100) for level in (200, 0)]
    assert got[0, 0].tolist() == [mixed[0], mixed[1], mixed[1]]
    assert got[0, 7].tolist() == [mixed[1], mixed[1], mixed[0]]
    assert got[0, 3].tolist() == list(INK)
    assert got[5, 7].tolist() == [int(OPACITY * GREY[0] + (1 - OPACITY) * 100)] * 3


def test_edges_are_one_pixel_wide() -> None:
    labels = np.zeros((4, 6), dtype=np.int64)
    labels[:, 3:] = 1
    assert edges(labels).sum(axis=1).tolist() == [1, 1, 1, 1]


def test_colours_go_to_the_largest_first_and_differ() -> None:
    rng = np.random.default_rng(0)
    few = PanelRow(IMAGE, [Panel("truth", np.array([[5] * 7 + [3]] * 6))])
    assert list(distinct_colours([few])) == [5, 3]
    wrong = PanelRow(IMAGE, [few.panels[0], Panel("prediction", np.full((6, 8), 9))])
    assert list(distinct_colours([wrong])) == [5, 3, 9]  # what only a prediction shows comes after the truth
    many = PanelRow(IMAGE, [Panel("truth", rng.integers(-1, 171, (90, 90)))])
    colours = distinct_colours([many])
    assert len(colours) == 171
    assert len(set(colours.values())) == 171
    first = np.array(list(colours.values())[:12])
    distances = np.abs(first[:, None] - first[None]).sum(axis=-1) + 999 * np.eye(12)
    assert distances.min() > 60


def test_the_picture_holds_every_row_and_the_legend() -> None:
    labels = np.zeros((6, 8), dtype=np.int64)
    labels[3:] = 1
    rows = [PanelRow(IMAGE, [Panel("truth", labels), Panel("prediction", 1 - labels)])] * 2
    picture = np.asarray(draw(rows, ["cat", "dog"], height=60))
    colours = distinct_colours(rows)
    assert picture.shape[1] == 3 * 80 + 2 * 8
    for colour in colours.values():  # the legend shows the pure colour, the panels the mixed one
        assert (picture == np.array(colour)).all(axis=-1).any()
    truth, prediction = picture[24 + 10, 88 + 10], picture[24 + 10, 176 + 10]
    assert not np.array_equal(truth, prediction)


def test_a_long_legend_wraps() -> None:
    colours = {f"class number {index}": (index, 0, 0) for index in range(40)}
    assert draw_legend(colours, 300).height > draw_legend(colours, 3000).height
    assert draw_legend(colours, 10).width == 10
