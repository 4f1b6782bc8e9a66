"""apt, dnf and zypper behind one interface.

Each knows its own programs, files and locks; none knows of plans.
"""

from __future__ import annotations

from rocm_patch.apply.context import Context
from rocm_patch.apply.managers.apt import Apt
from rocm_patch.apply.managers.base import Changes, Manager
from rocm_patch.apply.managers.dnf import Dnf
from rocm_patch.apply.managers.dnf5 import Dnf5
from rocm_patch.apply.managers.zypper import Zypper
from rocm_patch.errors import CheckError

MANAGERS: dict[str, type[Manager]] = {"apt": Apt, "dnf": Dnf, "zypper": Zypper}


def manager_of(ctx: Context, name: str | None = None) -> Manager:
    """Give the manager of the root: by name, or by the database that is there."""
    if name is None:
        name = next((one for one, kind in MANAGERS.items() if kind.present(ctx.fs)), None)
    if name is None:
        raise CheckError(
            f"{ctx.fs.root} has no package manager that rocm-patch works with",
            cause="neither dpkg's nor rpm's database is there",
            step="leave the packages out: --exclude RULE",
        )
    if name == "dnf" and Dnf5.is_dnf():
        return Dnf5(ctx)
    return MANAGERS[name](ctx)


__all__ = ["MANAGERS", "Changes", "Manager", "manager_of"]
