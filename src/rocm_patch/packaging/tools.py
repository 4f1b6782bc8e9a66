"""Programs that make, check and sign packages: which package has them, and running one.

Knows argument lists and exit codes; nothing of what is packaged.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from rocm_patch.errors import MissingToolError, PackageError
from rocm_patch.sysroot.tools import which

#: program -> its package in Debian and Ubuntu; build/debian-packages.txt says what each is for.
_PACKAGES = {
    "dpkg-deb": "dpkg",
    "dpkg": "dpkg",
    "rpm": "rpm",
    "rpmbuild": "rpm",
    "rpmsign": "rpm",
    "lintian": "lintian",
    "rpmlint": "rpmlint",
    "apt-ftparchive": "apt-utils",
    "createrepo_c": "createrepo-c",
    "gpg": "gnupg",
}
_TAIL = 20


def need(*programs: str) -> None:
    """Raise MissingToolError that names each absent program and one command that installs them."""
    absent = [name for name in programs if which(name) is None]
    if absent:
        packages = dict.fromkeys(_PACKAGES[name] for name in absent)
        raise MissingToolError(
            f"this machine lacks {', '.join(absent)}",
            cause="packages and repositories are made with the distributions' own tools",
            step=f"as root: apt-get install {' '.join(packages)}",
        )


def run(
    argv: Sequence[str],
    *,
    what: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    data: bytes | None = None,
    error: type[PackageError] = PackageError,
    codes: Sequence[int] = (0,),
) -> str:
    """Run a program; gives its standard output. PackageError with the end of what it said."""
    if argv[0] in _PACKAGES:
        need(argv[0])
    done = subprocess.run(
        [str(which(argv[0]) or argv[0]), *argv[1:]],
        env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(env or {})},
        cwd=cwd, input=data, stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True, check=False,
    )  # fmt: skip
    out = done.stdout.decode("utf-8", "replace")
    if done.returncode not in codes:
        said = done.stderr.decode("utf-8", "replace") + (out if not done.stderr else "")
        raise error(
            f"{what} failed",
            cause=f"{argv[0]} ended with exit code {done.returncode}",
            detail=said.strip().splitlines()[-_TAIL:],
            step="mend the cause and run the same command again",
        )
    return out
