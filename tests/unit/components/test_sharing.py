"""Begin with another build's objects: only where it fits, whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rocm_patch.components import sharing
from rocm_patch.pipeline.marks import Mark, write_mark

SAME = ("sysroot", "sdk-headers")


def mark(folder: Path, step: str, key: str) -> None:
    (folder / "state").mkdir(parents=True, exist_ok=True)
    write_mark(folder / "state" / f"{step}.mark.json", Mark(step, key, {}, {}, {}, {}, "log", "now"))


@pytest.fixture
def run(tmp_path: Path) -> Any:
    folder = tmp_path / "new"
    (folder / "scratch").mkdir(parents=True)
    said: list[str] = []
    for step in SAME:
        mark(folder, step, f"{step} 1")
    return SimpleNamespace(
        folder=folder, scratch=folder / "scratch", facts={}, said=said,
        step=SimpleNamespace(name="share"), reporter=SimpleNamespace(say=said.append),
    )  # fmt: skip


@pytest.fixture
def other(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    for name in ("build/build.ninja", "build/a.o", "build/lib.linux-x86_64-cpython-313/_C.so", "setup.py"):
        (folder / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "src" / name).write_text(name, encoding="utf-8")
    for step in SAME:
        mark(folder, step, f"{step} 1")
    (folder / "state" / "src.files.json").write_text('["setup.py"]', encoding="utf-8")
    return folder


def take(run: Any, *others: Path) -> str | None:
    sharing.take_over(
        run, others, same=SAME, tree="src", needs="build/build.ninja", record="state/src.files.json",
        without=("lib.linux-*",), beside=("tools", "headers"),
    )  # fmt: skip
    told: str | None = json.loads((run.folder / sharing.FILE).read_text(encoding="utf-8"))["from"]
    return told


def test_objects_come_with_their_times_and_nothing_of_the_other_python(run: Any, other: Path) -> None:
    assert take(run, run.folder.parent / "absent", other) == "old"
    new, old = run.folder / "src", other / "src"
    assert (new / "build/a.o").stat().st_mtime_ns == (old / "build/a.o").stat().st_mtime_ns
    assert not (new / "build/lib.linux-x86_64-cpython-313").exists()
    assert (run.folder / "state" / "src.files.json").read_text(encoding="utf-8") == '["setup.py"]'
    assert run.said == ["share: begins with what old has compiled"]
    assert (old / "build/lib.linux-x86_64-cpython-313/_C.so").is_file()


def test_a_build_that_has_begun_is_left_alone(run: Any, other: Path) -> None:
    (run.folder / "src").mkdir()
    assert take(run, other) is None
    assert not list((run.folder / "src").iterdir())


@pytest.mark.parametrize("step", SAME)
def test_another_sdk_is_not_taken(run: Any, other: Path, step: str) -> None:
    mark(other, step, f"{step} 2")
    assert take(run, other) is None
    (other / "state" / f"{step}.mark.json").write_text("{}", encoding="utf-8")
    assert take(run, other) is None
    (other / "state" / f"{step}.mark.json").unlink()
    assert take(run, other) is None
    # None of both is no agreement.
    (run.folder / "state" / f"{step}.mark.json").unlink()
    assert take(run, other) is None
    assert not (run.folder / "src").exists()


def test_a_build_that_was_never_configured_is_not_taken(run: Any, other: Path) -> None:
    (other / "src/build/build.ninja").unlink()
    assert take(run, other) is None


def test_where_a_run_works_nothing_is_read(run: Any, other: Path) -> None:
    with (other / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert take(run, other) is None
    assert not (run.folder / "src").exists()
    assert take(run, other) == "old"


def test_what_objects_are_made_from_keeps_its_time(run: Any, other: Path) -> None:
    for folder, text in ((other, "same"), (run.folder, "same")):
        (folder / "headers" / "rocprim").mkdir(parents=True)
        (folder / "headers" / "rocprim" / "a.hpp").write_text(text, encoding="utf-8")
        (folder / "headers" / "b.hpp").write_text(f"{folder.name}", encoding="utf-8")
    (other / "tools").mkdir()
    (other / "tools" / "pch.h").write_text("#include <a>", encoding="utf-8")
    for name in ("headers/rocprim/a.hpp", "headers/b.hpp", "tools/pch.h"):
        os.utime(other / name, ns=(1, 1_700_000_000_123_456_789))
    mine = (run.folder / "headers" / "b.hpp").stat().st_mtime_ns
    assert take(run, other) == "old"
    for name in ("headers/rocprim/a.hpp", "tools/pch.h"):
        assert (run.folder / name).stat().st_mtime_ns == 1_700_000_000_123_456_789
    # Other bytes are newer to ninja, as they must be.
    assert (run.folder / "headers" / "b.hpp").stat().st_mtime_ns == mine
    assert (run.folder / "headers" / "b.hpp").read_text(encoding="utf-8") == "new"
