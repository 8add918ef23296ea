"""Any number of photographs and videos, in the memory of a few: what is done stays, what cannot be read is left out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from simzss.errors import UserError
from simzss.evaluation.dataset import read_ahead
from simzss.predict.classes import ClassWords
from simzss.predict.inputs import read_pixels
from simzss.predict.predictor import Predictor
from simzss.predict.result import Segmentation, draw_overlay, with_legend
from simzss.predict.saved import ResultFiles, remove_later_frames
from simzss.predict.sources import Source
from simzss.predict.video import count_frames, frame_rate, read_comment, read_frames, write_video

TOLD = 20
"""Images up to which each is told by itself."""

Pixels = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Observer:
    """Who follows a run."""

    begin: Callable[[int], None]
    """Takes the number of images, as far as it is known."""
    advance: Callable[[], None]
    """One image is done."""
    tell: Callable[[str], None]
    """What was found in an image."""
    skip: Callable[[str], None]
    """What could not be read."""


@dataclass(frozen=True)
class PendingImage:
    """An image yet to be read, and where its results go."""

    files: ResultFiles
    read: Callable[[], Pixels]

    def look(self) -> Pixels | UserError | None:
        """The image, or what is wrong with it; None where it is done."""
        if self.files.is_done():
            return None
        try:
            return self.read()
        except UserError as error:
            return error


@dataclass
class BatchRun:
    """A model with its classes on its way through many sources."""

    model: Predictor
    words: ClassWords
    output: Path
    run_hash: str
    """Hash of all that decides the labels, apart from the images."""
    heatmaps: tuple[str, ...]
    """Words to draw heatmaps of."""
    watch: Observer
    problems: list[str] = field(default_factory=list)
    """What could not be read, and why."""

    def segment(self, sources: Sequence[Source]) -> list[ResultFiles]:
        """Segment all that is not done; where the results of each image are, photographs first.

        Raises:
            UserError: If results cannot be written.
        """
        photographs = [source for source in sources if not source.is_video]
        videos = self._frame_counts(source for source in sources if source.is_video)
        total = len(photographs) + sum(videos.values())
        self.watch.begin(total)
        results = self._segment(self._photographs(photographs), tell=total <= TOLD)
        for video in videos:
            results += self._segment_video(video)
        return results

    def _segment(self, images: Iterable[PendingImage], *, tell: bool) -> list[ResultFiles]:
        """Segment images in their order; where the results of those are that could be read, now or before."""
        results: list[ResultFiles] = []
        waiting: list[ResultFiles] = []
        segmented = self.model.stream_words(self._unfinished(images, results, waiting), self.words)
        to_write = ((waiting.pop(0), result) for result in segmented)
        for files, result in read_ahead(_written, to_write, threads=1):  # beside the backbone's next images
            self.watch.advance()
            if tell:
                self.watch.tell(_shares(files.source, result))
        return results

    def _unfinished(
        self, images: Iterable[PendingImage], results: list[ResultFiles], waiting: list[ResultFiles]
    ) -> Iterator[Pixels]:
        """The images that are to be segmented, whose files join those that wait for a result."""
        for files, image in read_ahead(lambda pending: (pending.files, pending.look()), images, threads=1):
            if isinstance(image, UserError):
                self._skip(image)
                continue
            results.append(files)
            if image is None:
                self.watch.advance()
            else:
                waiting.append(files)
                yield image

    def _segment_video(self, video: Source) -> list[ResultFiles]:
        """Segment the frames that are not done, then draw all of them as one video."""
        try:
            stamp = video.stamp
        except UserError as error:
            self._skip(error)
            return []
        picture, comment = self.output / f"{video.name}_overlay.mp4", f"{self.run_hash} {stamp}"
        problems = len(self.problems)
        results = self._segment(self._frames(video, stamp), tell=False)
        if len(self.problems) > problems:
            return results
        remove_later_frames(self.output / video.name, len(results))
        if read_comment(picture) != comment:
            write_video(self._drawn(video, results), picture, frame_rate(video.path), comment)
        return results

    def _drawn(self, video: Source, results: Sequence[ResultFiles]) -> Iterator[Pixels]:
        """The frames under their colours, with a legend of all classes, so that each has the same size."""
        for files, frame in zip(results, read_frames(video.path), strict=True):
            with Image.open(files.labels) as stored:
                labels = np.array(stored).astype(np.int32)
            picture = draw_overlay(frame, labels, self.words.by_label)
            yield np.asarray(with_legend(picture, self.words.by_label, range(len(self.words.by_label))))

    def _photographs(self, sources: Iterable[Source]) -> Iterator[PendingImage]:
        for source in sources:
            at = self.output / source.name
            try:
                files = ResultFiles(at.parent, at.name, self.run_hash, str(source.path), source.stamp, self.heatmaps)
            except UserError as error:
                self._skip(error)
            else:
                yield PendingImage(files, partial(read_pixels, source.path))

    def _frames(self, video: Source, stamp: str) -> Iterator[PendingImage]:
        folder = self.output / video.name
        try:
            for index, frame in enumerate(read_frames(video.path)):
                name = f"{video.path}#{index}"
                files = ResultFiles(folder, f"{index:06}", self.run_hash, name, stamp, self.heatmaps, overlay=False)
                yield PendingImage(files, lambda frame=frame: frame)  # type: ignore[misc]  # each its own frame
        except UserError as error:
            self._skip(error)

    def _frame_counts(self, videos: Iterable[Source]) -> dict[Source, int]:
        """About how many frames each video has, of those that can be opened."""
        counts = {}
        for video in videos:
            try:
                counts[video] = count_frames(video.path)
            except UserError as error:
                self._skip(error)
        return counts

    def _skip(self, error: UserError) -> None:
        self.problems.append(str(error))
        self.watch.skip(str(error))


def _written(segmented: tuple[ResultFiles, Segmentation]) -> tuple[ResultFiles, Segmentation]:
    """The same, once its files are there."""
    files, result = segmented
    files.write(result)
    return segmented


def _shares(source: str, result: Segmentation) -> str:
    """The shares of the classes that occur, the largest first."""
    shares = sorted(((share, name) for name, share in result.areas.items() if share), reverse=True)
    return f"{source}: " + ", ".join(f"{name} {100 * share:.1f} %" for share, name in shares)
