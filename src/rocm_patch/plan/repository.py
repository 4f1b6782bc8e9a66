"""How this project's package repository is set up on a machine, as lines to type.

Knows the words of apt, dnf and zypper; reads nothing. docs/repositories.md describes the repository.
"""

from __future__ import annotations

from typing import Literal

#: Where `./nox -s repo -- --serve` serves the packages that were made on this machine.
SERVED = "http://127.0.0.1:8642"
#: What every version of this project's packages for the card matches, and no stock one.
OURS = "*gfx1010*"
Suite = Literal["amd", "debian"]
_LINES = {
    "apt": (
        f"curl -fsS {SERVED}/rocm-patch-{{suite}}.sources"
        " | sudo tee /etc/apt/sources.list.d/rocm-patch.sources >/dev/null && sudo apt-get update"
    ),
    "dnf": (
        f"curl -fsS {SERVED}/rocm-patch-{{suite}}.repo"
        " | sudo tee /etc/yum.repos.d/rocm-patch.repo >/dev/null && sudo dnf makecache"
    ),
    "zypper": (f"sudo zypper addrepo --refresh {SERVED}/rocm-patch-{{suite}}.repo && sudo zypper refresh"),
}


def suite_for(manager: str, *, amd: bool) -> Suite:
    """Name the suite that fits a machine: Debian's layout only beside the distribution's own ROCm."""
    return "debian" if manager == "apt" and not amd else "amd"


def setup_line(manager: str, suite: Suite) -> str:
    """Give the line that sets the repository up; empty for a manager that it has nothing for."""
    return _LINES.get(manager, "").format(suite=suite)
