"""What apply did to this machine, in words. Reads nothing itself."""

from __future__ import annotations

from rocm_patch.machine_state import MachineState


def applied_in_words(state: MachineState) -> str:
    """Say in one line what is applied."""
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
