"""What holds for all tests: where Hypothesis may explore, and that no test writes into the user's log.

Hypothesis explores on a developer's machine and repeats itself in CI: a landing must not depend on the
luck of one draw; what a random run finds becomes a test of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, database=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session", autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the commands that tests start a state folder, with its logs, that goes away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROCM_PATCH_STATE", str(tmp_path_factory.mktemp("state")))
        yield
