"""A store on the loopback interface that fails, stalls and cuts its answers short when told to."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@dataclass
class Store:
    """Where it answers, what goes wrong with the next requests of blocks, and which it had."""

    url: str
    faults: list[str] = field(default_factory=list)
    """`fail`, `stall`, `truncate`, `short` or `fine`, one for each request; fine when there are no more."""
    forever: str = "fine"
    """What goes wrong then."""
    asked: list[str] = field(default_factory=list)


@contextmanager
def store_of(folder: Path, stall: float = 3.0) -> Iterator[Store]:
    """Serve the files of a folder while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            path = folder / self.path.rpartition("/")[2]
            if not path.is_file():
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(path.stat().st_size))
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()
            return None

        def do_GET(self) -> None:
            path = folder / self.path.rpartition("/")[2]
            if not path.is_file():
                return self.send_error(404)
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
            content = path.read_bytes()
            if asked:
                content = content[int(asked[1]) : int(asked[2]) + 1]
                store.asked.append(path.name)
            fault = (store.faults.pop(0) if store.faults else store.forever) if asked else "fine"
            if fault == "fail":
                return self.send_error(503)
            if fault == "stall":
                time.sleep(stall)
            self.send_response(206 if asked else 200)
            cut = content[: len(content) // 2] if fault in {"truncate", "short"} else content
            self.send_header("Content-Length", str(len(cut if fault == "short" else content)))
            self.end_headers()
            try:
                self.wfile.write(cut)
            except OSError:  # who asked has not waited
                return None
            return None

        def log_message(self, *_: object) -> None:
            """Be silent."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    store = Store(f"http://127.0.0.1:{http.server_port}")
    thread = Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield store
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
