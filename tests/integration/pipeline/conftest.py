"""An SDK, a cache and a dist folder of its own for each test of the pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.fixture
def toy_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed ROCm, as far as describing it goes."""
    folder = tmp_path / "rocm"
    (folder / ".info").mkdir(parents=True)
    (folder / ".info" / "version").write_text("6.4.3-1\n")
    monkeypatch.setenv("TOY_SDK", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(folder))
    monkeypatch.setenv("ROCM_PATCH_DIST", str(tmp_path / "dist"))
    monkeypatch.setenv("ROCM_PATCH_DATA", str(ROOT))
    return folder


Runner = Callable[..., "subprocess.CompletedProcess[str]"]


def toy_command(root: Path, *words: str) -> list[str]:
    return [sys.executable, str(HERE / "toy.py"), str(root), *words]


@pytest.fixture
def run_toy(toy_sdk: Path, tmp_path: Path) -> Runner:
    """Build the toy in a process of its own, so that it can die."""
    del toy_sdk
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "ROCM_PATCH_DATA": str(ROOT)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            toy_command(tmp_path / "root", *words),
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run
