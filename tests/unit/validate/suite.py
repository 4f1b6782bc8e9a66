"""A suite of a few tests without torch, fed by the real plugin: each ends in another way."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from rocm_patch.validate.workers import Command

PLUGIN = Path(__file__).resolve().parents[2] / "gpu" / "feed.py"
TESTS = """
import os, signal, time
import pytest

def test_good(record_property):
    record_property("record", {"errors": [{"name": "a", "error": 1.0, "tolerance": 2.0, "ratio": 0.5}],
                               "curves": {"mlp": [2.0, 1.0]},
                               "values": {"bench": {"name": "gemm", "value": 100.0, "unit": "G"}},
                               "compared": 3})

def test_bad():
    assert 1 + 1 == 3

def test_not_here():
    pytest.skip("one GPU")

def test_crash():
    os.write(2, b"Memory access fault by GPU node-1\\n")
    os.kill(os.getpid(), signal.SIGABRT)

def test_hang():
    time.sleep(600)

@pytest.mark.exclusive
def test_alone():
    pass

def test_after():
    pass
"""  # fmt: skip
SETTINGS = "[pytest]\naddopts = -p no:cacheprovider\nmarkers =\n    exclusive: alone\n"
ABOUT = """
def pytest_configure(config):
    config.about = {"name": "toy", "torch": "0"}
"""


def make(folder: Path, tests: str = TESTS, conftest: str = ABOUT) -> Command:
    """Write the suite and give the command that runs it."""
    folder.mkdir()
    shutil.copy(PLUGIN, folder / "feed.py")
    (folder / "pytest.ini").write_text(SETTINGS)
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_toy.py").write_text(tests)
    return Command(sys.executable, folder, ["-p", "no:timeout", "-p", "no:cov"])
