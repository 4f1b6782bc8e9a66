"""kill -9 at every point of applying, rolling back and recovering.

The next call finishes or undoes, byte for byte.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.apply.kit import Tree, apply, describe, file_actions, killed_at, make_root, options, recover

from rocm_patch.apply import engine


@pytest.fixture
def start(room: Path) -> Path:
    return make_root(room / "start")


def fresh(start: Path, name: str = "victim") -> Path:
    victim = start.with_name(name)
    shutil.rmtree(victim, ignore_errors=True)
    shutil.copytree(start, victim, symlinks=True)
    return victim


def every_point(
    start: Path, work: Callable[[Path], object], settle: Callable[[Path], object], states: list[Tree]
) -> tuple[int, list[int]]:
    """Kill `work` at each point on a fresh copy, settle, and see one of the states.

    Give the points, and which state came when.
    """
    number, seen = 0, []
    while True:
        number += 1
        victim = fresh(start)
        killed = killed_at(number, lambda victim=victim: work(victim))  # type: ignore[misc]
        settle(victim)
        found = describe(victim)
        assert found in states, (
            f"neither state after a kill at point {number}: {difference(found, states[-1])}"
        )
        seen.append(states.index(found))
        assert not list(victim.rglob("*.rocm-patch~")), "a half written file stayed"
        assert not (victim / "var/lib/rocm-patch/reserve").exists()
        if not killed:
            return number - 1, seen


def difference(one: Tree, other: Tree) -> list[str]:
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


def test_kill_while_applying(start: Path) -> None:
    before = describe(start)
    applied = fresh(start, "applied")
    apply(applied, file_actions())

    def unapplied(tree: Tree) -> Tree:
        # Dates of files that were written anew are of now; all else counts.
        return {key: (*value[:4], *value[5:]) if len(value) > 6 else value for key, value in tree.items()}

    points, seen = 0, []
    while True:
        points += 1
        victim = fresh(start)
        killed = killed_at(points, lambda victim=victim: apply(victim, file_actions()))  # type: ignore[misc]
        recover(victim)
        found = describe(victim)
        done = unapplied(found) == unapplied(describe(applied))
        assert done or found == before, (
            f"neither old nor new after a kill at point {points}: {difference(found, before)}"
        )
        seen.append(done)
        assert not list(victim.rglob("*.rocm-patch~")), "a half written file stayed"
        if not killed:
            break
    assert points > 90
    assert seen == sorted(seen), "once applied, never undone"
    assert seen[-1] is True


def test_kill_while_rolling_back(start: Path) -> None:
    before = describe(start)
    applied = fresh(start, "applied")
    apply(applied, file_actions())
    after = describe(applied)
    points, seen = every_point(
        applied, lambda victim: engine.rollback(options(victim)), recover, [after, before]
    )
    assert points > 40
    assert seen == sorted(seen), "once decided, never undone"


def test_kill_while_recovering(start: Path) -> None:
    """The call that settles a cut off run may be killed as well."""
    before = describe(start)
    half = fresh(start, "half")
    number = 0
    while not (half / "etc/modprobe.d/old.conf").read_text().startswith("options amdgpu cwsr"):
        number += 1
        half = fresh(start, "half")
        assert killed_at(number, lambda half=half: apply(half, file_actions()))  # type: ignore[misc]

    points, _ = every_point(half, recover, recover, [before])
    assert points > 30
