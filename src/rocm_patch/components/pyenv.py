"""The Python that a build calls: the SDK's own, or packages of one, with pinned wheels unpacked into it.

Nothing is compiled and nobody's pip runs. Knows no component by name.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from rocm_patch.components.tree import merge_tree
from rocm_patch.errors import DataError
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.sdk import Mount, Sdk
from rocm_patch.sources import unpack
from rocm_patch.sysroot.debs import extract

#: The environment's folder as programs inside see it, and in a work folder.
PYENV, FOLDER = "/pyenv", "pyenv"
#: Below it: a Python that the SDK does not have.
BASE = "base"
#: What no build reads of an interpreter's packages.
_LEFT_OUT = ("/usr/share/*", "/usr/src/*", "*/config-*/lib*.a")


def make_pyenv(
    run: StepRun, sdk: Sdk, *, interpreter: Sequence[Path] = (), wheels: Sequence[Path] = ()
) -> None:
    """Make the environment in the step's scratch, for the request's Python.

    `interpreter` are Debian packages of a Python that the SDK lacks; without them the SDK's is
    taken. DataError where they hold another one, ArchiveError for a package that is not safe.
    """
    python = f"python{run.request.python}"
    mount = Mount(run.scratch / FOLDER, PYENV, write=True)
    mount.outside.mkdir()
    program = python
    if interpreter:
        place_interpreter(interpreter, mount.outside / BASE, python)
        program = f"{sdk.seen(mount)}/{BASE}/bin/{python}"
    argv = [program, "-m", "venv", "--without-pip", sdk.seen(mount)]
    run.call(sdk.command(argv, mounts=[mount], env={}, cwd="/"))
    site = mount.outside / "lib" / python / "site-packages"
    for path in wheels:
        unpack(path, run.scratch / "one")
        merge_tree(run.scratch / "one", site)
        shutil.rmtree(run.scratch / "one")


def place_interpreter(packages: Sequence[Path], base: Path, python: str) -> None:
    """Unpack a Python's packages so that it runs from `base`, which takes the place of its /usr.

    A Python finds its library next to itself, so it needs no more than that; its headers do: Debian's
    pyconfig.h includes one by a path below /usr/include. DataError where there is no such Python.
    """
    root = base.with_name(f".{base.name}-root")
    root.mkdir(parents=True)
    extract(packages, root, _LEFT_OUT)
    if not (root / "usr" / "bin" / python).is_file():
        raise DataError(
            f"the packages of the interpreter hold no usr/bin/{python}",
            cause=", ".join(sorted(path.name for path in packages)),
            step="correct `interpreter` in the recipe's conandata.yml",
        )
    (root / "usr").rename(base)
    shutil.rmtree(root)
    for real in base.glob(f"include/*-linux-gnu/{python}/pyconfig.h"):
        shutil.copy2(real, base / "include" / python / "pyconfig.h")
