"""Lists the points at which runs are killed: `python -m tests.integration.apply.points` writes the record."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.integration.apply.debroot import make_pristine, make_repository
from tests.unit.apply.kit import apply, file_actions, make_root, options

from rocm_patch.apply import engine
from rocm_patch.plan.actions import Packages

PLACE = Path(__file__).parents[3] / "docs" / "records" / "apply-kill-points.md"
_INTRO = """# Points at which a run was killed

Every point at which `rocm-patch apply` and `rollback` change a disk or the journal, or run a program, is
numbered. The tests end the process there by SIGKILL, one point after another on a fresh copy of the root,
let the next call settle it, and compare the whole tree (bytes, modes, owners, dates, attributes):

- tests/unit/apply/test_apply_kill.py: applying six file actions, rolling them back, and the recovery itself;
- tests/integration/apply/test_apply_apt.py: an upgrade and a new package by apt, a diversion, a rollback;
- tests/integration/apply/test_apply_rpm.py: dnf and zypper, after the manager acted and before the journal
  knows of it;
- the same file of apt: dpkg and its maintainer script killed with us.

All of them survive. `python -m tests.integration.apply.points` writes this list; names of snapshots are cut.
"""


def points(log: Path, work: Callable[[], object]) -> list[str]:
    log.unlink(missing_ok=True)
    os.environ["ROCM_PATCH_POINTS"] = str(log)
    try:
        work()
    finally:
        del os.environ["ROCM_PATCH_POINTS"]
    return [
        re.sub(r"/snapshots/\d+/[0-9a-f]{64}", "/snapshots/N/HASH", line)
        for line in log.read_text().splitlines()
    ]


def section(title: str, names: list[str]) -> str:
    return "\n".join(
        [
            f"\n## {title}: {len(names)} points\n",
            *(f"{number}. {name}" for number, name in enumerate(names, 1)),
            "",
        ]
    )


def text(room: Path) -> str:
    log = room / "log"
    files = make_root(room / "files")
    debian = make_pristine(room, make_repository(room))
    packages = [("rule", Packages(kind="packages", install=["rocblas", "helper"]))]
    return "".join(
        [
            _INTRO,
            section("Applying six file actions", points(log, lambda: apply(files, file_actions()))),
            section("Rolling them back", points(log, lambda: engine.rollback(options(files)))),
            section("apt: an upgrade and a new package", points(log, lambda: apply(debian, packages))),
            section("apt: rolling that back", points(log, lambda: engine.rollback(options(debian)))),
        ]
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PLACE.write_text(text(Path(folder)), "utf-8")
    sys.stdout.write(f"{PLACE}\n")
