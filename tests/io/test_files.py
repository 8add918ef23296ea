"""Of several who create a file at once one does, and what a kill left in between does no harm."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from simzss.io.files import create_atomically, write_atomically

WRITERS = 8


def test_only_one_of_many_creates_the_file(tmp_path: Path) -> None:
    for attempt in range(20):
        path, start = tmp_path / f"file{attempt}", Barrier(WRITERS)

        def create(writer: int, path: Path = path, start: Barrier = start) -> bool:
            start.wait()
            return create_atomically(path, f"text of {writer}", str(writer))

        with ThreadPoolExecutor(WRITERS) as pool:
            created = list(pool.map(create, range(WRITERS)))
        assert sum(created) == 1
        assert path.read_text("utf-8") == f"text of {created.index(True)}"
    assert len(list(tmp_path.iterdir())) == 20


def test_the_temporary_name_that_a_kill_left_is_not_written_through(tmp_path: Path) -> None:
    path, left = tmp_path / "file", tmp_path / ".file.tmp"
    path.write_text("first")
    left.hardlink_to(path)
    assert not create_atomically(path, "second")
    assert path.read_text("utf-8") == "first"
    assert not left.exists()
    write_atomically(path, "third")
    assert path.read_text("utf-8") == "third"
