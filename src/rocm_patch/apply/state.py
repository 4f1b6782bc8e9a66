"""How a root stands, worked out of its journal, and published for those who may not read that.

The model is rocm_patch.machine_state's; nothing here changes anything but status.json.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict

from rocm_patch.apply.journal import FOLDER, UNFINISHED, Journal
from rocm_patch.apply.rootfs import Meta, RootFs
from rocm_patch.machine_state import Applied, MachineState

STATUS = f"{FOLDER}/status.json"


def state_of(fs: RootFs, journal: Journal) -> MachineState:
    """Work out how the root stands."""
    transactions = journal.transactions()
    verification = journal.last_verification()
    found = MachineState(
        root=str(fs.root),
        known=True,
        policy=journal.setting("policy", "tell"),
        pending=journal.setting("pending") == "yes",
    )
    for tx in transactions:
        failed = tx.state in {"undone", "abandoned"}
        found.failures += failed
        if tx.ended is not None:
            found.durations.append(round(tx.ended - tx.begun, 3))
        if tx.state in UNFINISHED:
            found.unfinished.append(tx.id)
        if tx.state == "applied":
            rules = sorted({step.rule for step in journal.steps(tx.id)})
            found.applied.append(Applied(id=tx.id, kind=tx.kind, rules=rules, time=tx.ended or tx.begun))
    if verification is not None:
        found.verified_at, found.verified, found.findings = verification
    found.notices = [what for _, what in journal.notices()]
    return found


def publish(fs: RootFs, journal: Journal) -> None:
    """Write status.json, which every user may read: no contents, no names of users."""
    text = json.dumps(asdict(state_of(fs, journal)), indent=2) + "\n"
    fs.write(STATUS, iter([text.encode()]), Meta(0o644, os.geteuid(), os.getegid()))
