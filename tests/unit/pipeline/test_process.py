"""Programs of a step: output, failure, end; logs; measures."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from rocm_patch.errors import BuildError, MissingToolError
from rocm_patch.pipeline.measure import Meter, Usage
from rocm_patch.pipeline.process import FirstComplaints, StepLog, call


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def test_output_goes_to_log_and_watcher(logs: Path) -> None:
    seen: list[str] = []
    with StepLog(logs, "step") as log:
        call(["sh", "-c", "echo out; echo err >&2; printf last"], log=log, what="it", watch=seen.append)
        path = log.path
    assert seen == ["out", "err", "last"]
    assert path.read_text() == "$ sh -c 'echo out; echo err >&2; printf last'\nout\nerr\nlast\n"


def test_failure_shows_first_complaints_and_the_end(logs: Path) -> None:
    script = "echo x.cpp:1: error: bad; echo 'int y'; for i in $(seq 50); do echo line $i; done; exit 3"
    with StepLog(logs, "step") as log, pytest.raises(BuildError) as caught:
        call(["sh", "-c", script], log=log, what="step s of c 1")
    error = caught.value
    assert error.what == "step s of c 1 failed"
    assert error.cause == "sh ended with exit code 3"
    assert error.detail[:3] == ["first complaints:", "x.cpp:1: error: bad", "int y"]
    assert error.detail[-2:] == ["line 50", f"whole log: {log.path}"]
    assert "ended by" not in log.path.read_text()  # the log was left normally


def test_killed_program_is_named_as_such(logs: Path) -> None:
    with StepLog(logs, "step") as log, pytest.raises(BuildError) as caught:
        call(["sh", "-c", "kill -9 $$"], log=log, what="it")
    assert caught.value.cause == "sh was ended by SIGKILL (often: out of memory; give fewer --jobs)"


def test_missing_program(logs: Path) -> None:
    with StepLog(logs, "step") as log, pytest.raises(MissingToolError, match="no-such-thing"):
        call(["no-such-thing"], log=log, what="it")


def test_an_exception_ends_the_whole_group(logs: Path) -> None:
    pids: list[int] = []

    def watch(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    script = "sleep 100 & echo $!; wait"
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), StepLog(logs, "step") as log:
        call(["sh", "-c", script], log=log, what="it", watch=watch)
    assert time.monotonic() - start < 60  # the sleep would take 100
    with pytest.raises(psutil.NoSuchProcess):
        _wait_gone(pids[0])
    assert "-- ended by KeyboardInterrupt" in log.path.read_text()


def _wait_gone(pid: int) -> None:
    for _ in range(100):
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            raise psutil.NoSuchProcess(pid)
        time.sleep(0.05)


def test_environment_is_exactly_what_is_given(logs: Path) -> None:
    seen: list[str] = []
    with StepLog(logs, "step") as log:
        call([sys.executable, "-c", "import os; print(os.environ.get('A'), os.environ.get('HOME'))"],
             log=log, what="it", env={"A": "b"}, watch=seen.append)  # fmt: skip
    assert seen == ["b None"]


def test_old_logs_go_the_last_stay(logs: Path) -> None:
    for number in range(15):
        with StepLog(logs, "step", keep=3) as log:
            log.line(str(number))
        log.path.rename(logs / f"step-2026{number:04d}T000000-1.log")
        os.utime(logs / f"step-2026{number:04d}T000000-1.log", (number, number))
    with StepLog(logs, "other"):
        pass
    assert len(list(logs.glob("step-*"))) == 3
    assert len(list(logs.glob("other-*"))) == 1


def test_complaints_are_bounded() -> None:
    first = FirstComplaints()
    assert first.lines() == []
    for _ in range(100):
        first.see("FAILED: a.o")
    assert len(first.lines()) == 14
    assert FirstComplaints().lines() == []


def test_meter_measures_children(tmp_path: Path, logs: Path) -> None:
    burn = "import time\nx = bytearray(60_000_000)\nwhile time.process_time() < 0.5: pass"
    with Meter(tmp_path / "note") as meter, StepLog(logs, "s") as log:
        call([sys.executable, "-c", burn], log=log, what="it")
    assert 0.5 <= meter.usage.cpu_s < 20
    assert meter.usage.wall_s >= 0.5
    assert meter.usage.peak_bytes > 60_000_000 + psutil.Process().memory_info().rss // 2
    assert meter.usage.attempts == 1


def test_meter_counts_what_nobody_waited_for(tmp_path: Path, logs: Path) -> None:
    """As bubblewrap does: it ends when its program has told its exit code, and leaves it to the system."""
    orphan = """
import os, time
told, tell = os.pipe()
if os.fork() == 0:
    while time.process_time() < 2:
        pass
    os._exit(0)
os.close(tell)
os.read(told, 1)
os._exit(0)
"""
    with Meter(tmp_path / "note") as meter, StepLog(logs, "s") as log:
        call([sys.executable, "-c", orphan], log=log, what="it")
    # The kernel gives a tenth of a second: starting Python. The last look is at most a second old.
    assert 0.8 <= meter.usage.cpu_s < 20


def test_meter_adds_what_killed_attempts_have_cost(tmp_path: Path) -> None:
    note = tmp_path / "note"
    note.write_text(json.dumps({"wall_s": 100.0, "cpu_s": 150.0, "peak_bytes": 7_000_000_000, "attempts": 2}))
    with Meter(note) as meter:
        pass
    assert meter.usage.attempts == 3
    assert 100 < meter.usage.wall_s < 110
    assert meter.usage.cpu_s >= 150
    assert meter.usage.peak_bytes == 7_000_000_000
    assert json.loads(note.read_text())["attempts"] == 3
    meter.forget()
    assert not note.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"unknown": 1}'])
def test_damaged_note_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "note").write_text(content)
    with Meter(tmp_path / "note") as meter:
        pass
    assert meter.usage.attempts == 1


def test_usage_sums() -> None:
    sum_of = Usage(1.0, 2.0, 5, 1).after(Usage(10.0, 20.0, 3, 2))
    assert sum_of == Usage(11.0, 22.0, 5, 3)
