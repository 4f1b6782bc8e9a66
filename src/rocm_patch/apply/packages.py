"""The actions that a package manager does: packages, holds, and files moved aside for ours.

What a package brings or loses is kept as files, and so are the manager's own databases:
undoing lets the manager take new packages away (their scripts run), then puts every file
back as it was. Where other packages have changed since, the databases are not put back;
the manager then installs the versions of then.
"""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any

from rocm_patch.apply.context import CommandError, Context
from rocm_patch.apply.files import _items as items
from rocm_patch.apply.managers import Changes, Manager, manager_of
from rocm_patch.apply.points import reached
from rocm_patch.apply.rootfs import Meta
from rocm_patch.apply.snapshot import Entry, look, put_back, take
from rocm_patch.detect.tree import Tree
from rocm_patch.errors import ApplyError, AuditError, ChangedSinceError, CheckError, UndoError
from rocm_patch.plan.actions import Divert, Hold, Packages

#: Does not begin with `lib`: ldconfig passes it by.
_DIVERTED = "rocm-patch-stock.{}"
_MARGIN = 8 << 20


class PackagesHandler:
    """Installs and removes packages."""

    def __init__(self, action: Packages, ctx: Context) -> None:
        """Find the root's manager when it is needed."""
        self.action = action
        self.ctx = ctx
        self._manager: Manager | None = None
        self._changes: Changes | None = None

    @property
    def manager(self) -> Manager:
        """Give the root's manager."""
        if self._manager is None:
            self._manager = manager_of(self.ctx)
        return self._manager

    def changes(self) -> Changes:
        """Work out what the manager would do."""
        if self._changes is None:
            self._changes = self.manager.resolve(list(self.action.install), list(self.action.remove))
        return self._changes

    def check(self) -> list[str]:
        """Ask for locks and holds, and whether the manager has a way at all."""
        lock = self.manager.lock_holder()
        if lock is not None:
            return [f"{lock[0]} is held by process {lock[1] or '?'}: {self.manager.name} works just now"]
        held = self.manager.held()
        wished = {*(wish.partition("=")[0] for wish in self.action.install), *self.action.remove}
        kept = sorted(name for name in held if name in wished or name.partition(":")[0] in wished)
        if not kept:
            try:
                changes = self.changes()
            except CommandError as error:
                return [f"{self.manager.name} has no way: {error.cause}"]
            kept = sorted(
                name for name in changes.touched() if name in held or name.partition(":")[0] in held
            )
        if kept:
            return [f"{', '.join(kept)} is held; let it go first: rocm-patch unhold {' '.join(kept)}"]
        return []

    def paths(self) -> list[str]:
        """Name the databases, so that a read-only disk is noticed."""
        return self.manager.database()[:1]

    def room(self) -> int:
        """Say how much is kept: the files of packages that change."""
        total = _MARGIN
        for name in self.changes().touched():
            for path in self.manager.files(name):
                status = self.ctx.fs.status(self._real(path))
                total += status.st_size if status else 0
        return total

    def _real(self, path: str) -> str:
        """Follow links among the folders above a path inside the root, as package managers do."""
        folder, _, name = path.rpartition("/")
        real = Tree(self.ctx.fs.root).resolve(folder) if folder else "/"
        return f"{(real or folder).rstrip('/')}/{name}"

    def prepare(self) -> dict[str, Any]:
        """Download, then keep all that will change."""
        changes = self.changes()
        if not changes:
            return {"changes": {}, "entries": [], "database": [], "packages": {}}
        brought = self.manager.fetch(list(self.action.install), list(self.action.remove), changes)
        reached("packages downloaded")
        paths = {self._real(path) for listed in brought.values() for path in listed}
        names = changes.touched()
        paths |= {self._real(path) for name in names for path in self.manager.files(name)}
        own = {path for name in (*names, *changes.new) for path in self.manager.own_files(name)}
        entries: dict[str, Entry] = {}
        for path in sorted(paths | own):
            if (entry := look(self.ctx.fs, path)).kind == "folder":
                entries.setdefault(path, entry)
                continue
            for one in take(self.ctx.fs, path, self.ctx.store):
                entries.setdefault(one.path, one)
        database: dict[str, Entry] = {}
        for path in self.manager.database():
            for one in take(self.ctx.fs, path, self.ctx.store):
                database.setdefault(one.path, one)
        return {
            "changes": {
                "new": changes.new,
                "other": {name: list(pair) for name, pair in changes.other.items()},
                "gone": changes.gone,
            },
            "entries": [one.to_json() for one in entries.values()],
            "database": [one.to_json() for one in database.values()],
            "packages": self.manager.installed(),
            "held": sorted(self.manager.held()),
        }

    def do(self, before: dict[str, Any]) -> dict[str, Any]:
        """Let the manager act, and see that it did no more than it said."""
        if not before["changes"]:
            return {"packages": {}, "versions": {}}
        self.manager.act(list(self.action.install), list(self.action.remove))
        now = self.manager.installed()
        changed = {
            name for name in {*now, *before["packages"]} if now.get(name) != before["packages"].get(name)
        }
        told = {
            name.partition(":")[0] for part in ("new", "other", "gone") for name in before["changes"][part]
        }
        more = sorted(name for name in changed if name.partition(":")[0] not in told)
        if more:
            raise ApplyError(
                f"{self.manager.name} changed more than it had said",
                cause=", ".join(more),
                step="see rocm-patch history",
            )
        return {
            "packages": now,
            "versions": {name: now.get(name, "") for name in changed},
            "digests": self._digests(sorted(name for name in changed if name in now)),
        }

    def _digests(self, names: list[str]) -> dict[str, str]:
        """Hash the installed packages' GPU libraries and kernels, so that a replaced file is noticed."""
        found = {}
        for name in names:
            for path in self.manager.files(name):
                real = self._real(path)
                status = self.ctx.fs.status(real)
                if status is not None and (entry := look(self.ctx.fs, real)).kind == "file":
                    found[real] = entry.sha256
        return found

    def undo(self, before: dict[str, Any], after: dict[str, Any], *, later: bool, force: bool) -> None:
        """Take new packages away, put old files and databases back.

        Or ask the manager, where others came since.
        """
        if not before.get("changes"):
            return
        self._wait_for_manager()
        self.manager.settle()
        changes = before["changes"]
        told = {name.partition(":")[0] for part in ("new", "other", "gone") for name in changes.get(part, {})}
        now = self.manager.installed()
        moved = {
            name for name in {*now, *before["packages"]} if now.get(name) != before["packages"].get(name)
        }
        foreign = sorted(name for name in moved if name.partition(":")[0] not in told)
        versions = dict(after.get("versions", {}))
        was = before["packages"]
        # What is as it was before is what an undoing that was cut off had done already.
        ours = sorted(
            name
            for name, version in versions.items()
            if now.get(name, "") not in {version, was.get(name, "")}
        )
        if later and ours and not force:
            raise ChangedSinceError(
                f"{', '.join(ours)} is of another version than rocm-patch installed",
                cause="an update replaced it since",
                step="rocm-patch rollback --force goes back to what was there before rocm-patch",
            )
        if foreign or (later and ours):
            self._through_manager(changes)
            return
        self.manager.purge(list(changes.get("new", {})))
        reached("new packages purged")
        self._put_back(before)

    def _wait_for_manager(self) -> None:
        """Let a manager that outlived us end first: what it still writes could not be put back."""
        end = time.monotonic() + self.ctx.patience
        while (lock := self.manager.lock_holder()) is not None:
            if time.monotonic() >= end:
                raise UndoError(
                    f"{self.manager.name} still works",
                    cause=f"process {lock[1] or '?'} holds {lock[0]}",
                    step="wait for its end, or end it, then call rocm-patch again: it goes on from here",
                )
            time.sleep(0.2)

    def _through_manager(self, changes: dict[str, Any]) -> None:
        """Leave the databases alone: they know of packages that came since."""
        wanted = {name: pair[0] for name, pair in changes.get("other", {}).items()} | changes.get("gone", {})
        try:
            self.manager.back_to(wanted, list(changes.get("new", {})))
        except CommandError as error:
            offered = ", ".join(f"{name} {version}" for name, version in wanted.items())
            raise UndoError(
                "the packages of before cannot be installed again",
                cause=error.cause,
                detail=error.detail,
                step=f"have a repository offer {offered}, then call rocm-patch rollback again",
            ) from error
        now = self.manager.installed()
        wrong = [name for name, version in wanted.items() if now.get(name) != version]
        wrong += [name for name in changes.get("new", {}) if name in now]
        if wrong:
            raise UndoError(
                f"{', '.join(wrong)} is not as before",
                cause=f"{self.manager.name} did not bring it back",
                step="see rocm-patch history",
            )

    def _put_back(self, before: dict[str, Any]) -> None:
        entries = [Entry.from_json(one) for one in items(before, "entries")]
        for entry in entries:
            for path in self.manager.leftovers(entry.path) if entry.kind != "folder" else []:
                self.ctx.fs.remove(path)
        fresh = {path for name in before["changes"].get("new", {}) for path in self.manager.own_files(name)}
        fresh |= {
            path for name in before["changes"].get("other", {}) for path in self.manager.own_files(name)
        }
        for path in sorted(fresh - {entry.path for entry in entries}):
            self.ctx.fs.remove(path)
        for entry in reversed(entries):
            if entry.kind == "absent":
                put_back(self.ctx.fs, entry, self.ctx.store)
        for entry in entries:
            if entry.kind != "absent":
                put_back(self.ctx.fs, entry, self.ctx.store)
        self._databases(before)
        now = self.manager.installed()
        # Asking may have written: rpm's database leaves files of its own beside it.
        self._databases(before)
        wrong = sorted(
            name for name in {*now, *before["packages"]} if now.get(name) != before["packages"].get(name)
        )
        if wrong:
            raise UndoError(
                f"{', '.join(wrong)} is not as before",
                cause=f"{self.manager.name}'s database does not say what it said",
                step="see rocm-patch history",
            )

    def _databases(self, before: dict[str, Any]) -> None:
        for data in reversed(items(before, "database")):
            put_back(self.ctx.fs, Entry.from_json(data), self.ctx.store)

    def verify(self, after: dict[str, Any], superseded: frozenset[str] = frozenset()) -> list[str]:
        """Compare versions and files, and read which targets the installed code is for."""
        if not after.get("packages"):
            return []
        now = self.manager.installed()
        found = [
            f"{name} is {now.get(name) or 'gone'}, and was {version or 'taken away'}"
            for name, version in sorted(after.get("versions", {}).items())
            if now.get(name, "") != version and name not in superseded
        ]
        if found:
            return found
        for path, digest in after.get("digests", {}).items():
            if path in superseded:
                continue
            entry = look(self.ctx.fs, path)
            if entry.sha256 != digest:
                found.append(f"{path} is not the installed file")
        return found or self._audit(after, superseded)

    def _audit(self, after: dict[str, Any], superseded: frozenset[str]) -> list[str]:
        """Have the audit read the installed files; every one with GPU code must be for the target."""
        target = self.action.target
        if target is None or superseded & after.get("digests", {}).keys():
            return []
        from rocm_patch.audit.audit import targets_in  # noqa: PLC0415  # only where GPU code was installed

        found, right = [], 0
        for path in after.get("digests", {}):
            if not path.endswith((".hsaco", ".co", ".dat")) and ".so" not in path:
                continue
            try:
                targets = targets_in(self.ctx.fs.local(path))
            except AuditError as error:
                found.append(f"{path} cannot be read: {error.what}")
                continue
            if target in targets:
                right += 1
            elif targets and ".so" in path:
                found.append(f"{path} holds code for {', '.join(sorted(targets))}, and none for {target}")
        if not right and not found:
            found.append(f"none of the installed files holds code for {target}")
        return found


class HoldHandler:
    """Holds packages, or lets them go."""

    def __init__(self, action: Hold, ctx: Context) -> None:
        """Find the root's manager."""
        self.action = action
        self.ctx = ctx
        self.manager = manager_of(ctx)

    def check(self) -> list[str]:
        """Ask for locks, and for the packages."""
        lock = self.manager.lock_holder()
        if lock is not None:
            return [f"{lock[0]} is held by process {lock[1] or '?'}: {self.manager.name} works just now"]
        there = {name.partition(":")[0] for name in self.manager.installed()}
        missing = [name for name in self.action.packages if name not in there]
        return [f"{', '.join(missing)} is not installed"] if missing else []

    def paths(self) -> list[str]:
        """Name the lists of holds."""
        return self.manager.hold_files()

    @staticmethod
    def room() -> int:
        """Say that it is little."""
        return _MARGIN

    def prepare(self) -> dict[str, Any]:
        """Keep the lists, and who is held."""
        entries = [
            one for path in self.manager.hold_files() for one in take(self.ctx.fs, path, self.ctx.store)
        ]
        return {
            "entries": [one.to_json() for one in entries],
            "held": sorted(self.manager.held()),
            "packages": self.manager.installed(),
        }

    def do(self, before: dict[str, Any]) -> dict[str, Any]:
        """Hold, and see that they are held."""
        del before
        self.manager.hold(list(self.action.packages), on=self.action.on)
        held = self.manager.held()
        wrong = [
            name
            for name in self.action.packages
            if (name in {one.partition(":")[0] for one in held}) is not self.action.on
        ]
        if wrong:
            raise ApplyError(
                f"{', '.join(wrong)} is {'not held' if self.action.on else 'still held'}",
                cause=f"{self.manager.name} did not do it",
                step="see rocm-patch history",
            )
        return {
            "held": sorted(held),
            "states": [look(self.ctx.fs, path).to_json() for path in self.manager.hold_files()],
        }

    def undo(self, before: dict[str, Any], after: dict[str, Any], *, later: bool, force: bool) -> None:
        """Put the lists back where nothing else has changed them since; else turn each hold around."""
        del force
        states = [Entry.from_json(one) for one in items(after, "states")]
        same = all(look(self.ctx.fs, one.path).same_as(one) for one in states)
        entries = [Entry.from_json(one) for one in items(before, "entries")]
        same = same or all(look(self.ctx.fs, one.path).same_as(one) for one in entries)
        if later and not same:
            was = {name.partition(":")[0] for name in before.get("held", [])}
            turned = [name for name in self.action.packages if (name in was) is not self.action.on]
            self.manager.hold(turned, on=not self.action.on)
            return
        for entry in reversed(entries):
            put_back(self.ctx.fs, entry, self.ctx.store)

    def verify(self, after: dict[str, Any], superseded: frozenset[str] = frozenset()) -> list[str]:
        """Say which hold is gone."""
        del after
        held = {name.partition(":")[0] for name in self.manager.held()}
        return [
            f"{name} is {'no longer held' if self.action.on else 'held again'}"
            for name in self.action.packages
            if (name in held) is not self.action.on and f"hold {name}" not in superseded
        ]


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
