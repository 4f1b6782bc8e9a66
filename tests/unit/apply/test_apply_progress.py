"""What is being done is told while it is done: on a terminal, and there alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.unit.apply.kit import apply, file_actions, options

from rocm_patch.apply import engine
from rocm_patch.cli.progress import progress


def test_each_part_of_a_run_and_of_a_rollback_is_told(root: Path) -> None:
    told: list[str] = []
    apply(root, file_actions(), progress=told.append)
    assert told == [
        "checking: locks, holds, room, and what the package manager would do",
        "verifying what was done",
    ]
    told.clear()
    engine.rollback(options(root, progress=told.append))
    assert told[0] == "looking whether what transaction 1 did is as it was left"
    assert told[1] == "undoing hooks: have apt tell of updates"
    assert len(told) == 1 + len(file_actions())


def test_only_a_terminal_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    progress()("nothing")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress()("apt downloads\x1b[2J rocblas")
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err == "[    0 s] apt downloads?[2J rocblas\n"
