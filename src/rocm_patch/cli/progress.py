"""What is being done just now, for somebody who watches: lines on standard error, on a terminal alone.

Knows nothing of what is done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click


def progress() -> Callable[[str], None]:
    """Give what prints a line with the seconds since now; nothing in a pipe, a log or a script."""
    if not sys.stderr.isatty():
        return lambda _line: None
    start = time.monotonic()

    def tell(line: str) -> None:
        shown = "".join(char if char.isprintable() else "?" for char in line)
        click.echo(f"[{time.monotonic() - start:5.0f} s] {shown}", err=True)

    return tell
