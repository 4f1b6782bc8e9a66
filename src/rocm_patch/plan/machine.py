"""From a root folder, or a saved machine, to facts and a plan. Joins detect and the rules; nothing else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from rocm_patch.detect.machine import examine
from rocm_patch.detect.model import Report
from rocm_patch.detect.tree import Tree
from rocm_patch.errors import UsageError
from rocm_patch.plan.conditions import Facts
from rocm_patch.plan.facts import collect
from rocm_patch.plan.make import make_plan
from rocm_patch.plan.model import Plan

#: Seconds that plan and apply give to reading a library, where an answer hangs on it.
READING = 60.0


def look(
    root: Path,
    *,
    user: str | None = None,
    targets: float = 0.0,
    progress: Callable[[str], None] = lambda _line: None,
) -> tuple[Report, Facts]:
    """Examine the machine below `root` (a folder, or a file of detect --save).

    `targets` is the time in seconds that reading the code inside librocblas may take, where an
    answer hangs on it; what was read before is known at once. `progress` is told of it.
    """
    if not root.exists():
        raise UsageError(
            f"there is no {root}", step="name a folder, or a file made by rocm-patch detect --save"
        )
    environment: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="rocm-patch-plan-") as scratch:
        if str(root) == "/":
            tree, environment = Tree(root), dict(os.environ)
            user = user or caller()
        elif root.is_dir():
            tree = Tree(root.resolve())
        else:
            from rocm_patch.detect.fixture import load, unpack  # noqa: PLC0415  # YAML

            data = load(root)
            tree = unpack(data, Path(scratch), root)
            environment = {str(name): str(value) for name, value in data["environment"].items()}
            user = user or data.get("user")
        report = examine(tree, environment=environment, user=user)
        facts = collect(report, tree)
        if _hangs_on_code(facts):
            _read_code(tree, report, targets, progress)
            facts = collect(report, tree)
        return report, facts


def _hangs_on_code(facts: Facts) -> bool:
    """Tell whether a rule has no answer for want of what is inside rocBLAS."""
    return any("rocblas.code" in item.unknown for item in make_plan(facts).items)


def _read_code(tree: Tree, report: Report, seconds: float, progress: Callable[[str], None]) -> None:
    """Fill in the targets inside rocBLAS: from the cache, and from the file if there is time for it."""
    libraries = [one for one in report.libraries if one.name == "rocblas"]
    if not libraries:
        return
    for one in libraries if seconds else []:
        progress(
            f"reading {one.path} ({one.size >> 20} MiB, {seconds:.0f} s at most) if it was not read before"
        )
    from rocm_patch.detect.code import add_code  # noqa: PLC0415  # only where there is a rocBLAS
    from rocm_patch.paths import cache_root  # noqa: PLC0415

    add_code(tree, libraries, cache_root() / "detect-targets.json", seconds=seconds)


def caller() -> str | None:
    """Name the person behind sudo; None where there is none, and the runner is meant."""
    name = os.environ.get("SUDO_USER", "")
    return name if os.geteuid() == 0 and name and name != "root" else None


def plan_for(
    root: Path,
    *,
    user: str | None = None,
    targets: float = 0.0,
    progress: Callable[[str], None] = lambda _line: None,
) -> tuple[Plan, Facts]:
    """Make the plan of the machine below `root`, and give the facts with it."""
    _, facts = look(root, user=user, targets=targets, progress=progress)
    return make_plan(facts), facts
