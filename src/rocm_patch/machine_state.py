"""How this machine stands with rocm-patch, as plain data.

For doctor, metrics, status and tables of many machines.
Stable: fields are added, never changed. `machine_state()` never raises for what it finds;
what it cannot read it says in `unknown`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Policy = Literal["tell", "reapply", "hold"]


@dataclass
class Applied:
    """One transaction that is applied."""

    id: int
    kind: str
    rules: list[str]
    time: float


@dataclass
class MachineState:
    """The state of one root."""

    root: str = "/"
    #: False where rocm-patch never changed anything, or it is not known.
    known: bool = False
    applied: list[Applied] = field(default_factory=list)
    #: Transactions that were cut off; the next apply, rollback or hold settles them.
    unfinished: list[int] = field(default_factory=list)
    #: Transactions that failed and were put back.
    failures: int = 0
    #: Seconds that each ended transaction took.
    durations: list[float] = field(default_factory=list)
    #: Outcome of the last verification; None before the first.
    verified: bool | None = None
    verified_at: float | None = None
    findings: list[str] = field(default_factory=list)
    #: What an update did that the owner has not settled.
    notices: list[str] = field(default_factory=list)
    #: What is done when an update replaces something: tell, reapply or hold.
    policy: str = "tell"
    #: Something waits to be applied again.
    pending: bool = False
    #: Why something is not known.
    unknown: str = ""


def machine_state(root: Path = Path("/")) -> MachineState:
    """Read how a root stands: from its journal, or from status.json for those who may not read that."""
    import os  # noqa: PLC0415  # the model alone is imported by others
    import sqlite3  # noqa: PLC0415

    from rocm_patch.apply.rootfs import RootFs  # noqa: PLC0415
    from rocm_patch.apply.state import STATUS, state_of  # noqa: PLC0415
    from rocm_patch.apply.statefolder import read_journal  # noqa: PLC0415
    from rocm_patch.errors import RocmPatchError  # noqa: PLC0415

    try:
        fs = RootFs(root)
    except OSError as error:
        return MachineState(root=str(root), unknown=f"{root}: {os.strerror(error.errno or 0)}")
    try:
        with read_journal(fs) as journal:
            if journal is not None:
                return state_of(fs, journal)
        return from_json(fs.read(STATUS), str(root))
    except (RocmPatchError, OSError, sqlite3.Error) as error:
        return MachineState(root=str(root), unknown=str(error).split("\n")[0])
    finally:
        fs.close()


def from_json(data: bytes | None, root: str) -> MachineState:
    """Read status.json; whatever does not fit the model is left out."""
    import json  # noqa: PLC0415

    if data is None:
        return MachineState(root=root)
    try:
        found: Any = json.loads(data)
        state = MachineState(root=root, known=True)
        state.applied = [
            Applied(
                int(one["id"]), str(one["kind"]), [str(rule) for rule in one["rules"]], float(one["time"])
            )
            for one in found["applied"]
        ]
        state.unfinished = [int(one) for one in found["unfinished"]]
        state.failures = int(found["failures"])
        state.durations = [float(one) for one in found["durations"]]
        state.verified = None if found["verified"] is None else bool(found["verified"])
        state.verified_at = None if found["verified_at"] is None else float(found["verified_at"])
        state.findings = [str(one) for one in found["findings"]]
        state.notices = [str(one) for one in found["notices"]]
        state.policy = found["policy"] if found["policy"] in get_args(Policy) else "tell"
        state.pending = bool(found["pending"])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return MachineState(root=root, unknown="status.json is damaged; run rocm-patch status as root")
    return state
