"""The door to other programs: what ran, how long, with which output, stands in the log."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rocm_patch import commands
from rocm_patch.errors import BuildError
from rocm_patch.logbook import book
from rocm_patch.pipeline.process import StepLog, call


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    book.begin(tmp_path / "log")
    yield tmp_path / "log" / book.JSON_NAME
    book._ACTIVE.clear()


def _last(log: Path) -> dict[str, Any]:
    record = json.loads(log.read_text("utf-8").splitlines()[-1])
    assert isinstance(record, dict)
    return record


def test_a_program_and_both_its_outputs(log: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = commands.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "out\n")
    record = _last(log)
    assert record["event"] == "command"
    assert record["exit"] == 3
    assert record["output"] == "out\nerr"
    assert 0 < record["seconds"] < 60


def test_one_that_cannot_be_started(log: Path) -> None:
    with pytest.raises(FileNotFoundError):
        commands.run(["no-such-program"])
    assert "not started" in _last(log)["failure"]


def test_one_that_takes_too_long(log: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        commands.run(["sleep", "30"], timeout=0.1)
    assert _last(log)["failure"] == "ran out of time"


def test_an_output_that_is_kept_elsewhere_is_only_measured(log: Path) -> None:
    commands.run(["echo", "hello"], capture_output=True, log_output=False)
    assert _last(log)["output"] == "(6 bytes, not kept here)"
    commands.run(["sh", "-c", "echo why; exit 1"], capture_output=True, log_output=False)
    assert _last(log)["output"] == "why"


def test_check_still_raises(log: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        commands.run(["false"], check=True)
    assert _last(log)["exit"] == 1


def test_a_step_of_a_build_names_its_own_log(log: Path, tmp_path: Path) -> None:
    with StepLog(tmp_path / "steps", "probe") as step, pytest.raises(BuildError):
        call(["sh", "-c", "echo one; exit 5"], log=step, what="the probe")
    record = _last(log)
    assert (record["exit"], record["output"], record["log"]) == (5, "one", str(step.path))


def test_an_interrupt_is_noted(log: Path, tmp_path: Path) -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt(line)

    with StepLog(tmp_path / "steps", "probe") as step, pytest.raises(KeyboardInterrupt):
        call(["sh", "-c", "echo one; sleep 60"], log=step, what="the probe", watch=stop)
    assert "KeyboardInterrupt" in _last(log)["failure"]


def test_without_a_log_nothing_is_written(tmp_path: Path) -> None:
    assert book.active() is None
    assert commands.run(["true"], cwd=tmp_path).returncode == 0
    assert not list(tmp_path.iterdir())
