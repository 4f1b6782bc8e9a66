"""Start a program on the virtual GPU: on this machine, or inside the sysroot.

The library is preloaded: its soname then satisfies every later demand for
libhsa-runtime64.so.1, also that of programs whose DT_RPATH points at a real ROCm.
Knows no setting's meaning.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from rocm_patch.errors import UsageError
from rocm_patch.sysroot import Bind
from rocm_patch.vgpu import kfd
from rocm_patch.vgpu.settings import SONAME, Settings

#: Where a sysroot shows the library, and where it may leave statistics and traces.
INSIDE = "/opt/rocm-patch-vgpu"
_OUTPUT = f"{INSIDE}/output"


def host_environment(library: Path, settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """Give `base` with what makes a program of this machine use the virtual GPU."""
    return {
        **base,
        **settings.environment(),
        "LD_PRELOAD": _before(str(library), base.get("LD_PRELOAD")),
        "LD_LIBRARY_PATH": _before(str(library.parent), base.get("LD_LIBRARY_PATH")),
    }


@attrs.frozen
class View:
    """What a command in a sysroot must be shown and told to use the virtual GPU."""

    binds: tuple[Bind, ...]
    env: dict[str, str]


def sysroot_view(
    library: Path, settings: Settings, *, scratch: Path, env: Mapping[str, str] | None = None
) -> View:
    """Give the binds and variables for `Sysroot.run`, `call` or `command`, over those in `env`.

    `scratch` is an empty folder for the kernel's files that tools look for; it must
    live as long as the command. Statistics and traces go to the host's files.
    """
    inside, output = _outputs_inside(settings)
    given = env or {}
    place = f"{INSIDE}/{SONAME}"
    variables = {
        **given,
        **inside.environment(),
        "LD_PRELOAD": _before(place, given.get("LD_PRELOAD")),
        "LD_LIBRARY_PATH": _before(INSIDE, given.get("LD_LIBRARY_PATH")),
    }
    return View(
        binds=(Bind(library, place, "ro"), *kfd.write_tree(scratch, settings), *output), env=variables
    )


def _outputs_inside(settings: Settings) -> tuple[Settings, list[Bind]]:
    """Move the paths of outputs to where the inside sees their folders."""
    binds: list[Bind] = []

    def moved(name: str, path: str | None) -> str | None:
        if path is None or path in ("", "-"):
            return path
        file = Path(path).resolve()
        if not file.parent.is_dir():
            raise UsageError(f"the folder of {path} does not exist", step="make it, or name another file")
        binds.append(Bind(file.parent, f"{_OUTPUT}/{name}"))
        return f"{_OUTPUT}/{name}/{file.name}"

    inside = attrs.evolve(
        settings, stats=moved("stats", settings.stats), trace=moved("trace", settings.trace)
    )
    return inside, binds


def _before(first: str, rest: str | None) -> str:
    return os.pathsep.join([first, rest]) if rest else first
