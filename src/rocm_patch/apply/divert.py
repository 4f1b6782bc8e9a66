"""Puts a file in the place of a package's through dpkg-divert; undoes it whatever an update brought since."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from rocm_patch.apply.context import Context
from rocm_patch.apply.files import items
from rocm_patch.apply.points import reached
from rocm_patch.apply.rootfs import Meta
from rocm_patch.apply.snapshot import Entry, look, put_back, take
from rocm_patch.errors import ChangedSinceError, CheckError
from rocm_patch.plan.actions import Divert

#: Does not begin with `lib`: ldconfig passes it by.
_DIVERTED = "rocm-patch-stock.{}"
_MARGIN = 8 << 20


class DivertHandler:
    """Puts a file in the place of a package's.

    Which dpkg-divert moves aside, so that updates go there too.
    """

    def __init__(self, action: Divert, ctx: Context) -> None:
        """Take the action; where there is no dpkg, check() refuses it."""
        self.action = action
        self.ctx = ctx
        folder, _, name = action.path.rpartition("/")
        self.aside = f"{folder}/{_DIVERTED.format(name)}"

    def _divert(self, *words: str, good: tuple[int, ...] = (0,)) -> None:
        admin = self.ctx.fs.local("/var/lib/dpkg")
        self.ctx.run(
            [
                "dpkg-divert",
                "--admindir",
                str(admin),
                "--instdir",
                str(self.ctx.fs.root),
                "--local",
                "--divert",
                self.aside,
                "--rename",
                *words,
                self.action.path,
            ],
            good=good,
        )

    def check(self) -> list[str]:
        """Ask for dpkg, for the source and its hash."""
        if self.ctx.fs.status("/var/lib/dpkg/status") is None:
            return [f"{self.action.path} can only be moved aside by dpkg; install the replacing package"]
        source = look(self.ctx.fs, self.action.source)
        if source.kind != "file" or source.sha256 != self.action.sha256:
            return [f"{self.action.source} is absent, or not the file that the plan means"]
        if look(self.ctx.fs, self.action.path).kind not in {"file", "absent"}:
            return [f"{self.action.path} is no regular file"]
        return []

    def paths(self) -> list[str]:
        """Name what is touched."""
        return [self.action.path, self.aside, "/var/lib/dpkg/diversions"]

    def room(self) -> int:
        """Say how much is kept and written."""
        sizes = [
            status.st_size
            for path in (self.action.path, self.action.source)
            if (status := self.ctx.fs.status(path))
        ]
        return 2 * sum(sizes) + _MARGIN

    def prepare(self) -> dict[str, Any]:
        """Keep both names, and dpkg's list of diversions."""
        paths = (*self.paths(), "/var/lib/dpkg/diversions-old")
        entries = {one.path: one for path in paths for one in take(self.ctx.fs, path, self.ctx.store)}
        return {"entries": [one.to_json() for one in entries.values()]}

    def do(self, before: dict[str, Any]) -> dict[str, Any]:
        """Move the packaged file aside, then put ours there."""
        old = next(
            (
                one
                for data in items(before, "entries")
                if (one := Entry.from_json(data)).path == self.action.path
            ),
            None,
        )
        self._divert("--add")
        reached("diverted")
        with self.ctx.fs.open(self.action.source) as handle:
            data = b"".join(iter(lambda: os.read(handle, 1 << 20), b""))
        if hashlib.sha256(data).hexdigest() != self.action.sha256:
            raise CheckError(f"{self.action.source} changed", step="call rocm-patch again")
        meta = (
            Meta(old.mode, old.uid, old.gid)
            if old is not None and old.kind == "file"
            else Meta(0o644, os.geteuid(), os.getegid())
        )
        self.ctx.fs.write(self.action.path, iter([data]), meta)
        return {"states": [look(self.ctx.fs, path).to_json() for path in (self.action.path, self.aside)]}

    def undo(self, before: dict[str, Any], after: dict[str, Any], *, later: bool, force: bool) -> None:
        """Take ours away and let dpkg-divert move the packaged file back; it may be a newer one by now."""
        states = {one.path: one for one in (Entry.from_json(data) for data in items(after, "states"))}
        mine = states.get(self.action.path)
        entries = {one.path: one for one in (Entry.from_json(data) for data in items(before, "entries"))}
        now = look(self.ctx.fs, self.action.path)
        if (
            later
            and mine is not None
            and not force
            and not now.same_as(mine)
            and not now.same_as(entries[self.action.path])
        ):
            raise ChangedSinceError(
                f"{self.action.path} was changed since",
                cause="it is not the file that rocm-patch put there",
                step="give --force",
            )
        aside = states.get(self.aside)
        if (
            later
            and aside is not None
            and look(self.ctx.fs, self.aside).kind == "file"
            and not look(self.ctx.fs, self.aside).same_as(aside)
        ):
            # An update came meanwhile: what it brought must stay.
            self.ctx.fs.remove(self.action.path)
            self._divert("--remove")
            return
        for path in (self.aside, self.action.path, "/var/lib/dpkg/diversions-old"):
            if path in entries:
                put_back(self.ctx.fs, entries[path], self.ctx.store)
        self._forget(entries, later=later)

    def _forget(self, entries: dict[str, Entry], *, later: bool) -> None:
        """Take the diversion out of dpkg's list.

        The list of before, or only our three lines of a list that changed.
        """
        path = "/var/lib/dpkg/diversions"
        lines = (self.ctx.fs.read(path) or b"").decode("utf-8", "surrogateescape").splitlines(keepends=True)
        groups = [lines[number : number + 3] for number in range(0, len(lines), 3)]
        kept = "".join(
            "".join(group) for group in groups if group[:2] != [f"{self.action.path}\n", f"{self.aside}\n"]
        )
        before = entries.get(path)
        if before is None:
            return
        digest = hashlib.sha256(kept.encode("utf-8", "surrogateescape")).hexdigest()
        if not later or before.kind == "absent" or digest == before.sha256:
            put_back(self.ctx.fs, before, self.ctx.store)
        else:
            self.ctx.fs.write(
                path,
                iter([kept.encode("utf-8", "surrogateescape")]),
                Meta(before.mode, before.uid, before.gid),
            )

    def verify(self, after: dict[str, Any], superseded: frozenset[str] = frozenset()) -> list[str]:
        """Say whether ours is still there."""
        states = [Entry.from_json(one) for one in items(after, "states")]
        return [
            f"{one.path} is not as it was left"
            for one in states
            if one.path == self.action.path
            and one.path not in superseded
            and not look(self.ctx.fs, one.path).same_as(one)
        ]
