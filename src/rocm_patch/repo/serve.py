"""A small web server for the repositories, on the loopback interface alone.

For this machine and for tests; any static web server does the same for a network.
"""

from __future__ import annotations

import functools
import http.server
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

HOST = "127.0.0.1"


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files below the folder; nothing hidden, nothing outside."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's own name
        """Say nothing: the command prints the address, clients print the rest."""

    def send_head(self) -> Any:
        """Refuse hidden names: a generation that is being made has one."""
        if any(part.startswith(".") for part in self.path.split("/")):
            self.send_error(404)
            return None
        return super().send_head()


def make_server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    """Give a server for the folder, bound and not yet serving; port 0 takes a free one."""
    handler = functools.partial(_Handler, directory=str(folder))
    return http.server.ThreadingHTTPServer((HOST, port), handler)


@contextmanager
def ended_by_signal(server: http.server.ThreadingHTTPServer) -> Iterator[None]:
    """Let SIGINT and SIGTERM end `serve_forever`, and close the server.

    Asked for by name: a shell starts what it puts into the background with SIGINT ignored, and
    Python then raises no KeyboardInterrupt.
    """

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        # shutdown waits for the loop that this handler interrupts: it must not wait here.
        threading.Thread(target=server.shutdown, daemon=True).start()

    old = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        server.server_close()
