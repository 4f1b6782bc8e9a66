"""The journal of one root: every transaction, its steps, what happened, in SQLite (WAL, synchronous=FULL).

A line is on the disk before the deed that it announces. The folder that holds it must
be root's own: no link on the way, nothing that others may write. Knows nothing of actions.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from rocm_patch.apply.points import reached
from rocm_patch.apply.rootfs import LinkError, Meta, RootFs
from rocm_patch.apply.snapshot import REPAIR
from rocm_patch.errors import BusyError, CheckError, StateFolderError

FOLDER = "/var/lib/rocm-patch"
VERSION = 1
#: Room that is set free when a full disk stops a run, so that undoing can write its lines.
RESERVE = 1 << 20
_TEXT_LIMIT = 16_000
_TABLES = """
CREATE TABLE transactions(
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, begun REAL NOT NULL, ended REAL,
  plan TEXT NOT NULL, digest TEXT NOT NULL, who TEXT NOT NULL, note TEXT NOT NULL DEFAULT '');
CREATE TABLE steps(
  tx INTEGER NOT NULL, n INTEGER NOT NULL, rule TEXT NOT NULL, action TEXT NOT NULL, state TEXT NOT NULL,
  before TEXT NOT NULL DEFAULT '{}', after TEXT NOT NULL DEFAULT '{}', PRIMARY KEY (tx, n));
CREATE TABLE events(
  n INTEGER PRIMARY KEY, time REAL NOT NULL, tx INTEGER, step INTEGER, what TEXT NOT NULL,
  data TEXT NOT NULL);
CREATE TABLE verifications(
  n INTEGER PRIMARY KEY, time REAL NOT NULL, ok INTEGER NOT NULL, findings TEXT NOT NULL);
CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE notices(
  n INTEGER PRIMARY KEY, time REAL NOT NULL, what TEXT NOT NULL, settled INTEGER NOT NULL DEFAULT 0);
"""
#: States of a transaction. Only the first four are unfinished.
UNFINISHED = ("open", "acting", "verifying", "undoing")


@attrs.frozen
class Transaction:
    """One run that changed something, or tried to."""

    id: int
    kind: str
    state: str
    begun: float
    ended: float | None
    plan: Any
    digest: str
    who: str
    note: str


@attrs.frozen
class Step:
    """One action of a transaction; before and after are what its handler keeps."""

    tx: int
    n: int
    rule: str
    action: Any
    state: str
    before: Any
    after: Any


class Journal:
    """The opened journal. Every change of it is committed, and on the disk, when its method returns."""

    def __init__(self, fs: RootFs, base: sqlite3.Connection, *, readonly: bool) -> None:
        """Use `open_journal`."""
        self.fs = fs
        self.base = base
        self.readonly = readonly

    def close(self) -> None:
        """Close the base; its WAL is folded in."""
        self.base.close()

    def begin(self, kind: str, plan: Any, digest: str, who: str, steps: list[tuple[str, Any]]) -> int:
        """Note a transaction and its steps, of which none is begun."""
        with self._change("begin"):
            cursor = self.base.execute(
                "INSERT INTO transactions(kind, state, begun, plan, digest, who) "
                "VALUES (?, 'open', ?, ?, ?, ?)",
                (kind, time.time(), _text(plan), digest, who),
            )
            tx = int(cursor.lastrowid or 0)
            rows = [
                (tx, number, rule, _text(action), "planned") for number, (rule, action) in enumerate(steps)
            ]
            self.base.executemany(
                "INSERT INTO steps(tx, n, rule, action, state) VALUES (?, ?, ?, ?, ?)", rows
            )
            self._event(tx, None, f"begin {kind}", {"steps": len(steps)})
        return tx

    def move(self, tx: int, state: str, note: str | None = None) -> None:
        """Bring a transaction into another state."""
        with self._change(f"transaction {state}"):
            ended = None if state in UNFINISHED else time.time()
            self.base.execute(
                "UPDATE transactions SET state = ?, ended = ?, note = coalesce(?, note) WHERE id = ?",
                (state, ended, note, tx),
            )
            self._event(tx, None, state, {"note": note} if note else {})

    def step(self, step: Step, state: str, *, before: Any = None, after: Any = None) -> Step:
        """Bring a step into another state, and keep what its handler must know."""
        changed = attrs.evolve(
            step,
            state=state,
            before=step.before if before is None else before,
            after=step.after if after is None else after,
        )
        with self._change(f"step {step.n} {state}"):
            self.base.execute(
                "UPDATE steps SET state = ?, before = ?, after = ? WHERE tx = ? AND n = ?",
                (state, _text(changed.before), _text(changed.after), step.tx, step.n),
            )
            self._event(step.tx, step.n, state, {"rule": step.rule})
        return changed

    def event(self, tx: int | None, what: str, data: Any) -> None:
        """Note what happened: a command and its output, a remark."""
        with self._change(what):
            self._event(tx, None, what, data)

    def verified(self, findings: list[str]) -> None:
        """Note the outcome of a verification."""
        with self._change("verified"):
            self.base.execute(
                "INSERT INTO verifications(time, ok, findings) VALUES (?, ?, ?)",
                (time.time(), not findings, _text(findings)),
            )

    def last_verification(self) -> tuple[float, bool, list[str]] | None:
        """Give time, outcome and findings of the last verification."""
        row = self._one("SELECT time, ok, findings FROM verifications ORDER BY n DESC LIMIT 1")
        return None if row is None else (float(row[0]), bool(row[1]), _list(row[2]))

    def notice(self, what: str) -> None:
        """Keep something that the owner should hear of."""
        with self._change("notice"):
            self.base.execute(
                "INSERT INTO notices(time, what) VALUES (?, ?)", (time.time(), what[:_TEXT_LIMIT])
            )

    def notices(self) -> list[tuple[float, str]]:
        """Give what the owner has not settled yet."""
        return [
            (float(row[0]), str(row[1]))
            for row in self._all("SELECT time, what FROM notices WHERE settled = 0 ORDER BY n")
        ]

    def settle_notices(self) -> None:
        """Take all notices as dealt with."""
        with self._change("notices settled"):
            self.base.execute("UPDATE notices SET settled = 1 WHERE settled = 0")

    def setting(self, name: str, default: str = "") -> str:
        """Give a choice of the owner's."""
        row = self._one("SELECT value FROM settings WHERE name = ?", (name,))
        return default if row is None else str(row[0])

    def set(self, name: str, value: str) -> None:
        """Keep a choice of the owner's."""
        with self._change(f"setting {name}"):
            self.base.execute(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                (name, value),
            )

    def transactions(self, *states: str) -> list[Transaction]:
        """Give the transactions in these states (all, without any), the oldest first."""
        columns = "id, kind, state, begun, ended, plan, digest, who, note"
        rows = self._all(f"SELECT {columns} FROM transactions ORDER BY id")  # noqa: S608  # one text
        found = [
            Transaction(row[0], row[1], row[2], row[3], row[4], _data(row[5]), row[6], row[7], row[8])
            for row in rows
        ]
        return [one for one in found if not states or one.state in states]

    def steps(self, tx: int) -> list[Step]:
        """Give a transaction's steps in their order."""
        rows = self._all(
            "SELECT tx, n, rule, action, state, before, after FROM steps WHERE tx = ? ORDER BY n", (tx,)
        )
        return [
            Step(row[0], row[1], row[2], _data(row[3]), row[4], _data(row[5]), _data(row[6])) for row in rows
        ]

    def events(self, tx: int | None = None) -> list[tuple[float, int | None, int | None, str, Any]]:
        """Give what happened, the oldest first."""
        query = "SELECT time, tx, step, what, data FROM events WHERE ?1 IS NULL OR tx = ?1 ORDER BY n"
        rows = self._all(query, (tx,))
        return [(row[0], row[1], row[2], row[3], _data(row[4])) for row in rows]

    def _event(self, tx: int | None, step: int | None, what: str, data: Any) -> None:
        self.base.execute(
            "INSERT INTO events(time, tx, step, what, data) VALUES (?, ?, ?, ?, ?)",
            (time.time(), tx, step, what[:400], _text(data)),
        )

    @contextmanager
    def _change(self, what: str) -> Iterator[None]:
        """Commit what is inside, or nothing of it; a kill may come on either side."""
        reached(f"before: {what}")
        self.base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.base.execute("COMMIT")
        except BaseException:
            if self.base.in_transaction:
                self.base.execute("ROLLBACK")
            raise
        reached(f"noted: {what}")

    def _all(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self.base.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _damaged(str(error)) from error

    def _one(self, query: str, values: tuple[Any, ...] = ()) -> Any:
        rows = self._all(query, values)
        return rows[0] if rows else None


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
    except sqlite3.DatabaseError as error:
        base.close()
        raise _damaged(str(error)) from error
    except BaseException:
        base.close()
        raise
    return base


def tables(base: sqlite3.Connection) -> None:
    """Make the tables in an empty base, all or none."""
    base.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.strip().split(";\n"):
        base.execute(statement)
    base.execute(f"PRAGMA user_version = {VERSION}")
    base.execute("COMMIT")


def _sqlite(place: Path, mode: str) -> sqlite3.Connection:
    base = sqlite3.connect(
        f"{place.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=10
    )
    base.execute("PRAGMA trusted_schema=OFF")
    return base


def _version(base: sqlite3.Connection) -> None:
    try:
        version = base.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise _damaged(str(error)) from error
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


def _text(data: Any) -> str:
    return json.dumps(data, ensure_ascii=True, separators=(",", ":"))


def _data(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise _damaged("a field is no JSON") from error


def _list(text: Any) -> list[str]:
    data = _data(text)
    return [str(one) for one in data] if isinstance(data, list) else []


def _damaged(cause: str) -> StateFolderError:
    return StateFolderError("the journal cannot be read", cause=cause, step=REPAIR)


def _unsafe(path: str, cause: str) -> StateFolderError:
    return StateFolderError(
        f"{path} is not safe to use",
        cause=cause,
        step="see who made it, move it away, and give the folder to root: chown root, chmod 0755",
    )


__all__ = [
    "FOLDER",
    "UNFINISHED",
    "Journal",
    "LinkError",
    "Step",
    "Transaction",
    "open_journal",
    "read_journal",
    "release",
    "reserve",
]
