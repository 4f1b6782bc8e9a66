"""docs/records/plan-matrix.md from detect's machines: `python -m tests.unit.plan.matrix` writes it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.unit.detect import kit

from rocm_patch.detect.machine import examine
from rocm_patch.plan.facts import collect
from rocm_patch.plan.make import make_plan
from rocm_patch.plan.matrix import HEAD, row
from rocm_patch.plan.model import Plan
from rocm_patch.plan.show import MEANING

PLACE = Path(__file__).parents[3] / "docs" / "records" / "plan-matrix.md"
_INTRO = """# What plan says to {count} machines

The machines are files of tests/unit/detect/machines: put together from what such machines show, not
recorded on them. `python -m tests.unit.plan.matrix` writes this page; a test checks that it is current.
Rules that say "right" are counted only.

{meaning}
"""


def plan_of(name: str, folder: Path) -> Plan:
    """Make the plan of one of detect's machines."""
    tree, data = kit.build(name, folder)
    report = examine(tree, environment=data.get("environment", {}), user=data.get("user"))
    return make_plan(collect(report, tree))


def text(plan: Callable[[str], Plan]) -> str:
    meaning = "; ".join(f"{state}: {words}" for state, words in MEANING.items())
    lines = [
        _INTRO.format(count=len(kit.names()), meaning=f"{meaning}."),
        _line(("machine", *HEAD)),
        _line(["---"] * (len(HEAD) + 1)),
    ]
    lines += [_line((kit.source(name)["about"], *row(plan(name)))) for name in kit.names()]
    return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _plan(name: str) -> Plan:
    with tempfile.TemporaryDirectory() as folder:
        return plan_of(name, Path(folder))


if __name__ == "__main__":
    PLACE.write_text(text(_plan), "utf-8")
    sys.stdout.write(f"{PLACE}\n")
