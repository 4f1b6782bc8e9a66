"""The gfx targets that can be built for: those with a data file and a Conan profile.

Knows names only; what a target's hardware can do is in build/targets/ for the audit and
the virtual GPU.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from rocm_patch.errors import UsageError
from rocm_patch.paths import data_root


@attrs.frozen
class Target:
    """A GPU architecture: its name for the compiler, its data file, its Conan profile."""

    name: str
    data: Path
    profile: Path


def load_target(name: str) -> Target:
    """Find a target's files. UsageError names the targets there are, and what to add for another."""
    root = data_root() / "build"
    found = {entry.name: entry for entry in (root / "profiles").iterdir() if entry.is_file()}
    known = sorted(stem for stem in found if (root / "targets" / f"{stem}.yml").is_file())
    if name not in known:
        raise UsageError(
            f"there is no target {name}",
            cause=f"a target has build/targets/{name}.yml and build/profiles/{name}",
            step=f"one of: {', '.join(known)}; docs/building.md says how to add one",
        )
    return Target(name=name, data=root / "targets" / f"{name}.yml", profile=found[name])
