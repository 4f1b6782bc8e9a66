"""Let libraries run on an older glibc and libstdc++ than the ones they were linked with.

Of what they ask beyond the floor, build/compat/floor.* defines each function anew, of older ones. What
is linked by the build has them from an archive. A vendored library, which comes linked, gets a library
of ours among its needs, and the versions it asks for are marked weak: ld.so does not insist on those
(glibc's elf/dl-version.c), and takes the functions from any library without versions. Knows ELF
versions and the two files; knows nothing of what is vendored.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path, PurePosixPath

from elftools.elf.elffile import ELFFile

from rocm_patch.errors import WheelError
from rocm_patch.paths import data_root
from rocm_patch.pipeline.sdk import Mount
from rocm_patch.wheel.elf import VER_FLG_WEAK, Dynamic, linked_files, read_dynamic
from rocm_patch.wheel.inside import Inside
from rocm_patch.wheel.table import Table

#: The archive for linkers and the library for what is linked already, in deps/lib.
ARCHIVE, LIBRARY = "libfloor.a", "librocmpatch-floor.so.1"
_NEED = struct.Struct("<HHIII")
_AUX = struct.Struct("<IHHII")
_WORK = "/wheelwork"


def data_files() -> tuple[Path, ...]:
    """Give the sources."""
    folder = data_root() / "build" / "compat"
    return (folder / "floor.c", folder / "floor.cpp")


def make(inside: Inside, folder: Path, mount: Mount, *, stubs: str, flags: str) -> None:
    """Make both in the folder lib of `folder`, which `mount` brings.

    `stubs` is the folder of the stubs that they are linked with, by its path inside; `flags` are
    CXXFLAGS. BuildError.
    """
    lib = folder / "lib"
    lib.mkdir(parents=True, exist_ok=True)
    seen, llvm = f"{inside.sdk.seen(mount)}/lib", inside.sdk.llvm_bin
    plain = [f"{llvm}/clang", "-std=c17"]
    cxx = [f"{llvm}/clang++", *flags.split(), "-std=c++17"]
    objects: dict[str, list[str]] = {"hidden": [], "default": []}
    for source in data_files():
        shutil.copyfile(source, lib / source.name)
        for visibility, made in objects.items():
            made.append(f"{seen}/{visibility}-{source.suffix[1:]}.o")
            words = [*(plain if source.suffix == ".c" else cxx), "-O2", "-fPIC", f"-fvisibility={visibility}"]
            inside.run([*words, "-c", f"{seen}/{source.name}", "-o", made[-1]], mounts=[mount])
    inside.run([f"{llvm}/llvm-ar", "rcsD", f"{seen}/{ARCHIVE}", *objects["hidden"]], mounts=[mount])
    link = ["-shared", "-fuse-ld=lld", "-Wl,--build-id=none", f"-Wl,-soname,{LIBRARY}", f"-L{stubs}"]
    inside.run([*cxx, *link, *objects["default"], "-o", f"{seen}/{LIBRARY}"], mounts=[mount])
    inside.run([f"{llvm}/llvm-strip", "--strip-unneeded", f"{seen}/{LIBRARY}"], mounts=[mount])
    for left in (*lib.glob("*-c*.o"), *(lib / source.name for source in data_files())):
        left.unlink()


def above(dynamic: Dynamic, table: Table) -> tuple[str, ...]:
    """Give the versions above the floor that a file asks of the system's libraries."""
    return tuple(
        version
        for soname, versions in dynamic.versions.items()
        if soname in table.system
        for version in versions
        if not table.allows(version)
    )


def add(inside: Inside, tree: Path, table: Table, library: Path) -> tuple[str, ...]:
    """Put the library into the wheel and among the needs of each file that wants it; gives these.

    Nothing is put where none wants it. BuildError.
    """
    wanting = tuple(name for name, dynamic in linked_files(tree).items() if above(dynamic, table))
    if not wanting:
        return ()
    folders = sorted({str(PurePosixPath(name).parent) for name in wanting if ".libs/" in name})
    folder = tree / (folders[0] if folders else f"{PurePosixPath(wanting[0]).parts[0]}.libs")
    folder.mkdir(exist_ok=True)
    shutil.copyfile(library, folder / LIBRARY)
    (folder / LIBRARY).chmod(0o755)
    mount = Mount(tree, _WORK, write=True)
    seen = inside.sdk.seen(mount)
    for name in wanting:
        inside.run(["patchelf", "--add-needed", LIBRARY, f"{seen}/{name}"], mounts=[mount])
    return wanting


def weaken(tree: Path, names: tuple[str, ...], table: Table) -> None:
    """Mark the versions above the floor weak in the files that `add` gave. WheelError for a damaged file.

    The last change to a file: patchelf moves what is changed here.
    """
    for name in names:
        dynamic = read_dynamic(tree / name)
        wanted = set(above(dynamic, table)) if dynamic is not None else set()
        data = bytearray((tree / name).read_bytes())
        done = _mark(data, tree / name, wanted)
        if done != wanted:
            raise WheelError(f"{name} asks for versions that are not in its table", cause=str(wanted - done))
        (tree / name).write_bytes(data)


def _mark(data: bytearray, path: Path, wanted: set[str]) -> set[str]:
    """Set VER_FLG_WEAK in the needed versions of these names; gives the names that were found."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        section = elf.get_section_by_name(".gnu.version_r")
        if section is None:
            return set()
        start, text = section["sh_offset"], elf.get_section(section["sh_link"]).data()
    done: set[str] = set()
    need = start
    while True:
        _, count, _, first, following = _NEED.unpack_from(data, need)
        at = need + first
        for _ in range(count):
            digest, flags, other, name, next_ = _AUX.unpack_from(data, at)
            version = text[name : text.index(b"\0", name)].decode()
            if version in wanted:
                _AUX.pack_into(data, at, digest, flags | VER_FLG_WEAK, other, name, next_)
                done.add(version)
            at += next_
        if not following:
            return done
        need += following
