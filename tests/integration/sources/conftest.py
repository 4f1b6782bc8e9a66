"""A real HTTP server on loopback that can misbehave in each way that fetching must survive."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rocm_patch.sources import ObjectStore, Settings, SourceItem


@dataclass
class File:
    """What the server has at one path, and how it behaves there."""

    data: bytes
    #: Answers before the file is served, one per request.
    failures: list[int] = field(default_factory=list)
    #: Cut the connection after so many bytes, one per request.
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str | None = None
    #: Seconds between pieces of `piece` bytes.
    pause: float = 0.0
    piece: int = 1 << 16
    #: Called with the bytes sent so far of a request.
    hook: Callable[[int], None] | None = None
    content_type: str = "application/octet-stream"
    #: Leave out Content-Length, so that the size is known at the end only.
    chunked: bool = False


@dataclass
class Request:
    """One request as it came, and how many bytes of the file it got."""

    path: str
    headers: dict[str, str]
    sent: int = 0


class Server:
    """Files by path, and the requests that came."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.requests: list[Request] = []
        self.clients: set[object] = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *args: object) -> None:
                del args

        class Threads(http.server.ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                del args  # a client that was killed is no error here

        self.http = Threads(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def add(self, path: str, data: bytes, **behaviour: Any) -> str:
        self.files[path] = File(data, **behaviour)
        return self.url + path

    def sent(self, path: str) -> int:
        return sum(r.sent for r in self.requests if r.path == path)

    def count(self, path: str) -> int:
        return sum(r.path == path for r in self.requests)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        request = Request(handler.path, {k.lower(): v for k, v in handler.headers.items()})
        self.requests.append(request)
        self.clients.add(handler.client_address)
        file = self.files.get(handler.path)
        if file is None or file.failures:
            handler.send_response(404 if file is None else file.failures.pop(0))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        start = self._start(file, request)
        if start > 0 and start >= len(file.data):
            handler.send_response(416)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(file.data) - 1}/{len(file.data)}")
        if file.etag:
            handler.send_header("ETag", file.etag)
        handler.send_header("Content-Type", file.content_type)
        if file.chunked:
            handler.close_connection = True
        else:
            handler.send_header("Content-Length", str(len(file.data) - start))
        handler.end_headers()
        self._send(handler, file, request, start)

    @staticmethod
    def _start(file: File, request: Request) -> int:
        wanted = request.headers.get("range", "")
        guard = request.headers.get("if-range")
        if not file.ranges or not wanted or (guard is not None and guard != file.etag):
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    @staticmethod
    def _send(handler: http.server.BaseHTTPRequestHandler, file: File, request: Request, start: int) -> None:
        end = start + file.cuts.pop(0) if file.cuts else len(file.data)
        while start < min(end, len(file.data)):
            piece = file.data[start : min(start + file.piece, end)]
            handler.wfile.write(piece)
            handler.wfile.flush()
            start += len(piece)
            request.sent += len(piece)
            if file.hook is not None:
                file.hook(request.sent)
            if file.pause:
                time.sleep(file.pause)
        if end < len(file.data):
            handler.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "cas")


@pytest.fixture
def quick() -> Settings:
    """Settings that lose no time on retries."""
    return Settings(retries=1, backoff=0.01, connect_timeout=5, read_timeout=5)


@pytest.fixture
def data() -> bytes:
    return bytes(range(256)) * 4096 + b"end"


def make_item(name: str, data: bytes, *urls: str, **changes: Any) -> SourceItem:
    fields = {
        "name": name,
        "file": f"{name}.tar",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "providers": [{"kind": "url", "url": url} for url in urls],
    }
    return SourceItem.model_validate(fields | changes)


@pytest.fixture
def item() -> Callable[..., SourceItem]:
    return make_item


@pytest.fixture
def spawn(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a fetching process: cache folder, then items as JSON on its command line."""

    def start(cache: Path, *items: SourceItem, prefix: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        script = tmp_path / "fetcher.py"
        script.write_text(FETCHER, encoding="utf-8")
        command = [*prefix, sys.executable, str(script), str(cache), *(i.model_dump_json() for i in items)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ROCM_PATCH_")}
        environment["ROCM_PATCH_CONFIG"] = os.devnull
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)

    return start


FETCHER = """
import sys
from pathlib import Path
from rocm_patch.errors import RocmPatchError
from rocm_patch.sources import ObjectStore, Settings, SourceItem, fetch_all

items = [SourceItem.model_validate_json(text) for text in sys.argv[2:]]
settings = Settings(retries=1, backoff=0.01)
try:
    found = fetch_all(items, cache=ObjectStore(Path(sys.argv[1])), settings=settings)
except RocmPatchError as error:
    print(error)
    sys.exit(error.exit_code)
for name, path in found.items():
    print(name, path)
"""
