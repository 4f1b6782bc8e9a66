"""kill -9 at every system call that writes: the tree is old or new, and the next call makes it whole."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.series.seriestools import Snapshot, snapshot

from rocm_patch.series import Series, apply_series, journal, unapply
from rocm_patch.series.names import STAGING

#: Everything through which the journal changes a disk.
CALLS = ("mkdir", "rename", "unlink", "rmdir", "write", "fchmod", "fsync")


def run_killed(work: Callable[[], object], number: int) -> bool:
    """Run `work` in a child that is killed at its call `number`; False if it ended before that.

    A killed write first writes half of its bytes.
    """
    child = os.fork()
    if child == 0:
        left = [number]

        def trap(real: Callable[..., Any], name: str) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    if name == "write":
                        real(args[0], bytes(args[1])[: len(args[1]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **kwargs)

            return call

        for name in CALLS:
            setattr(os, name, trap(getattr(os, name), name))
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def recover(tree: Path) -> None:
    with journal.locked(tree):
        journal.recover(tree)


def kill_everywhere(start: Path, call: Callable[[Path], object], states: tuple[Snapshot, Snapshot]) -> int:
    """Kill `call` at each point on a fresh copy; recovery must give one of both states, a repeat the last."""
    old, new = states
    seen = []
    number = 0
    while True:
        number += 1
        tree = start.with_name("victim")
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(start, tree)
        killed = run_killed(lambda tree=tree: call(tree), number)  # type: ignore[misc]
        other = start.with_name("other")
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(tree, other)
        recover(other)
        state = snapshot(other, pc=True)
        assert state in (old, new), f"neither old nor new after a kill at call {number}"
        seen.append(state == new)
        call(tree)
        assert snapshot(tree, pc=True) == new
        if not killed:
            break
    assert seen == sorted(seen), "once decided, never undone"
    assert seen[0] is False
    return number - 1


@pytest.fixture(autouse=True)
def no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flushing guards against power loss, not against kill; without it the many runs are quick."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


def states(series: Series, tree: Path, tmp_path: Path) -> tuple[Path, Snapshot, Snapshot]:
    patched = tmp_path / "patched"
    shutil.copytree(tree, patched)
    apply_series(series, patched)
    return patched, snapshot(tree, pc=True), snapshot(patched, pc=True)


def test_kill_while_applying(series: Series, tree: Path, tmp_path: Path) -> None:
    _, old, new = states(series, tree, tmp_path)
    points = kill_everywhere(tree, lambda victim: apply_series(series, victim), (old, new))
    assert points > 80


def test_kill_while_taking_off(series: Series, tree: Path, tmp_path: Path) -> None:
    patched, old, new = states(series, tree, tmp_path)
    points = kill_everywhere(patched, lambda victim: unapply(series, victim), (new, old))
    assert points > 40


def test_kill_while_recovering(series: Series, tree: Path, tmp_path: Path) -> None:
    """The call that completes a cut off change may be killed as well."""
    _, _, new = states(series, tree, tmp_path)
    half = tmp_path / "half"
    number = 0
    while not (half / STAGING / "journal.json").exists():
        number += 1
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(tree, half)
        assert run_killed(lambda: apply_series(series, half), number)
    number = 0
    while True:
        number += 1
        victim = tmp_path / "victim"
        shutil.rmtree(victim, ignore_errors=True)
        shutil.copytree(half, victim)
        killed = run_killed(lambda victim=victim: recover(victim), number)  # type: ignore[misc]
        recover(victim)
        assert snapshot(victim, pc=True) == new
        if not killed:
            break
    assert number > 20
