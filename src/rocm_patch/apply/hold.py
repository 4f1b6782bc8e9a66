"""Holds packages through the root's manager; undoes it hold by hold where the lists changed since."""

from __future__ import annotations

from typing import Any

from rocm_patch.apply.context import Context
from rocm_patch.apply.files import items
from rocm_patch.apply.managers import manager_of
from rocm_patch.apply.snapshot import Entry, look, put_back, take
from rocm_patch.errors import ApplyError
from rocm_patch.plan.actions import Hold

_MARGIN = 8 << 20


class HoldHandler:
    """Holds packages, or lets them go."""

    def __init__(self, action: Hold, ctx: Context) -> None:
        """Find the root's manager."""
        self.action = action
        self.ctx = ctx
        self.manager = manager_of(ctx)
        #: Packages that an earlier step of the same transaction installs.
        self.coming: frozenset[str] = frozenset()

    def check(self) -> list[str]:
        """Ask for locks, and for the packages."""
        lock = self.manager.lock_holder()
        if lock is not None:
            return [f"{lock[0]} is held by process {lock[1] or '?'}: {self.manager.name} works just now"]
        there = {name.partition(":")[0] for name in self.manager.installed()}
        missing = [name for name in self.action.packages if name not in {*there, *self.coming}]
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
