"""The one door to other programs: runs them as subprocess does, and writes to the log what was run.

Knows argument lists, outputs and times; nothing of what the programs are for.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

from rocm_patch.logbook.book import active
from rocm_patch.logbook.clean import Capture, captured


class Entry:
    """A program that runs: its output so far, and how it ended."""

    def __init__(self) -> None:
        """Start with no output and no end."""
        self.capture = Capture()
        self.code: int | None = None

    def line(self, text: str) -> None:
        """Take a line of its output."""
        self.capture.line(text)


@contextlib.contextmanager
def recorded(argv: Sequence[str], *, log: str = "") -> Iterator[Entry]:
    """Log a program that the caller starts and reads itself; `log` is a file that holds all of its output.

    An exception inside is logged as the way in which it ended.
    """
    entry, start = Entry(), time.monotonic()
    failure = ""
    try:
        yield entry
    except BaseException as error:
        failure = f"{type(error).__name__}: {error}"
        raise
    finally:
        _write(argv, entry.code, start, entry.capture.text(), failure=failure, log=log)


def run(
    argv: Sequence[str], *, check: bool = False, log_output: bool = True, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """Run a program to its end; the options are those of subprocess.run.

    Without `log_output` only the size of what it printed is logged: for copies of what is kept elsewhere.
    """
    start = time.monotonic()
    try:
        done = subprocess.run(list(argv), check=check, **options)
    except subprocess.TimeoutExpired as error:
        _write(argv, None, start, captured(error.stdout, error.stderr), failure="ran out of time")
        raise
    except subprocess.CalledProcessError as error:
        _write(argv, error.returncode, start, captured(error.stdout, error.stderr))
        raise
    except (OSError, ValueError) as error:
        _write(argv, None, start, None, failure=f"not started: {error}")
        raise
    if log_output or done.returncode:
        output = captured(done.stdout, done.stderr)
    else:
        output = f"({len(done.stdout or '')} bytes, not kept here)"
    _write(argv, done.returncode, start, output)
    return done


def _write(
    argv: Sequence[str],
    code: int | None,
    start: float,
    output: str | None,
    *,
    failure: str = "",
    log: str = "",
) -> None:
    book = active()
    if book is None:
        return
    fields: dict[str, Any] = {"exit": code, "seconds": round(time.monotonic() - start, 3)}
    fields |= {"failure": failure} if failure else {}
    fields |= {"log": log} if log else {}
    book.write("command", argv=[str(word) for word in argv], **fields, output=output or None)
