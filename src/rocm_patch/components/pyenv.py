"""The Python that a build calls: the SDK's own, or packages of one, with pinned wheels unpacked into it.

Nothing is compiled and nobody's pip runs. Knows no component by name.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from rocm_patch.components.tree import merge_tree
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.sdk import Mount, Sdk
from rocm_patch.sources import unpack
from rocm_patch.sysroot.interpreter import venv_words

#: The environment's folder as programs inside see it, and in a work folder.
PYENV, FOLDER = "/pyenv", "pyenv"


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
    argv = venv_words(interpreter, mount.outside, sdk.seen(mount), python)
    run.call(sdk.command(argv, mounts=[mount], env={}, cwd="/"))
    add_wheels(run, wheels)


def add_wheels(run: StepRun, wheels: Iterable[Path]) -> None:
    """Unpack wheels where the request's Python looks for them, in the environment in the step's scratch."""
    site = run.scratch / FOLDER / "lib" / f"python{run.request.python}" / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    for path in wheels:
        unpack(path, run.scratch / "one")
        merge_tree(run.scratch / "one", site)
        shutil.rmtree(run.scratch / "one")
