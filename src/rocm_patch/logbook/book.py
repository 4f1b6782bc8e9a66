"""Writes records to two files, JSON lines and readable text, and rotates them by size.

Python's RotatingFileHandler loses lines where several processes write and rotate; builds run for
hours beside other calls, so rotation here goes under a lock, and each record is one append.
Knows nothing of what the records are about. A log that cannot be written stops no command.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shlex
import stat
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rocm_patch.logbook.clean import Cleaner, escaped, one_line

JSON_NAME, TEXT_NAME = "rocm-patch.jsonl", "rocm-patch.log"
#: A file that has grown beyond SIZE bytes is put aside; KEEP older ones stay.
SIZE, KEEP = 4 << 20, 5
#: Seconds to wait for another process that rotates; then a record is appended without a look at the size.
_WAIT_S = 0.2


class Logbook:
    """The log of one run; `run` marks its records."""

    def __init__(self, folder: Path, *, size: int = SIZE, keep: int = KEEP, home: str | None = None) -> None:
        """Name the folder; it is made at the first record."""
        self.folder = folder
        self.run = secrets.token_hex(4)
        self.clean = Cleaner(home)
        self.trouble = ""
        #: Whether the command never ran before here, as far as the log knows.
        self.first = not (folder / JSON_NAME).exists()
        self._size, self._keep = size, keep

    def write(self, event: str, **fields: Any) -> None:
        """Append one record to both files. What goes wrong is kept in `trouble` and ends the writing."""
        if self.trouble:
            return
        now = datetime.fromtimestamp(time.time(), timezone.utc).isoformat(timespec="milliseconds")
        argv = fields.pop("argv", None)
        record: dict[str, Any] = {
            "time": now.replace("+00:00", "Z"), "run": self.run, "pid": os.getpid(), "event": event,
        }  # fmt: skip
        output = fields.pop("output", None)
        if argv is not None:
            record["argv"] = self.clean.words([str(word) for word in argv])
        record |= {name: self.clean.value(value) for name, value in fields.items()}
        if output is not None:
            # Bounded already by whoever captured it.
            record["output"] = self.clean.text(output, most=1 << 20)
        try:
            self._append(json.dumps(record), _readable(record))
        except OSError as error:
            self.trouble = f"{error.filename or self.folder}: {error.strerror or error}"

    def _append(self, line: str, text: str) -> None:
        folder = _own_folder(self.folder)
        try:
            with _locked(folder) as alone:
                for name, data in ((JSON_NAME, line), (TEXT_NAME, text)):
                    if alone:
                        self._rotate(folder, name)
                    _append_at(folder, name, f"{data}\n".encode("utf-8", "backslashreplace"))
        finally:
            os.close(folder)

    def _rotate(self, folder: int, name: str) -> None:
        """Put a full file aside as NAME.1, the former NAME.1 as NAME.2, and so on."""
        try:
            if os.stat(name, dir_fd=folder, follow_symlinks=False).st_size < self._size:
                return
        except FileNotFoundError:
            return
        for number in range(self._keep, 0, -1):
            older = name if number == 1 else f"{name}.{number - 1}"
            with contextlib.suppress(FileNotFoundError):
                os.rename(older, f"{name}.{number}", src_dir_fd=folder, dst_dir_fd=folder)


def _own_folder(path: Path) -> int:
    """Open the log's folder, made if need be. OSError if it belongs to another user or is a link.

    Root must not be led by another user's links, nor leave files of root in that user's home.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if os.fstat(folder).st_uid != os.geteuid():
        os.close(folder)
        raise PermissionError(1, "the folder belongs to another user", str(path))
    return folder


def _append_at(folder: int, name: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(22, "not a regular file", name)
        os.write(file, data)
    finally:
        os.close(file)


@contextlib.contextmanager
def _locked(folder: int) -> Iterator[bool]:
    """Hold the lock of the folder for one record; say whether it could be had."""
    end = time.monotonic() + _WAIT_S
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                yield False
                return
            time.sleep(0.005)
            continue
        try:
            yield True
        finally:
            fcntl.flock(folder, fcntl.LOCK_UN)
        return


def _readable(record: dict[str, Any]) -> str:
    """Give a record as a line for people; a program's output follows, set off by a bar."""
    rest = {k: v for k, v in record.items() if k not in {"time", "run", "pid", "event", "argv", "output"}}
    words = [record["time"], f"{record['run']}/{record['pid']}", f"{one_line(record['event']):<7}"]
    if "argv" in record:
        words.append(one_line(shlex.join(record["argv"])))
    words += [f"{name}={one_line(_shown(value))}" for name, value in rest.items() if value not in (None, "")]
    lines = [" ".join(words)]
    lines += [f"    | {escaped(line)}" for line in (record.get("output") or "").split("\n") if line]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and " " not in value else json.dumps(value, ensure_ascii=False)


_ACTIVE: list[Logbook] = []


def begin(folder: Path) -> Logbook:
    """Make the log that `active` gives from now on in this process."""
    _ACTIVE[:] = [Logbook(folder)]
    return _ACTIVE[0]


def active() -> Logbook | None:
    """Give the log of this run; None where no command line was entered (tests, use as a library)."""
    return _ACTIVE[0] if _ACTIVE else None


def end() -> None:
    """Forget the log, after a word to standard error if it could not be written."""
    for book in _ACTIVE:
        if book.trouble:
            sys.stderr.write(f"rocm-patch: no log was written ({one_line(book.trouble)})\n")
    _ACTIVE.clear()
