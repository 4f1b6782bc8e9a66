from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.detect import kit

from rocm_patch.detect.model import Report


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Report]:
    """Examine a machine of machines/; each is built once."""
    known: dict[str, Report] = {}

    def give(name: str) -> Report:
        if name not in known:
            known[name] = kit.report(name, Path(tmp_path_factory.mktemp("machine")))
        return known[name]

    return give
