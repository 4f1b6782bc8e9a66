"""Make an unpacked wheel's libraries self-sufficient: strip, vendor with auditwheel, set search paths.

auditwheel, strip and patchelf run in the SDK, whose libraries are the ones that are
vendored. Knows ELF needs and the table of what a system has; nothing of metadata.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from rocm_patch.pipeline.sdk import Mount
from rocm_patch.sources import unpack
from rocm_patch.wheel import floor
from rocm_patch.wheel.archive import pack_wheel, unpack_wheel
from rocm_patch.wheel.elf import Dynamic, linked_files
from rocm_patch.wheel.inside import Inside
from rocm_patch.wheel.table import Table

#: Where programs of the SDK see the work folder and auditwheel's own files.
WORK, TOOLS = "/wheelwork", "/wheeltools"


def strip_debug(inside: Inside, tree: Path) -> None:
    """Remove debug sections and local symbols from each linked file; GPU code is data and stays."""
    mount = Mount(tree, WORK, write=True)
    seen = inside.sdk.seen(mount)
    names = [f"{seen}/{name}" for name in linked_files(tree)]
    if names:
        inside.run([f"{inside.sdk.llvm_bin}/llvm-strip", "--strip-unneeded", *names], mounts=[mount])


def graft(
    inside: Inside, tree: Path, scratch: Path, *, tools: Sequence[Path], table: Table, python: str
) -> Path:
    """Let auditwheel vendor what is neither the system's nor ROCm's; gives the new tree.

    `tools` are the wheels of auditwheel and what it imports; `python` is the SDK's. ROCm
    of either kind is left out, also what must not be needed: the check names that.
    """
    for folder in ("in", "out", "tree", "tools"):
        (scratch / folder).mkdir(parents=True)
    for tool in tools:
        unpack(tool, scratch / "tools" / tool.stem)
    name = f"{_plain_name(tree)}-1-py3-none-linux_x86_64.whl"
    pack_wheel(tree, scratch / "in" / name, epoch=0)
    work = Mount(scratch, WORK, write=True)
    mounts = [work, Mount(scratch / "tools", TOOLS)]
    seen, seen_tools = inside.sdk.seen(work), inside.sdk.seen(mounts[1])
    excludes = [word for soname in sorted(table.all_rocm) for word in ("--exclude", soname)]
    argv = [
        python, "-m", "auditwheel", "repair", "--plat", table.auditwheel, "--only-plat",
        "--no-update-tags", "-z", "0", "-w", f"{seen}/out", *excludes, f"{seen}/in/{name}",
    ]  # fmt: skip
    path = ":".join(f"{seen_tools}/{tool.stem}" for tool in tools)
    # Debian's ROCm lies where ld.so looks by itself, AMD's does not.
    libraries = ":".join(inside.sdk.lib_folders)
    env = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "LD_LIBRARY_PATH": libraries}
    inside.run(argv, mounts=mounts, env=env)
    made = sorted((scratch / "out").glob("*.whl"))
    # auditwheel writes nothing where there is nothing to vendor.
    unpack_wheel(made[0] if made else scratch / "in" / name, scratch / "tree")
    for left in (scratch / "tree").glob("*.dist-info/sboms/auditwheel.cdx.json"):
        left.unlink()  # ours says more and is the same each time
    shutil.rmtree(scratch / "in")
    shutil.rmtree(scratch / "out")
    shutil.rmtree(scratch / "tools")
    return scratch / "tree"


def _plain_name(tree: Path) -> str:
    return next(tree.glob("*.dist-info")).name.partition("-")[0]


def grafted(tree: Path) -> dict[str, str]:
    """Give the vendored libraries: name in the wheel -> file name that it had in the SDK."""
    found: dict[str, str] = {}
    for path in sorted(tree.glob("*.libs/*")):
        if path.name == floor.LIBRARY:
            continue  # of ours
        stem, dot, rest = path.name.partition(".")
        found[path.relative_to(tree).as_posix()] = f"{stem.rpartition('-')[0] or stem}{dot}{rest}"
    return found


def search_path(name: str, dynamic: Dynamic, providers: Mapping[str, str], table: Table) -> tuple[str, ...]:
    """Give the RUNPATH of one file: its own folder, those of the wheel's libraries it needs, ROCm's.

    `providers` maps sonames to files of the wheel.
    """
    here = PurePosixPath(name).parent
    folders = {str(PurePosixPath(providers[need]).parent) for need in dynamic.needed if need in providers}
    own = {"$ORIGIN"} if not folders or name.count("/") else set()
    relative = {_origin(folder, str(here)) for folder in folders}
    in_wheel = sorted(own | relative, key=lambda one: (one.count(".."), one))
    needs_rocm = not table.all_rocm.isdisjoint(dynamic.needed)
    vendored = here.name.endswith(".libs")
    if vendored and not folders:
        return ()
    return (*in_wheel, *(table.runpath if needs_rocm else ()))


def _origin(folder: str, here: str) -> str:
    relative = os.path.relpath(folder, here)
    return "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"


def providers_of(files: Mapping[str, Dynamic]) -> dict[str, str]:
    """Map each soname that a file of the wheel has to that file."""
    return {dynamic.soname or PurePosixPath(name).name: name for name, dynamic in files.items()}


def set_search_paths(inside: Inside, tree: Path, table: Table) -> None:
    """Set every file's RUNPATH (never RPATH, which LD_LIBRARY_PATH could not override)."""
    mount = Mount(tree, WORK, write=True)
    seen = inside.sdk.seen(mount)
    files = linked_files(tree)
    providers = providers_of(files)
    for name, dynamic in files.items():
        wanted = search_path(name, dynamic, providers, table)
        if dynamic.runpath == wanted and not dynamic.rpath:
            continue
        words = ["--set-rpath", ":".join(wanted)] if wanted else ["--remove-rpath"]
        inside.run(["patchelf", *words, f"{seen}/{name}"], mounts=[mount])


def drop_litter(tree: Path) -> None:
    """Remove compiled Python: it holds times and paths, and every installer makes it anew."""
    for path in [*tree.rglob("*.pyc"), *tree.rglob("*.pyo")]:
        path.unlink()
    for folder in sorted(tree.rglob("__pycache__"), reverse=True):
        folder.rmdir()
