"""Kill -9 at each point of each step: the next run goes on there and ends with the same product."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.integration.pipeline.conftest import ROOT, Runner, toy_command
from tests.integration.pipeline.toy import STEPS, Toy, request

from rocm_patch.errors import BusyError, UsageError
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.lock import RUN_VARIABLE
from rocm_patch.pipeline.report import Reporter

POINTS = ("start", "middle", "end", "placed")


def pipeline(root: Path, **changes: object) -> Pipeline:
    return Pipeline(Toy(), request(**changes), root=root, reporter=Reporter(io.StringIO()))


def ran(output: str) -> list[str]:
    """The steps that a run did, by what it said."""
    return [line.partition(":")[0] for line in output.splitlines() if ": done in " in line]


@pytest.mark.parametrize("step", STEPS)
def test_killed_in_a_step_the_next_run_goes_on_there(step: str, run_toy: Runner, tmp_path: Path) -> None:
    """One tree, killed at each point in turn: worse than a fresh tree for each."""
    for point in POINTS:
        killed = run_toy(f"{step}:{point}")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert step not in ran(killed.stderr)
    done = run_toy()
    assert done.returncode == 0, done.stderr
    assert ran(done.stderr) == list(STEPS[STEPS.index(step) :])
    root = tmp_path / "root"
    product = root / "work" / request().label / "product" / "toy-1.bin"
    said = subprocess.run([str(product)], capture_output=True, text=True, check=True)
    assert said.stdout == "hello123456"
    mark = json.loads((root / "work" / request().label / "state" / f"{step}.mark.json").read_text())["body"]
    assert mark["usage"]["attempts"] >= 1
    assert list((root / "work" / request().label / "scratch").iterdir()) == []
    again = run_toy()
    assert ran(again.stderr) == []


def test_a_killed_compile_keeps_its_objects(run_toy: Runner, tmp_path: Path) -> None:
    run_toy("compile:middle")
    done = run_toy()
    mark = tmp_path / "root" / "work" / request().label / "state" / "compile.mark.json"
    facts = json.loads(mark.read_text())["body"]["facts"]
    assert done.returncode == 0
    assert facts["edges_by_class"] == {"c++": 6, "link": 1}  # of seven objects, one was there


def test_the_plan_is_whole_where_configuring_is_due_again(run_toy: Runner) -> None:
    """As long as build.ninja is to be made again, ninja -n shows that and nothing else."""
    done = run_toy()
    assert "compile: 8 edges to do with 1 jobs" in done.stderr  # seven objects, one program


def test_until_stops_after_the_step(run_toy: Runner, tmp_path: Path, toy_sdk: Path) -> None:
    del toy_sdk
    assert ran(run_toy("--until", "configure").stderr) == ["sources", "unpack", "configure"]
    states = [item.verdict.fresh for item in pipeline(tmp_path / "root").plan().steps]
    assert states == [True, True, True, False, False]
    with pytest.raises(UsageError, match="there is no step nonsense"):
        pipeline(tmp_path / "root").run(until="nonsense")


def test_changed_input_redoes_what_follows(run_toy: Runner) -> None:
    run_toy()
    changed = run_toy("--greeting", "moin")
    assert ran(changed.stderr) == list(STEPS)
    assert "changed: greeting" in changed.stderr


@pytest.mark.parametrize(
    ("name", "redone"),
    [
        ("state/unpack.mark.json", ["unpack", "configure", "compile", "wheel"]),
        ("archive/unit3.cpp", list(STEPS)),
        ("product/toy-1.bin", ["wheel"]),
        ("build/toy", ["compile", "wheel"]),
    ],
)
def test_damage_is_seen_and_mended(name: str, redone: list[str], run_toy: Runner, tmp_path: Path) -> None:
    run_toy()
    path = tmp_path / "root" / "work" / request().label / name
    content = path.read_bytes()
    path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    done = run_toy()
    assert done.returncode == 0, done.stderr
    assert ran(done.stderr) == redone
    if not name.startswith("state/"):
        assert path.read_bytes() == content


def test_damage_that_keeps_size_and_times_is_seen_by_verify(
    run_toy: Runner, tmp_path: Path, toy_sdk: Path
) -> None:
    del toy_sdk
    run_toy()
    path = tmp_path / "root" / "work" / request().label / "product" / "toy-1.bin"
    info = path.stat()
    with path.open("r+b") as stream:
        stream.seek(99)
        stream.write(b"\xff")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert pipeline(tmp_path / "root").plan().to_do == []
    thorough = pipeline(tmp_path / "root").plan(thorough=True)
    assert [item.step.name for item in thorough.to_do] == ["wheel"]


def test_touched_but_equal_output_stands(run_toy: Runner, tmp_path: Path) -> None:
    run_toy()
    path = tmp_path / "root" / "work" / request().label / "product" / "toy-1.bin"
    os.utime(path)
    assert ran(run_toy().stderr) == []


def test_plan_changes_nothing(run_toy: Runner, tmp_path: Path, toy_sdk: Path) -> None:
    del toy_sdk
    run_toy("--until", "unpack")

    def tree() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.lstat().st_mtime_ns, path.lstat().st_size)
            for path in sorted((tmp_path / "root").rglob("*"))
        }

    before = tree()
    plan = pipeline(tmp_path / "root").plan()
    assert [item.step.name for item in plan.to_do] == ["configure", "compile", "wheel"]
    assert tree() == before
    empty = tmp_path / "empty"
    total = pipeline(empty).plan().total()
    assert not empty.exists()
    assert (total.fetch, total.disk) == (2_000_000, 4_000_000)


def test_two_runs_at_once_the_second_says_who_works(toy_sdk: Path, tmp_path: Path) -> None:
    del toy_sdk
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "ROCM_PATCH_DATA": str(ROOT)}
    command = toy_command(tmp_path / "root", "lock:hold")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(BusyError) as caught:
            pipeline(tmp_path / "root").run()
        assert f"process {first.pid} " in caught.value.cause
        assert "lock:hold" in caught.value.cause
        with pytest.raises(BusyError):
            pipeline(tmp_path / "root").clean()
        first.kill()
    # The kernel lets go of a dead run's lock.
    assert pipeline(tmp_path / "root").run(until="sources", wait_s=5).to_do


def test_what_a_killed_run_left_running_is_ended(toy_sdk: Path, tmp_path: Path) -> None:
    """A program started by a dead run, in its own session as compilers are, must not go on writing."""
    del toy_sdk
    code = (
        "import subprocess, sys, pathlib\n"
        "from rocm_patch.pipeline.lock import WorkLock\n"
        "with WorkLock(pathlib.Path(sys.argv[1])) as lock:\n"
        "    child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "    print(child.pid, lock.run_id, flush=True)\n"
        "    child.wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    folder = pipeline(tmp_path / "root").folder
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], env=environment, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        child, run_id = first.stdout.readline().split()
        environ = Path(f"/proc/{child}/environ")
        deadline = time.monotonic() + 10
        while f"{RUN_VARIABLE}={run_id}".encode() not in environ.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        first.kill()
    assert Path(f"/proc/{child}").exists()
    pipeline(tmp_path / "root").run(until="sources")
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"
    assert RUN_VARIABLE not in os.environ
