"""kill -9 at points of dnf's and zypper's transactions, of hold, of the hook and of `apply --again`.

A few points each, since every one costs seconds; with ROCM_PATCH_EVERY_POINT=1 each point there is.
docs/records/apply-kill-points.md says when that was done.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.apply.killing import CASES, STORIES, survive


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_killed_and_settled(kind: str, name: str, stock_of: Callable[[str], Path], room: Path) -> None:
    assert survive(kind, STORIES[name], stock_of(kind), room) >= 1
