"""Videos written and read again."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from simzss.errors import UserError
from simzss.predict.video import count_frames, frame_rate, read_comment, read_frames, write_video

pytest.importorskip("av")

HALVES = np.zeros((32, 48, 3), dtype=np.uint8)
HALVES[:, :24], HALVES[:, 24:] = (200, 40, 40), (40, 40, 200)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Seven frames, red on the left and blue on the right."""
    write_video([HALVES] * 7, tmp_path / "film.mp4", Fraction(10), "made for a test")
    return tmp_path / "film.mp4"


def turn(film: Path) -> None:
    """Ask viewers for a quarter turn clockwise, as a phone held upright does: the matrix in the track's header."""
    content = bytearray(film.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    numbers = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    content[matrix : matrix + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    film.write_bytes(content)


def test_round_trip(film: Path) -> None:
    frames = list(read_frames(film))
    assert len(frames) == count_frames(film) == 7
    assert frame_rate(film) == 10
    assert read_comment(film) == "made for a test"
    for frame in frames:
        assert np.abs(frame.astype(int) - HALVES)[:, [*range(20), *range(28, 48)]].max() < 12  # apart from the border
    assert [path.name for path in film.parent.iterdir()] == ["film.mp4"]


def test_frames_are_turned_as_the_video_asks(film: Path) -> None:
    turn(film)
    frame = next(read_frames(film))
    assert frame.shape == (48, 32, 3)
    assert np.abs(frame[:20].astype(int) - (200, 40, 40)).max() < 12  # what was left is up
    assert np.abs(frame[28:].astype(int) - (40, 40, 200)).max() < 12


def test_odd_sides_are_filled(tmp_path: Path) -> None:
    write_video([HALVES[:31, :47]] * 2, tmp_path / "odd.mp4", Fraction(10), "")
    assert next(read_frames(tmp_path / "odd.mp4")).shape == (32, 48, 3)


def test_a_video_cut_short_is_told(film: Path) -> None:
    content = film.read_bytes()
    film.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"film\.mp4(:| holds no video)"):
        list(read_frames(film))
    assert read_comment(film) == ""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mpg"])
def test_texts_and_playlists_are_no_videos(tmp_path: Path, film: Path, suffix: str) -> None:
    for content in (
        "I am a video\n" * 50,
        f"#EXTM3U\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {film}\n",
    ):
        (tmp_path / f"list{suffix}").write_text(content)
        with pytest.raises(UserError, match="list"):
            list(read_frames(tmp_path / f"list{suffix}"))
