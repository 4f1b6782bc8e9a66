"""docs/records/detect-matrix.md from the machines: `python -m tests.unit.detect.matrix` writes it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.unit.detect.kit import names, report, source

from rocm_patch.detect.matrix import HEAD, row
from rocm_patch.detect.model import Report

PLACE = Path(__file__).parents[3] / "docs" / "records" / "detect-matrix.md"
_INTRO = """# What detect says of {count} machines

The machines are files of tests/unit/detect/machines: put together from what such machines show,
not recorded on them. `python -m tests.unit.detect.matrix` writes this page; a test checks that it is current.
"""


def text(machine: Callable[[str], Report]) -> str:
    lines = [_INTRO.format(count=len(names())), _line(("machine", *HEAD)), _line(["---"] * (len(HEAD) + 1))]
    lines += [_line((source(name)["about"], *row(machine(name)))) for name in names()]
    return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _examine(name: str) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        return report(name, Path(folder))


if __name__ == "__main__":
    PLACE.write_text(text(_examine), "utf-8")
    sys.stdout.write(f"{PLACE}\n")
