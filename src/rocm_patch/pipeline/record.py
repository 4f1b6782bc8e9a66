"""The build record: dist/<name>.build.json, what was built from what, at what cost.

Reads marks; knows nothing of how steps run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from rocm_patch import __version__
from rocm_patch.pipeline import machine
from rocm_patch.pipeline.digest import atomic_write, read_digest
from rocm_patch.pipeline.engine import Plan

FORMAT = 1


def record_of(plan: Plan, products: Sequence[Path]) -> dict[str, Any]:
    """Describe a finished build: request, machine, each step's inputs and cost, the products' hashes."""
    request = {
        name: value
        for name, value in attrs.asdict(plan.request).items()
        if name not in {"jobs", "keep_going"}
    }
    steps: list[dict[str, Any]] = []
    for item in plan.steps:
        mark = item.verdict.mark
        if mark is None:
            continue
        steps.append(
            {
                "step": mark.step,
                "key": mark.key,
                "inputs": mark.inputs,
                "outputs": {name: entry["sha256"] for name, entry in mark.outputs.items()},
                "usage": mark.usage,
                "facts": mark.facts,
                "log": mark.log,
                "finished": mark.finished,
            }
        )
    return {
        "format": FORMAT,
        "made_by": f"rocm-patch {__version__}",
        "request": request,
        "key": plan.key,
        "jobs": plan.jobs,
        "machine": machine.describe(),
        "products": [
            {"name": path.name, "size": path.stat().st_size, "sha256": read_digest(path)} for path in products
        ],
        "totals": {
            "wall_s": round(sum(step["usage"]["wall_s"] for step in steps), 1),
            "cpu_s": round(sum(step["usage"]["cpu_s"] for step in steps), 1),
            "peak_bytes": max((int(step["usage"]["peak_bytes"]) for step in steps), default=0),
        },
        "steps": steps,
    }


def write_record(folder: Path, plan: Plan, products: Sequence[Path]) -> Path:
    """Write the record beside the products, named after the first of them (or the work folder)."""
    stem = products[0].name if products else plan.request.label
    path = folder / f"{stem}.build.json"
    atomic_write(path, json.dumps(record_of(plan, products), indent=1).encode() + b"\n")
    return path
