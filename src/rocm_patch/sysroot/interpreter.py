"""A Python that a root does not have: Debian packages of another release, unpacked into a folder.

Knows where such packages have their files. Knows nothing of who asks for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from rocm_patch.errors import DataError
from rocm_patch.sysroot.debs import extract

#: In an environment's folder: what stands for the interpreter's /usr.
BASE = "base"
#: What neither a build nor a program reads of an interpreter's packages.
_LEFT_OUT = ("/usr/share/*", "/usr/src/*", "*/config-*/lib*.a")


def venv_words(packages: Sequence[Path], folder: Path, seen: str, python: str) -> list[str]:
    """Give the words that make `folder`, which programs see as `seen`, a virtual environment without pip.

    Its Python is that of the packages, unpacked into it, or where there are none the root's own.
    Raises as place_interpreter does.
    """
    program = python
    if packages:
        place_interpreter(packages, folder / BASE, python)
        program = f"{seen}/{BASE}/bin/{python}"
    return [program, "-m", "venv", "--without-pip", seen]


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
