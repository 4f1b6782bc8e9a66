"""The virtual GPU's library, the sysroot, and the way to run HIP programs in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.vgpu.vgputools import Card

from rocm_patch.errors import SysrootError
from rocm_patch.sysroot import Sysroot, load_lock
from rocm_patch.sysroot.make import create
from rocm_patch.vgpu.library import find_library


@pytest.fixture(scope="session")
def root() -> Sysroot:
    """Give the made sysroot; make it when there is none."""
    try:
        return Sysroot.open()
    except SysrootError:
        return create(load_lock())


@pytest.fixture(scope="session")
def library() -> Path:
    """Give the library of this state of vgpu/."""
    return find_library()


@pytest.fixture(scope="session")
def card(root: Sysroot, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Card:
    """Give the way to run programs on virtual cards."""
    return Card(
        root=root,
        library=library,
        work=tmp_path_factory.mktemp("card"),
        scratch=lambda: tmp_path_factory.mktemp("kfd"),
    )


@pytest.fixture(scope="session")
def basics(card: Card) -> str:
    """Give the program of what HIP programs do every day, compiled."""
    return card.compile("basics")
