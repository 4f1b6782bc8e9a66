from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.apply.kit import make_root


@pytest.fixture
def room() -> Iterator[Path]:
    """Give a folder in memory where there is one: the journal flushes every line."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="rocm-patch-test-", dir=shm if os.access(shm, os.W_OK) else None
    ) as folder:
        yield Path(folder)


@pytest.fixture
def root(room: Path) -> Path:
    return make_root(room / "root")
