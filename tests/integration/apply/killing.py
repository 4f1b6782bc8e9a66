"""Runs that are cut off by kill -9 at their points: which runs, which points, and what must hold afterwards.

With ROCM_PATCH_EVERY_POINT set each point is tried, otherwise the few that a story names.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from tests.integration.apply.debroot import apt
from tests.integration.apply.rpmroot import manager
from tests.unit.apply.kit import apply, describe, killed_at, options, recover

from rocm_patch.apply import engine, front
from rocm_patch.plan.actions import Hold, Hook, Packages

EVERY = "ROCM_PATCH_EVERY_POINT"
_SNAPSHOT = re.compile(r"/snapshots/\d+/[0-9a-f]{64}")


@attrs.frozen
class Story:
    """A run: what comes before it on the root, what is cut off, and the points that are always tried."""

    title: str
    before: Callable[[str, Path], object]
    work: Callable[[Path], object]
    #: Patterns; the first point that fits each of them.
    few: tuple[str, ...]
    managers: tuple[str, ...] = ("dnf", "zypper")


def _nothing(kind: str, root: Path) -> None:
    del kind, root


def _install(root: Path) -> None:
    apply(root, [("rule", Packages(kind="packages", install=["rocblas", "kernels"]))])


def _installed(kind: str, root: Path) -> None:
    del kind
    _install(root)


def _replaced(kind: str, root: Path) -> None:
    """Let the owner's manager put the stock version in the place of ours."""
    apply(root, [("rule", Packages(kind="packages", install=["rocblas"]))])
    if kind == "apt":
        apt(root, "install", "--allow-downgrades", "rocblas=4.4.0")
    elif kind == "dnf":
        manager(root, kind, "downgrade", "rocblas-4.4.0-47")
    else:
        manager(root, kind, "install", "--oldpackage", "rocblas=4.4.0-47")


def _hold(root: Path) -> None:
    apply(root, [("hold", Hold(kind="hold", packages=["rocblas"]))])


def _hook(root: Path) -> None:
    kind = "zypper" if (root / "etc/zypp").is_dir() else "dnf" if (root / "etc/dnf").is_dir() else "apt"
    apply(root, [("hooks", Hook.model_validate({"kind": "hook", "manager": kind}))])


def _rollback(root: Path) -> None:
    engine.rollback(options(root))


def _again(root: Path) -> None:
    assert front.apply_again(options(root)) is not None


_ALL = ("apt", "dnf", "zypper")
STORIES = {
    "install": Story(
        "an upgrade and two new packages",
        _nothing,
        _install,
        ("packages downloaded", "before: ran", "step 0 is done"),
    ),
    "rollback": Story(
        "rolling that back",
        _installed,
        _rollback,
        ("new packages purged", "half written .*rpmdb.sqlite$"),
    ),
    "hold": Story("holding a package", _nothing, _hold, ("step 0 begins", "step 0 is done"), _ALL),
    "hook": Story("installing the hook", _nothing, _hook, ("step 0 is done",), _ALL),
    "again": Story("apply --again after an update", _replaced, _again, ("step 0 is done",), _ALL),
}
CASES = [(kind, name) for name, story in STORIES.items() for kind in story.managers]


def fresh(start: Path, place: Path) -> Path:
    """Copy a root."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(start, place, symlinks=True)
    return place


def points(root: Path, log: Path, work: Callable[[Path], object]) -> list[str]:
    """Name the points of a run that is not cut off; names of snapshots are cut, since they are chance."""
    log.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROCM_PATCH_POINTS", str(log))
        work(root)
    return [_SNAPSHOT.sub("/snapshots/N/HASH", line) for line in log.read_text().splitlines()]


def chosen(names: list[str], few: tuple[str, ...]) -> list[int]:
    """Give the numbers of the points to try: all, or the first that fits each pattern."""
    if os.environ.get(EVERY):
        return list(range(1, len(names) + 1))
    found = []
    for pattern in few:
        fits = [number for number, name in enumerate(names, 1) if re.match(pattern, name)]
        assert fits, f"no point fits {pattern!r}: {names}"
        found.append(fits[0])
    return sorted(found)


def survive(kind: str, story: Story, stock: Path, room: Path) -> int:
    """Cut the story's run off at its points, settle each by a next call, and compare the whole tree.

    It is as before the run, or as a finished run leaves it; and once that, it is so at every later point.
    Give how many points were tried.
    """
    start = fresh(stock, room / "kill-start")
    story.before(kind, start)
    before = describe(start)
    names = points(fresh(start, room / "kill-trial"), room / "kill-points", story.work)
    whole = describe(room / "kill-trial")
    if story.work is _rollback:
        assert whole == describe(stock)
    decided, numbers = [], chosen(names, story.few)
    for number in numbers:
        where = f"killed at {number} of {len(names)}, {names[number - 1]}"
        root = fresh(start, room / "kill-root")
        assert killed_at(number, lambda root=root: story.work(root)), where  # type: ignore[misc]
        recover(root)
        new = describe(root) != before
        if new and story.work is _rollback:
            assert describe(root) == whole, where
        elif new:
            with engine.session(options(root)) as ctx:
                assert engine.verify(ctx) == [], where
        decided.append(new)
    assert decided == sorted(decided), "once done, never undone"
    for name in ("start", "trial", "root"):
        shutil.rmtree(room / f"kill-{name}")
    return len(numbers)
