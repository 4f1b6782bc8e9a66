"""Installs and removes packages, and undoes it.

What a package brings or loses is kept as files, and so are the manager's own databases:
undoing lets the manager take new packages away (their scripts run), then puts every file
back as it was. Where other packages have changed since, the databases are not put back;
the manager then installs the versions of then.
"""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from typing import Any

from rocm_patch.apply.context import CommandError, Context
from rocm_patch.apply.files import items
from rocm_patch.apply.managers import Changes, Manager, manager_of
from rocm_patch.apply.managers.base import find
from rocm_patch.apply.points import reached
from rocm_patch.apply.snapshot import Entry, look, put_back, take
from rocm_patch.detect.tree import Tree
from rocm_patch.errors import ApplyError, AuditError, ChangedSinceError, UndoError
from rocm_patch.plan.actions import Packages
from rocm_patch.plan.repository import setup_line, suite_for

_MARGIN = 8 << 20
_SHOWN = 6


class PackagesHandler:
    """Installs and removes packages."""

    def __init__(self, action: Packages, ctx: Context) -> None:
        """Find the root's manager when it is needed."""
        self.action = action
        self.ctx = ctx
        self._manager: Manager | None = None
        self._changes: Changes | None = None
        self._wishes = list(action.install)
        self._folders: dict[str, str] = {}

    @property
    def manager(self) -> Manager:
        """Give the root's manager."""
        if self._manager is None:
            self._manager = manager_of(self.ctx)
        return self._manager

    def changes(self) -> Changes:
        """Work out what the manager would do."""
        if self._changes is None:
            remove = list(self.action.remove)
            self._changes = self.manager.resolve(self._wishes, remove)
            self._wishes, others = self._exact(self._changes)
            if others:
                self._changes = self.manager.resolve(self._wishes, remove)
        return self._changes

    def _exact(self, changes: Changes) -> tuple[list[str], bool]:
        """Ask for ours by its very version, where an action says what ours are like.

        True where these are others than the manager would have taken.
        AMD's own guide has its repository pinned above all others, and zypper stays with a
        package's vendor: by its name alone the stock package would win.
        """
        pattern = self.action.version
        if pattern is None:
            return self._wishes, False
        found, others = [], False
        for wish in self._wishes:
            name, _, version = wish.partition("=")
            coming = version or _coming(changes, name)
            if not fnmatchcase(coming, pattern):
                coming = next((one for one in self.manager.offered(name) if fnmatchcase(one, pattern)), "")
                others = others or bool(coming)
            found.append(f"{name}={coming}" if coming else wish)
        return found, others

    def _refused(self, changes: Changes) -> list[str]:
        """Say which wishes come to nothing, or to a package of somebody else: done, it would look done."""
        manager, pattern = self.manager.name, self.action.version or "*"
        coming_to = {name: _coming(changes, name) for name in self._names(self._wishes)}
        if changes and (
            self.action.version is None or all(fnmatchcase(one, pattern) for one in coming_to.values())
        ):
            return []
        now = self.manager.installed()
        found = []
        for name, coming in coming_to.items() if self.action.version else []:
            old = now.get(find(now, name) or "", "")
            if not fnmatchcase(coming or old, pattern):
                would = f"install {name} {coming}" if coming else f"leave {name} at {old or 'nothing'}"
                found.append(f"{manager} would {would}, and knows no {name} {pattern} of this project")
        if found:
            return [*found, self._setup()]
        if not changes:
            named = [*self._names(self._wishes), *self.action.remove]
            are = [f"{one} is {now.get(find(now, one) or '', 'not installed')}" for one in named]
            return [f"{manager} has nothing to change, so it would be no cure: {', '.join(are)}"]
        return []

    def _setup(self) -> str:
        """Say how ours can be had."""
        suite = suite_for(
            self.manager.name, amd=not any(name.startswith("lib") for name in self.action.install)
        )
        return f"set this project's repository up (docs/install.md): {setup_line(self.manager.name, suite)}"

    @staticmethod
    def _names(wishes: list[str]) -> list[str]:
        return [wish.partition("=")[0] for wish in wishes]

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
                cure = [self._setup()] if self.action.version else []
                return [f"{self.manager.name} has no way: {error.cause}", *error.detail, *cure]
            kept = sorted(
                name for name in changes.touched() if name in held or name.partition(":")[0] in held
            )
        if kept:
            return [f"{', '.join(kept)} is held; let it go first: rocm-patch unhold {' '.join(kept)}"]
        return self._refused(changes)

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
        if folder not in self._folders:
            self._folders[folder] = self._real_folder(folder)
        return f"{self._folders[folder]}/{name}"

    def _real_folder(self, folder: str) -> str:
        """Resolve the part that is there; what is to come below it has no links yet."""
        if not folder:
            return ""
        real = Tree(self.ctx.fs.root).resolve(folder)
        if real is not None:
            return real.rstrip("/")
        above, _, name = folder.rpartition("/")
        return f"{self._real_folder(above)}/{name}"

    def prepare(self) -> dict[str, Any]:
        """Download, then keep all that will change."""
        changes = self.changes()
        self.ctx.progress(f"{self.manager.name} downloads {_listed(changes)}")
        brought = self.manager.fetch(self._wishes, list(self.action.remove), changes)
        reached("packages downloaded")
        paths = {self._real(path) for listed in brought.values() for path in listed}
        names = changes.touched()
        paths |= {self._real(path) for name in names for path in self.manager.files(name)}
        own = {path for name in (*names, *changes.new) for path in self.manager.own_files(name)}
        entries: dict[str, Entry] = {}
        self.ctx.progress(f"keeping {len(paths | own)} files as they are now")
        for path in sorted(paths | own):
            if (entry := look(self.ctx.fs, path)).kind == "folder":
                entries.setdefault(path, entry)
                continue
            for one in take(self.ctx.fs, path, self.ctx.store):
                entries.setdefault(one.path, one)
        database: dict[str, Entry] = {}
        for path in self.manager.database():
            for one in take(self.ctx.fs, self._real(path), self.ctx.store):
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
        self.ctx.progress(f"{self.manager.name} installs and removes")
        self.manager.act(self._wishes, list(self.action.remove))
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
        if found or self.ctx.quick:
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

        self.ctx.progress(f"reading the GPU code of {len(after.get('digests', {}))} installed files")

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


def _listed(changes: Changes) -> str:
    """Name some of the packages that change."""
    names = sorted({*changes.new, *changes.other})
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN]) or 'nothing'}{more}"


def _coming(changes: Changes, name: str) -> str:
    """Give the version that a package would come to; empty if nothing would be done to it."""
    if key := find(changes.other, name):
        return changes.other[key][1]
    return changes.new.get(find(changes.new, name) or "", "")
