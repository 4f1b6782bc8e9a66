"""The state folder: opened with care, locked, and with some room kept for bad times.

It must be root's own: no link on the way, nothing that others may write, no second names.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rocm_patch.apply.journal import FOLDER, RESERVE, VERSION, Journal, damaged, tables
from rocm_patch.apply.rootfs import Meta, RootFs
from rocm_patch.errors import BusyError, CheckError, StateFolderError


@contextmanager
def open_journal(fs: RootFs, *, wait: float = 0.0) -> Iterator[Journal]:
    """Open the journal for writing, alone.

    BusyError while another run has it; StateFolderError if it is not safe.
    """
    try:
        _make_folder(fs)
        handle = _lock(fs, wait)
    except OSError as error:
        raise CheckError(
            f"{fs.local(FOLDER)} cannot be written",
            cause=error.strerror or str(error),
            step="run as root (sudo), on a file system that can be written",
        ) from error
    try:
        journal = Journal(fs, _connect(fs), readonly=False)
        try:
            yield journal
        finally:
            journal.close()
    finally:
        os.close(handle)


@contextmanager
def read_journal(fs: RootFs) -> Iterator[Journal | None]:
    """Open the journal for reading; None if there is none, or only root may read it."""
    try:
        present = fs.status(f"{FOLDER}/journal.db")
        if present is None or not os.access(fs.local(f"{FOLDER}/journal.db"), os.R_OK):
            yield None
            return
        _check(fs, "journal.db")
    except OSError as error:
        raise StateFolderError(
            f"{fs.local(FOLDER)} cannot be read", cause=str(error), step="run as root (sudo)"
        ) from error
    base = _sqlite(fs.local(f"{FOLDER}/journal.db"), "ro")
    try:
        _version(base)
        yield Journal(fs, base, readonly=True)
    finally:
        base.close()


def _make_folder(fs: RootFs) -> None:
    fs.make_folder(FOLDER, 0o755)
    status = fs.status(FOLDER)
    if status is None or not stat.S_ISDIR(status.st_mode):
        raise _unsafe(FOLDER, "it is no folder")
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise _unsafe(
            FOLDER, f"owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}: others could write it"
        )


def _check(fs: RootFs, name: str) -> None:
    """Refuse a file of the state folder that is a link, has a second name, or is somebody else's."""
    status = fs.status(f"{FOLDER}/{name}")
    if status is None:
        return
    if not stat.S_ISREG(status.st_mode):
        raise _unsafe(f"{FOLDER}/{name}", "it is no regular file")
    if status.st_nlink != 1 or status.st_mode & 0o022 or status.st_uid not in {0, os.geteuid()}:
        raise _unsafe(
            f"{FOLDER}/{name}",
            f"owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}, {status.st_nlink} name(s)",
        )


def _lock(fs: RootFs, wait: float) -> int:
    _check(fs, "lock")
    with fs.folder(FOLDER) as folder:
        handle = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:  # noqa: PERF203  # it waits anyway
            if time.monotonic() >= end:
                os.close(handle)
                raise BusyError(
                    "another rocm-patch changes this machine",
                    cause=f"it holds {fs.local(FOLDER)}/lock",
                    step="wait for its end, or give --wait SECONDS",
                ) from error
            time.sleep(0.2)
        else:
            return handle


def _connect(fs: RootFs) -> sqlite3.Connection:
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        _check(fs, name)
    with fs.folder(FOLDER) as folder:
        # Made closed to others before SQLite, which would follow the umask, opens it.
        os.close(
            os.open("journal.db", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        )
    base = _sqlite(fs.local(f"{FOLDER}/journal.db"), "rw")
    try:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=FULL")
        if not base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            tables(base)
        _version(base)
    except sqlite3.OperationalError as error:
        base.close()
        raise CheckError(
            f"{fs.local(FOLDER)}/journal.db cannot be written",
            cause=str(error),
            step="see that the disk has room and can be written",
        ) from error
    except (sqlite3.DatabaseError, UnicodeError) as error:
        base.close()
        raise damaged(str(error)) from error
    except BaseException:
        base.close()
        raise
    return base


def _sqlite(place: Path, mode: str) -> sqlite3.Connection:
    base = sqlite3.connect(
        f"{place.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=10
    )
    base.execute("PRAGMA trusted_schema=OFF")
    return base


def _version(base: sqlite3.Connection) -> None:
    try:
        version = base.execute("PRAGMA user_version").fetchone()[0]
    except (sqlite3.DatabaseError, UnicodeError) as error:
        raise damaged(str(error)) from error
    if version != VERSION:
        raise StateFolderError(
            "the journal is of another rocm-patch",
            cause=f"its form is {version}, this one knows {VERSION}",
            step="use the rocm-patch that wrote it",
        )


def reserve(fs: RootFs) -> None:
    """Take room on the disk that `release` gives back."""
    fs.write(f"{FOLDER}/reserve", iter([bytes(RESERVE)]), Meta(0o600, os.geteuid(), os.getegid()))


def release(fs: RootFs) -> None:
    """Give the reserved room back."""
    fs.remove(f"{FOLDER}/reserve")


def _unsafe(path: str, cause: str) -> StateFolderError:
    return StateFolderError(
        f"{path} is not safe to use",
        cause=cause,
        step="see who made it, move it away, and give the folder to root: chown root, chmod 0755",
    )
