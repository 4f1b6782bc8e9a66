"""The rules of what may be shipped, each with its name; one error lists every place that breaks one.

Reads a finished wheel and nothing else, but for `unresolved`, which needs the files of an
SDK to know the symbols of ROCm's libraries. Knows nothing of how the wheel was made.
"""

from __future__ import annotations

import json
import mmap
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import attrs
from elftools.elf.elffile import ELFFile
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from rocm_patch.errors import WheelError
from rocm_patch.sources.store import sha256_file
from rocm_patch.wheel import metadata, sbom
from rocm_patch.wheel.archive import dist_info, files_of, record_problems, unpack_wheel
from rocm_patch.wheel.elf import STB_WEAK, Dynamic, linked_files, read_symbols
from rocm_patch.wheel.table import Allowed, Table, newest
from rocm_patch.wheel.vendor import providers_of, search_path

#: Folders of a build or of one machine. A hit must begin a path: what stands before is no part of one.
BUILD_FOLDERS = (
    "/root", "/home", "/tmp", "/src", "/pyenv", "/tools", "/deps", "/ccache", "/gloo", "/wheelwork",  # noqa: S108
)  # fmt: skip
#: Where an SDK's libraries are, below its root, unless more is said.
LIBRARY_FOLDERS = ("usr/lib/x86_64-linux-gnu",)
_PYTHON_SYMBOL = re.compile(r"_?Py[A-Z_]")


@attrs.frozen
class Problem:
    """One broken rule at one place."""

    rule: str
    text: str

    def __str__(self) -> str:
        """Give one line."""
        return f"{self.rule}: {self.text}"


@attrs.define
class Unpacked:
    """A wheel that is being checked."""

    wheel: Path
    tree: Path
    table: Table
    allowed: Sequence[Allowed] = ()
    folders: Sequence[str] = BUILD_FOLDERS
    root: Path | None = None
    libraries: Sequence[str] = LIBRARY_FOLDERS
    files: Mapping[str, Dynamic] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Read the linked files once."""
        self.files = linked_files(self.tree)

    @property
    def versions(self) -> set[str]:
        """Give every symbol version that is asked of the system's libraries."""
        wanted = set(self.table.system)
        return {
            version
            for dynamic in self.files.values()
            for soname, versions in dynamic.versions.items()
            if soname in wanted
            for version in versions
        }

    @property
    def floors(self) -> dict[str, str]:
        """Give the newest version of each family that is asked for."""
        return newest(self.versions, self.table.floor)

    @property
    def rocm(self) -> set[str]:
        """Give the ROCm sonames that are needed."""
        needed = {need for dynamic in self.files.values() for need in dynamic.needed}
        return needed & self.table.all_rocm


Rule = Callable[[Unpacked], Iterator[str]]


def rule_record(one: Unpacked) -> Iterator[str]:
    """RECORD names every file with its hash."""
    yield from record_problems(one.tree)


def rule_name(one: Unpacked) -> Iterator[str]:
    """File name, METADATA and WHEEL agree; the tags hold the computed manylinux tag."""
    folder = dist_info(one.tree)
    try:
        _, version, _, tags = parse_wheel_filename(one.wheel.name)
        said = metadata.values((folder / "METADATA").read_text(encoding="utf-8"), "Version")
        if len(said) != 1 or Version(said[0]) != version:
            yield f"METADATA says version {', '.join(said) or 'none'}"
    except (InvalidWheelFilename, InvalidVersion) as error:
        yield str(error)
        return
    listed = metadata.tags_of(folder)
    for tag in sorted(map(str, tags)):
        if tag not in listed:
            yield f"WHEEL does not list {tag}"
        if "GLIBC" in one.floors and metadata.manylinux_tag(tag, one.floors) not in listed:
            yield f"WHEEL does not list {metadata.manylinux_tag(tag, one.floors)}, which was computed"


def rule_floor(one: Unpacked) -> Iterator[str]:
    """No symbol version above the floor is asked of the system, but where a library of the wheel has it."""
    inside = providers_of(one.files)
    for name, dynamic in one.files.items():
        for soname, versions in dynamic.versions.items():
            for version in versions if soname in one.table.system else ():
                if not one.table.allows(version):
                    yield f"{name} asks {soname} for {version}"
        if dynamic.weak:
            own = [one.tree / inside[need] for need in dynamic.needed if need in inside]
            known = {symbol.name for path in own for symbol in read_symbols(path) if symbol.defined}
            for symbol in read_symbols(one.tree / name):
                above = symbol.version is not None and not one.table.allows(symbol.version)
                if above and not symbol.defined and symbol.name not in known:
                    yield f"{name} asks for {symbol.name}@{symbol.version}, which nothing that it needs has"


def rule_sonames(one: Unpacked) -> Iterator[str]:
    """Each needed library is in the wheel, on every system, or in ROCm 6.4 of both kinds."""
    inside = providers_of(one.files)
    for name, dynamic in one.files.items():
        for need in dynamic.needed:
            if need in inside or need in one.table.system or need in one.table.shared:
                continue
            if need in one.table.all_rocm or need.startswith("libhipblaslt.so"):
                yield f"{name} needs {need}, which Debian's and AMD's ROCm 6.4 do not both have"
            else:
                yield f"{name} needs {need}, which is neither in the wheel nor on every system"


def rule_search_path(one: Unpacked) -> Iterator[str]:
    """Each file's RUNPATH is the one by the table; none has RPATH."""
    inside = providers_of(one.files)
    for name, dynamic in one.files.items():
        if dynamic.rpath:
            yield f"{name} has RPATH {':'.join(dynamic.rpath)}"
        wanted = search_path(name, dynamic, inside, one.table)
        if not dynamic.rpath and dynamic.runpath != wanted:
            has = ":".join(dynamic.runpath) or "none"
            yield f"{name} has RUNPATH {has}, not {':'.join(wanted) or 'none'}"


def rule_unresolved(one: Unpacked) -> Iterator[str]:
    """Each symbol that must be there is in the wheel, in ROCm, in Python, or bound to a version."""
    if one.root is None:
        return
    known: set[str] = set()
    tables = {name: read_symbols(one.tree / name) for name in one.files}
    for symbols in tables.values():
        known.update(symbol.name for symbol in symbols if symbol.defined)
    for soname in (*one.rocm, *one.table.system):
        places = [one.root / folder / soname for folder in one.libraries]
        path = next((place for place in places if place.exists()), places[0])
        # What glibc and libstdc++ define carries a version, and so does whatever is bound to it.
        plain = soname in one.table.system
        if path.exists():
            defined = [symbol for symbol in read_symbols(path) if symbol.defined]
            known.update(symbol.name for symbol in defined if symbol.version is None or not plain)
    for name, symbols in tables.items():
        for symbol in symbols:
            bound = symbol.defined or symbol.version is not None or symbol.binding == STB_WEAK
            if not bound and symbol.name not in known and not _PYTHON_SYMBOL.match(symbol.name):
                yield f"{name} asks for {symbol.name}, which no library at or below the floor has"


def rule_build_paths(one: Unpacked) -> Iterator[str]:
    """No folder of the build is named in a file."""
    folders = b"|".join(re.escape(folder.encode()) for folder in one.folders)
    pattern = re.compile(rb"(?:(?<![\w./~$}%-])|(?<=-[IL]))(?:" + folders + rb")/[\w+@.%-][\w+@.%/-]*")
    for name in files_of(one.tree):
        path = one.tree / name
        if not path.stat().st_size:
            continue
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = sorted({match[0].decode() for match in pattern.finditer(data)})
        for hit in found:
            if not any(fnmatchcase(hit, ok.path) and fnmatchcase(name, ok.file) for ok in one.allowed):
                yield f"{name} names {hit}"


def rule_litter(one: Unpacked) -> Iterator[str]:
    """No compiled Python, no debug sections, no local symbols."""
    for name in files_of(one.tree):
        if name.endswith((".pyc", ".pyo")):
            yield f"{name} is compiled Python"
    for name in one.files:
        with (one.tree / name).open("rb") as stream:
            sections = [section.name for section in ELFFile(stream).iter_sections()]
        for section in sections:
            if section == ".symtab" or section.startswith((".debug_", ".zdebug_")):
                yield f"{name} has {section}"


def rule_external(one: Unpacked) -> Iterator[str]:
    """METADATA says in Requires-External what was computed."""
    text = (dist_info(one.tree) / "METADATA").read_text(encoding="utf-8")
    wanted = metadata.external_lines(one.floors, one.rocm, one.table)
    said = metadata.values(text, "Requires-External")
    yield from (f"METADATA lacks Requires-External: {line}" for line in wanted if line not in said)
    yield from (f"METADATA's Requires-External: {line} is not so" for line in said if line not in wanted)


def rule_bill(one: Unpacked) -> Iterator[str]:
    """Each vendored library is in the bill of materials with its hash, each part's licence in the wheel."""
    path = dist_info(one.tree) / "sboms" / sbom.FILE
    if not path.is_file():
        yield f"there is no sboms/{sbom.FILE}"
        return
    listed = sbom.file_hashes(path.read_bytes())
    for name in one.files:
        vendored = PurePosixPath(name).parts[0].endswith(".libs")
        if vendored and listed.get(name) != sha256_file(one.tree / name):
            yield f"the bill does not name {name} with its hash"
    for component in json.loads(path.read_bytes()).get("components", ()):
        for entry in component.get("properties", ()):
            file = dist_info(one.tree) / str(entry["value"])
            if entry["name"] == "rocm-patch:licence-file" and not file.is_file():
                yield f"{entry['value']}, the licence of {component['name']}, is not in the wheel"


def rule_zip(one: Unpacked) -> Iterator[str]:
    """Names are sorted in the zip file, with one time and fixed modes."""
    with zipfile.ZipFile(one.wheel) as archive:
        infos = archive.infolist()
    names = [info.filename for info in infos]
    if names != files_of(one.tree):
        yield "its members are not sorted, or not each there once"
    if len({info.date_time for info in infos}) > 1:
        yield "its members have several times"
    odd = [info.filename for info in infos if info.external_attr >> 16 not in (0o100644, 0o100755)]
    yield from (f"{name} has an odd mode" for name in odd)


RULES: Mapping[str, Rule] = {
    "record": rule_record,
    "name": rule_name,
    "floor": rule_floor,
    "sonames": rule_sonames,
    "search-path": rule_search_path,
    "unresolved": rule_unresolved,
    "build-paths": rule_build_paths,
    "litter": rule_litter,
    "external": rule_external,
    "bill": rule_bill,
    "zip": rule_zip,
}


def problems(
    wheel: Path,
    table: Table,
    *,
    allowed: Sequence[Allowed] = (),
    root: Path | None = None,
    libraries: Sequence[str] = LIBRARY_FOLDERS,
    more_folders: Iterable[str] = (),
) -> list[Problem]:
    """Run every rule over a wheel; `root` is an SDK's /, `more_folders` are not to be named either.

    `libraries` are the SDK's folders of libraries, below `root`.
    """
    with tempfile.TemporaryDirectory(prefix="rocm-patch-wheel-", dir=wheel.parent) as scratch:
        unpack_wheel(wheel, Path(scratch))
        every = (*table.allowed_paths, *allowed)
        one = Unpacked(wheel, Path(scratch), table, every, [*BUILD_FOLDERS, *more_folders], root, libraries)
        return [Problem(name, text) for name, rule in RULES.items() for text in rule(one)]


def require(
    wheel: Path,
    table: Table,
    *,
    allowed: Sequence[Allowed] = (),
    root: Path | None = None,
    libraries: Sequence[str] = LIBRARY_FOLDERS,
    more_folders: Iterable[str] = (),
) -> None:
    """Raise WheelError with every broken rule of a wheel."""
    found = problems(wheel, table, allowed=allowed, root=root, libraries=libraries, more_folders=more_folders)
    if found:
        rules = sorted({one.rule for one in found})
        raise WheelError(
            f"{wheel.name} may not be shipped",
            cause=f"{len(found)} places break the rules {', '.join(rules)}",
            detail=[str(one) for one in found],
            step="docs/wheel.md says what each rule asks for",
        )
