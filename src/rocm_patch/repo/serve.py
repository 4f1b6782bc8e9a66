"""A small web server for the repositories, on the loopback interface alone.

For this machine and for tests; any static web server does the same for a network.
"""

from __future__ import annotations

import functools
import http.server
from pathlib import Path
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
