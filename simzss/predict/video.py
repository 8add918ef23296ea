"""Frames of a video, one at a time, and back (PyAV, the extra `video`).

Frames are turned as the video asks its viewers to (phones film upright by a note to turn). Sound is left behind.

A file's suffix decides how it is read, not its content: of all that FFmpeg would recognise, texts are films of letters,
and playlists name other files and addresses to open.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from simzss.errors import UserError
from simzss.io.files import written_whole
from simzss.io.images import check_pixels

if TYPE_CHECKING:
    import av.container

Frame = UInt8[np.ndarray, "height width 3"]
VIDEO_FORMATS = {
    ".mp4": "mov", ".m4v": "mov", ".mov": "mov", ".mkv": "matroska", ".webm": "matroska", ".avi": "avi", ".mpg": "mpeg",
    ".mpeg": "mpeg",
}  # fmt: skip
"""FFmpeg's reader by suffix."""
USUAL_RATE = Fraction(25)
"""Frames per second where a video states none."""


def check_videos_can_be_read() -> None:
    """Find out before the work whether PyAV is there.

    Raises:
        UserError: If it is not.
    """
    try:
        import av  # noqa: F401, PLC0415  # an extra
    except ImportError as error:
        raise UserError("videos need PyAV: pip install 'simzss[video]'") from error


def count_frames(path: Path) -> int:
    """About how many frames a video has, by what its header states; 0 where it states nothing.

    Raises:
        UserError: If it cannot be read.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        if stream.frames:
            return stream.frames
        seconds = 0 if container.duration is None else container.duration / 1_000_000
        return round(seconds * float(stream.average_rate or USUAL_RATE))


def frame_rate(path: Path) -> Fraction:
    """Frames per second.

    Raises:
        UserError: If the video cannot be read.
    """
    with _opened(path) as container:
        return Fraction(container.streams.video[0].average_rate or USUAL_RATE)


def read_frames(path: Path) -> Iterator[Frame]:
    """The upright frames of a video as RGB, one in memory at a time.

    Raises:
        UserError: If it cannot be read, from the frame on that cannot.
    """
    import av  # noqa: PLC0415  # an extra

    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        check_pixels(str(path), stream.height, stream.width)
        try:
            for frame in container.decode(stream):
                yield np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)).copy()
        except av.FFmpegError as error:
            raise UserError(f"cannot read the video {path} to its end: {error.strerror}; fetch it anew") from error


def read_comment(path: Path) -> str:
    """The comment in a video's header; empty where there is no video or no comment."""
    try:
        with _opened(path) as container:
            return container.metadata.get("comment", "")
    except UserError:
        return ""


def write_video(frames: Iterable[Frame], path: Path, rate: Fraction, comment: str) -> None:
    """Write frames of one size as H.264, the file whole or not at all; odd sides get a white line.

    Raises:
        UserError: If it cannot be written.
    """
    import av  # noqa: PLC0415  # an extra

    with written_whole(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "20"})
        stream.pix_fmt = "yuv420p"
        container.metadata["comment"] = comment
        for index, pixels in enumerate(frames):
            even = np.pad(pixels, [(0, side % 2) for side in pixels.shape[:2]] + [(0, 0)], constant_values=255)
            if index == 0:
                stream.height, stream.width = even.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode())


def _opened(path: Path) -> "av.container.InputContainer":
    import av  # noqa: PLC0415  # an extra

    try:
        container = av.open(str(path), format=VIDEO_FORMATS[path.suffix.lower()])
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"cannot read the video {path}: {error.strerror}; fetch it anew") from error
    if not container.streams.video:
        container.close()
        raise UserError(f"{path} holds no video: give another")
    return container
