"""A Hugging Face hub on loopback, as far as `huggingface_hub` needs one: upload, description, download by ranges.

Large files are named by their SHA-256, as on the real hub. A download can be cut off once, or its content spoilt.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(ThreadingHTTPServer):
    """The files it was given, and what it does to downloads."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        """Files whose next download breaks off in the middle."""
        self.spoilt: set[str] = set()
        """Files that arrive with other bytes than their hash says."""
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """What HF_ENDPOINT is to say."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        self._note()
        if found := re.search(r"/resolve/[^/]+/(.+)$", self.path):
            self._give(found.group(1), body=True)
        elif "/tree/" in self.path:
            self._say([self._entry(name) for name in self.server.files])
        elif self.path.startswith("/api/models/"):
            siblings = [{"rfilename": name} for name in self.server.files]
            self._say({"id": "me/model", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})
        else:
            self._say({"error": "not here"}, 404)

    def do_HEAD(self) -> None:
        self._note()
        found = re.search(r"/resolve/[^/]+/(.+)$", self.path)
        self._give(found.group(1) if found else "", body=False)

    def do_POST(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/repos/create"):
            self._say({"url": f"{self.server.url}/me/model", "id": "me/model"})
        elif "/validate-yaml" in self.path:
            self._say({"warnings": [], "errors": []})
        elif "/preupload/" in self.path:
            names = [entry["path"] for entry in json.loads(body)["files"]]
            self._say({"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._say({"commitUrl": f"{self.server.url}/me/model/commit/{COMMIT}", "commitOid": COMMIT})
        else:
            self._say({"error": "not here"}, 404)

    def _give(self, name: str, *, body: bool) -> None:
        if name not in self.server.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.server.files[name]
        etag = hashlib.sha256(content).hexdigest()
        if name in self.server.spoilt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        first = int(found.group(1)) if (found := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if body and name in self.server.cut:
            self.server.cut.remove(name)
            self.wfile.write(content[first : first + (len(content) - first) // 2])
            self.close_connection = True
        elif body:
            self.wfile.write(content[first:])

    def _entry(self, name: str) -> dict[str, object]:
        content = self.server.files[name]
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha256(content).hexdigest()}

    def _say(self, answer: object, status: int = 200) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _note(self) -> None:
        ranges = f" {self.headers['Range']}" if "Range" in self.headers else ""
        self.server.requests.append(f"{self.command} {self.path}{ranges}")


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """A hub that is there while the block runs."""
    with FakeHub() as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()
