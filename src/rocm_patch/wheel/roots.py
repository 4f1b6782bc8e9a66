"""Bare systems in which a finished wheel must import: no -dev package, ROCm in one of two places.

Made from packages of the sysroot's lock, so that nothing is fetched that the build has not
fetched. Knows packages and folders; how a root is made and entered is rocm_patch.sysroot's.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from rocm_patch.errors import DataError
from rocm_patch.pipeline.sdk import Mount
from rocm_patch.sources import ObjectStore
from rocm_patch.sysroot import Bind, Lock, Sysroot, debs
from rocm_patch.sysroot.debs import Deb, base_of
from rocm_patch.sysroot.make import create
from rocm_patch.wheel.elf import is_elf, read_dynamic
from rocm_patch.wheel.inside import Inside

#: A user's Python with pip and venv.
PYTHON = ("python3.13-venv",)
#: ROCm's run-time packages, as a user of Debian installs them.
ROCM = (
    "libmiopen1", "libhiprtc6", "libhipblas2", "libhipfft0", "libhiprand1", "libhipsparse1",
    "libhipsolver0", "librocrand1", "libroctx64-4", "libamdhip64-6",
)  # fmt: skip
_ROCM_NAME = re.compile(
    r"lib(miopen|hip(rtc|blas|fft|rand|sparse|solver)|roc(rand|blas|fft|sparse|solver)|roctx64|amdhip64|"
    r"hsa-runtime64|amd-comgr|hiprtc-builtins)-?[\d]*(-\d+)?(-tests|-data)?"
)
_FOLDER = "usr/lib/x86_64-linux-gnu"


def closure(packages: Mapping[str, Deb], names: Iterable[str]) -> set[str]:
    """Give packages with all that they need, and the essential ones. DataError where one is unknown."""
    providers: dict[str, list[str]] = {}
    for deb in packages.values():
        for virtual in deb.provides:
            providers.setdefault(virtual, []).append(deb.name)
    found: set[str] = set()
    waiting = [*names, *base_of(packages)]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in packages:
            raise DataError(f"the lock has no package {name}", step="update the lock, or the list of names")
        found.add(name)
        for group in packages[name].needs:
            met = [one for one in group if one in packages]
            waiting += met[:1] or [one for virtual in group for one in providers.get(virtual, ())][:1]
    return found


def bare_lock(lock: Lock, *, rocm: bool) -> Lock:
    """Give the part of a lock that a user's machine has: Python, what ROCm needs, and ROCm if asked for.

    No -dev package is in it, but for those that Debian's ROCm itself depends on: comgr needs
    clang's own headers. SourceError where a package cannot be had.
    """
    with debs.fetched(lock, ObjectStore()) as files:
        packages = debs.read(files)
    names = closure(packages, (*PYTHON, *ROCM))
    if not rocm:
        names = {name for name in names if not is_rocm(name) and not name.endswith("-dev")}
    kept = tuple(one for one in lock.packages if one.name in names)
    title = f"{lock.name}-bare{'-rocm' if rocm else ''}"
    return Lock(header={**lock.header, "name": title}, packages=kept)


def is_rocm(package: str) -> bool:
    """Say whether a Debian package is one of ROCm's run-time libraries."""
    return _ROCM_NAME.fullmatch(package) is not None


def make_root(lock: Lock) -> Sysroot:
    """Make a bare root in the cache, unless it is there. See `rocm_patch.sysroot.make.create`."""
    return create(lock)


def amd_folder(inside: Inside, table_sonames: Iterable[str], folder: Path) -> Path:
    """Lay out ROCm's libraries as AMD's packages do: `folder`/lib, each finding the others by $ORIGIN.

    Copied out of the sysroot with all of ROCm that they need; patchelf is the SDK's.
    """
    lib = folder / "lib"
    lib.mkdir(parents=True)
    source = inside.root / _FOLDER
    waiting = [name for name in table_sonames if (source / name).exists()]
    rocm = re.compile(r"lib(MIOpen|hip|roc|amdhip|amd_comgr|hsa-runtime|roctx)\w*(-builtins|64)?\.so(\.\d+)*")
    done: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        shutil.copyfile(source / name, lib / name)
        dynamic = read_dynamic(lib / name)
        needed = dynamic.needed if dynamic else ()
        waiting += [need for need in needed if rocm.fullmatch(need)]
    mount = Mount(lib, "/wheelwork", write=True)
    for path in sorted(lib.iterdir()):
        if is_elf(path):
            path.chmod(0o755)
            argv = ["patchelf", "--set-rpath", "$ORIGIN", f"{inside.sdk.seen(mount)}/{path.name}"]
            inside.run(argv, mounts=[mount])
    return lib


def install_and_run(
    root: Sysroot, wheels: Iterable[Path], folder: Path, code: str, *, opt: Path | None = None
) -> str:
    """Install wheels offline with pip into a fresh environment and run Python code there; gives its output.

    `opt` becomes /opt/rocm-6.4.3. SysrootError where installing or the code fails.
    """
    house = folder / "wheels"
    house.mkdir(parents=True)
    for wheel in wheels:
        # Copied: what a link leads to is not in the root, and dist/ may lie on another file system.
        shutil.copyfile(wheel, house / wheel.name)
    (folder / "venv").mkdir()
    binds = [Bind(folder / "venv", "/venv"), Bind(house, "/wheels", "ro")]
    if opt is not None:
        binds.append(Bind(opt, "/opt/rocm-6.4.3", "ro"))
    root.run(["python3.13", "-m", "venv", "/venv"], binds=binds)
    names = sorted(f"/wheels/{path.name}" for path in house.iterdir())
    pip = ["/venv/bin/pip", "install", "--no-index", "--no-deps", "--no-cache-dir", *names]
    root.run(pip, binds=binds)
    return root.run(["/venv/bin/python", "-I", "-c", code], binds=binds).stdout
