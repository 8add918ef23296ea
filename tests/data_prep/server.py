"""A server of a folder on the loopback interface that sends the rest of a file when asked to, as real ones do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@dataclass
class Server:
    """Where it answers, and the ranges it was asked for (`None`: the whole file)."""

    url: str
    ranges: list[str | None] = field(default_factory=list)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve the files of a folder while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.ranges.append(self.headers["Range"])
            path = folder / self.path.rpartition("/")[2]
            if not path.is_file():
                return self.send_error(404)
            content = path.read_bytes()
            first = int(re.findall(r"bytes=(\d+)-", self.headers["Range"] or "bytes=0-")[0])
            if first >= len(content):
                return self.send_error(416)
            self.send_response(206 if self.headers["Range"] else 200)
            self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            self.wfile.write(content[first:])
            return None

        def log_message(self, *_: object) -> None:
            """Be silent."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{http.server_port}")
    thread = Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
