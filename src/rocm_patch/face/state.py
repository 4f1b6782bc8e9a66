"""What apply says of this machine, as far as this rocm-patch has that part. Reads nothing itself."""

from __future__ import annotations

import importlib
from typing import Any


def applied_state() -> Any:
    """Give rocm_patch.machine_state's MachineState; None in an installation without apply."""
    try:
        module: Any = importlib.import_module("rocm_patch.machine_state")
    except ModuleNotFoundError:
        return None
    return module.machine_state()


def applied_in_words(state: Any) -> str:
    """Say in one line what is applied."""
    if state is None:
        return "nothing: this rocm-patch has no apply"
    if state.unknown:
        return f"not known: {state.unknown}"
    rules = list(dict.fromkeys(rule for one in state.applied for rule in one.rules))
    parts = [f"{', '.join(rules)}" if rules else "nothing by rocm-patch"]
    if state.unfinished:
        parts.append("a run was cut off: rocm-patch status")
    if state.verified is False:
        parts.append("changed since: rocm-patch verify")
    if state.notices:
        parts.append(f"{len(state.notices)} notices: rocm-patch status")
    return "; ".join(parts)
