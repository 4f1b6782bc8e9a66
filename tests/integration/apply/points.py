"""Lists the points at which runs are killed: `python -m tests.integration.apply.points` writes the record."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.integration.apply import rpmroot
from tests.integration.apply.debroot import make_pristine, make_repository
from tests.integration.apply.killing import CASES, STORIES, fresh, points
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
- tests/integration/apply/test_apply_kill_points.py: dnf and zypper (install, upgrade, rollback), holds, the
  hook and `apply --again` with each manager; a few points each time, all with ROCM_PATCH_EVERY_POINT=1;
- test_apply_apt.py again: dpkg and its maintainer script killed with us.

All that were tried survive; docs/records/apply.md says which were, and when.
`python -m tests.integration.apply.points` writes this list; names of snapshots are cut.
"""


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
    rpms = rpmroot.make_repository(room)
    stocks = {kind: rpmroot.make_rpm_root(room / kind, rpms, kind) for kind in ("dnf", "zypper")}
    stocks["apt"] = fresh(debian, room / "apt")
    packages = [("rule", Packages(kind="packages", install=["rocblas", "helper"]))]

    def told(title: str, root: Path, work: Callable[[Path], object]) -> str:
        return section(title, points(root, log, work))

    made = [
        told("Applying six file actions", files, lambda root: apply(root, file_actions())),
        told("Rolling them back", files, lambda root: engine.rollback(options(root))),
        told("apt: an upgrade and a new package", debian, lambda root: apply(root, packages)),
        told("apt: rolling that back", debian, lambda root: engine.rollback(options(root))),
    ]
    for kind, name in CASES:
        story = STORIES[name]
        root = fresh(stocks[kind], room / "case")
        story.before(kind, root)
        made.append(told(f"{kind}: {story.title}", root, story.work))
    return "".join([_INTRO, *made])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PLACE.write_text(text(Path(folder)), "utf-8")
    sys.stdout.write(f"{PLACE}\n")
