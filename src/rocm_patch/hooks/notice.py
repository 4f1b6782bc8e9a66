"""Looks, after an update, whether what rocm-patch installed is still there.

Says so and acts by the owner's choice.
Never raises, and never fails the package manager that called.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

from rocm_patch import commands
from rocm_patch.apply import engine
from rocm_patch.apply.journal import UNFINISHED
from rocm_patch.errors import BusyError, RocmPatchError
from rocm_patch.machine_state import machine_state

_SHOWN = 6
_UNIT = "rocm-patch-reapply.service"


def notice(manager: str, root: Path) -> list[str]:  # noqa: PLR0911  # one for each outcome
    """Give the lines to print; none where all is as it was left."""
    if os.environ.get("ROCM_PATCH_ACTIVE"):
        return []
    try:
        state = machine_state(root)
        if not state.applied and not state.unknown:
            return []
        with engine.session(engine.Options(root=root)) as ctx:
            if ctx.journal.transactions(*UNFINISHED):
                return ["rocm-patch: an earlier run was cut off; the next call of rocm-patch settles it"]
            ctx.quick = True
            findings = engine.verify(ctx)
            if not findings:
                return []
            policy = ctx.journal.setting("policy", "tell")
            ctx.journal.notice(f"{manager}: " + "; ".join(findings[:_SHOWN]))
            lines = [
                f"rocm-patch: this run of {manager} replaced what rocm-patch had set up:",
                *(f"  {line}" for line in findings[:_SHOWN]),
            ]
            if len(findings) > _SHOWN:
                lines.append(f"  and {len(findings) - _SHOWN} more: rocm-patch verify")
            if policy == "reapply":
                ctx.journal.set("pending", "yes")
                lines.append(
                    "  it is applied again when the package manager has ended"
                    if _start(live=ctx.fs.live)
                    else "  apply it again: sudo rocm-patch apply --again"
                )
            else:
                lines.append(
                    "  again: sudo rocm-patch apply --again; back to stock: sudo rocm-patch rollback --force"
                )
            engine.publish(ctx)
            return lines
    except BusyError:
        return ["rocm-patch: another rocm-patch works just now; it looks for itself"]
    except (RocmPatchError, OSError, sqlite3.Error) as error:
        return [f"rocm-patch: could not look whether its work is still there: {str(error).splitlines()[0]}"]


def _start(*, live: bool) -> bool:  # one flag
    """Have systemd start the unit; False where there is none."""
    systemctl = shutil.which("systemctl")
    if not live or systemctl is None or not Path("/run/systemd/system").is_dir():
        return False
    try:
        done = commands.run(
            [systemctl, "start", "--no-block", _UNIT], check=False, capture_output=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
