"""What tests of several folders need."""

from __future__ import annotations

import pytest

from rocm_patch.pipeline.sdk import SysrootSdk
from rocm_patch.sysroot import Sysroot


@pytest.fixture(scope="session")
def sysroot() -> Sysroot:
    """The real sysroot; made from its lock where the cache has none."""
    SysrootSdk().prepare(print)
    return Sysroot.open()
