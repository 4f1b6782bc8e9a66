"""`rocm-patch vgpu` with an empty library: words, environment, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"
SHOW = "import os; print(sorted((k, v) for k, v in os.environ.items() if k.startswith('VGPU_')))"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Give a real, empty library: it can be preloaded, and does nothing."""
    path = tmp_path / "libhsa-runtime64.so.1"
    subprocess.run(["c++", "-shared", "-o", str(path), "-x", "c++", os.devnull], check=True)
    return path


def vgpu(library: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rocm_patch", "vgpu", *words],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "ROCM_PATCH_VGPU_LIBRARY": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_run_passes_the_settings_and_says_what_it_is(library: Path) -> None:
    done = vgpu(library, "run", "--devices", "2", "--strict", "--stats", "--", sys.executable, "-c", SHOW)
    assert done.returncode == 0, done.stderr
    assert "('VGPU_DEVICES', '2')" in done.stdout
    assert "('VGPU_STATS', '1')" in done.stdout
    assert "('VGPU_STRICT', '1')" in done.stdout
    assert done.stderr.count("\n") == 1
    assert "not a way to train" in done.stderr


def test_the_library_is_loaded_into_the_program(library: Path) -> None:
    done = vgpu(library, "run", "--", sys.executable, "-c", "print(open('/proc/self/maps').read())")
    assert str(library) in done.stdout


def test_the_exit_code_is_the_programs(library: Path) -> None:
    assert vgpu(library, "run", "--", sys.executable, "-c", "raise SystemExit(7)").returncode == 7
    killed = vgpu(library, "run", "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 15)")
    assert killed.returncode == -15


def test_an_absent_program_is_explained(library: Path) -> None:
    done = vgpu(library, "run", "--", "no-such-program")
    assert done.returncode == 80
    assert "no-such-program" in done.stderr


def test_a_library_that_is_none_is_explained(library: Path) -> None:
    done = vgpu(library, "info")
    assert done.returncode == 80
    assert "does not start" in done.stderr


def test_wrong_words_are_refused(library: Path) -> None:
    assert vgpu(library, "run", "--inject", "gremlins", "--", "true").returncode == 2
    assert vgpu(library, "run", "--devices", "0", "--", "true").returncode == 2
    assert vgpu(library, "run").returncode == 2
