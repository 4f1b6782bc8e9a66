"""One line for a plan: what it says of a machine, for tables of many machines."""

from __future__ import annotations

from rocm_patch.plan.model import Plan, State

HEAD = ("right", "needed", "by hand", "optional", "impossible", "unknown")
_STATES: tuple[State, ...] = ("needed", "by-hand", "optional", "impossible")


def row(plan: Plan) -> tuple[str, ...]:
    """Give the cells of `HEAD`, in plain text."""
    right = sum(1 for item in plan.items if item.state == "right")
    cells = [", ".join(item.rule for item in plan.items if item.state == state) or "-" for state in _STATES]
    unknown = [f"{item.rule} ({', '.join(item.unknown)})" for item in plan.items if item.state == "unknown"]
    return (str(right), *cells, ", ".join(unknown) or "-")
