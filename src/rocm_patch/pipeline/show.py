"""A plan as text: for `--plan` each step with inputs and hashes, before a run the sum.

Knows plans and lines; decides nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from rocm_patch.pipeline.engine import Plan, Planned
from rocm_patch.pipeline.ninja import clock
from rocm_patch.pipeline.report import size

_SHORT = 16


def plan_lines(plan: Plan) -> Iterator[str]:
    """Give the whole plan, a line at a time."""
    request = plan.request
    yield f"{request.component} {request.version} for {request.target}"
    yield f"Python {request.python}, SDK {request.sdk}, launcher {request.launcher}"
    yield f"work folder {plan.folder}"
    yield f"build key {plan.key}"
    for item in plan.steps:
        yield from _step_lines(item)
    yield summary(plan)


def _step_lines(item: Planned) -> Iterator[str]:
    state = "cached" if item.verdict.fresh else f"to do: {item.verdict.reason}"
    yield ""
    yield f"{item.step.name}  {item.key[:_SHORT]}  [{state}]"
    yield f"    {item.step.does}"
    for name, digest in sorted(item.inputs.items()):
        yield f"    in   {digest[:_SHORT]}  {name}"
    mark = item.verdict.mark
    for name in item.step.outputs:
        known = mark.outputs.get(name) if mark is not None and item.verdict.fresh else None
        yield f"    out  {known['sha256'][:_SHORT] if known else '-' * _SHORT}  {name}"
    if not item.verdict.fresh:
        yield f"    cost {_cost(item)}"


def _cost(item: Planned) -> str:
    parts = []
    if item.estimate.fetch:
        parts.append(f"fetch {size(item.estimate.fetch)}")
    if item.estimate.disk:
        parts.append(f"disk {size(item.estimate.disk)}")
    parts.append(f"about {clock(item.seconds)}")
    return ", ".join(parts)


def summary(plan: Plan) -> str:
    """Give what is still to be done in one line: fetch, disk, time."""
    to_do = plan.to_do
    if not to_do:
        return "nothing to do: every step's result stands"
    total = plan.total()
    free = shutil.disk_usage(_existing(plan.folder)).free
    return (
        f"{len(to_do)} of {len(plan.steps)} steps to do: fetch {size(total.fetch)}, "
        f"disk {size(total.disk)} ({size(free)} free), about {clock(total.seconds)} with {plan.jobs} jobs"
    )


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
