"""The journal of one root: every transaction, its steps, what happened, in SQLite (WAL, synchronous=FULL).

A line is on the disk before the deed that it announces. Knows
nothing of actions, nor of how its folder is kept safe.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import attrs

from rocm_patch.apply.points import reached
from rocm_patch.apply.rootfs import RootFs
from rocm_patch.apply.snapshot import REPAIR
from rocm_patch.errors import ApplyError, StateFolderError

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
_KINDS: dict[str, Any] = {"n": int, "f": (int, float), "t": str}
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
        row = self._one("SELECT time, ok, findings FROM verifications ORDER BY n DESC LIMIT 1", "fnt")
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
            for row in self._all("SELECT time, what FROM notices WHERE settled = 0 ORDER BY n", "ft")
        ]

    def settle_notices(self) -> None:
        """Take all notices as dealt with."""
        with self._change("notices settled"):
            self.base.execute("UPDATE notices SET settled = 1 WHERE settled = 0")

    def setting(self, name: str, default: str = "") -> str:
        """Give a choice of the owner's."""
        row = self._one("SELECT value FROM settings WHERE name = ?", "t", (name,))
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
        query = f"SELECT {columns} FROM transactions ORDER BY id"  # noqa: S608  # one text
        rows = self._all(query, "nttfFtttt")
        found = [
            Transaction(row[0], row[1], row[2], row[3], row[4], _data(row[5]), row[6], row[7], row[8])
            for row in rows
        ]
        return [one for one in found if not states or one.state in states]

    def steps(self, tx: int) -> list[Step]:
        """Give a transaction's steps in their order."""
        rows = self._all(
            "SELECT tx, n, rule, action, state, before, after FROM steps WHERE tx = ? ORDER BY n",
            "nnttttt",
            (tx,),
        )
        return [
            Step(row[0], row[1], row[2], _data(row[3]), row[4], _data(row[5]), _data(row[6])) for row in rows
        ]

    def events(self, tx: int | None = None) -> list[tuple[float, int | None, int | None, str, Any]]:
        """Give what happened, the oldest first."""
        query = "SELECT time, tx, step, what, data FROM events WHERE ?1 IS NULL OR tx = ?1 ORDER BY n"
        rows = self._all(query, "fNNtt", (tx,))
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
        try:
            self.base.execute("BEGIN IMMEDIATE")
            yield
            self.base.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                if self.base.in_transaction:
                    self.base.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise ApplyError(
                    "the journal cannot be written",
                    cause=str(error),
                    step="see that the disk has room and can be written",
                ) from error
            if isinstance(error, (sqlite3.DatabaseError, UnicodeError)):
                raise damaged(str(error)) from error
            raise
        reached(f"noted: {what}")

    def _all(self, query: str, kinds: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """Give rows of these kinds of columns: n whole number, f number, t text; in upper case: or none."""
        try:
            rows = self.base.execute(query, values).fetchall()
        except (sqlite3.DatabaseError, UnicodeError, OverflowError) as error:
            raise damaged(str(error)) from error
        for row in rows:
            for value, kind in zip(row, kinds, strict=True):
                if not (isinstance(value, _KINDS[kind.lower()]) or (value is None and kind.isupper())):
                    raise damaged(f"a field holds {type(value).__name__}")
        return rows

    def _one(self, query: str, kinds: str, values: tuple[Any, ...] = ()) -> Any:
        rows = self._all(query, kinds, values)
        return rows[0] if rows else None


def tables(base: sqlite3.Connection) -> None:
    """Make the tables in an empty base, all or none."""
    base.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.strip().split(";\n"):
        base.execute(statement)
    base.execute(f"PRAGMA user_version = {VERSION}")
    base.execute("COMMIT")


def _text(data: Any) -> str:
    return json.dumps(data, ensure_ascii=True, separators=(",", ":"))


def _data(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise damaged("a field is no JSON") from error


def _list(text: Any) -> list[str]:
    data = _data(text)
    return [str(one) for one in data] if isinstance(data, list) else []


def damaged(cause: str) -> StateFolderError:
    """Say that the journal cannot be read."""
    return StateFolderError("the journal cannot be read", cause=cause, step=REPAIR)
