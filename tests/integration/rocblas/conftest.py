"""The decoder of the audit's hardware rules, once for the tests of this folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.integration.isa.conftest import build

from rocm_patch.isa.library import NAME


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the library that the step `rules` builds; ROCM_PATCH_ISA_LIBRARY names one that is built."""
    given = os.environ.get("ROCM_PATCH_ISA_LIBRARY")
    if given:
        return Path(given)
    return build(tmp_path_factory.mktemp("decoder"), targets=("vgpu-isa",)) / NAME
