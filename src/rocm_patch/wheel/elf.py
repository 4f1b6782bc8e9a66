"""Dynamic linking as an ELF file tells it: soname, needs, search paths, versions, symbols.

pyelftools reads the header and the small tables; the symbol table, which has hundreds of
thousands of rows in a large library, is unpacked in one go. Knows nothing of wheels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import attrs
from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from rocm_patch.errors import WheelError

MAGIC = b"\x7fELF"
STT_FUNC, STT_TLS, STT_GNU_IFUNC = 2, 6, 10
STB_LOCAL, STB_WEAK = 0, 2
#: Of a needed version: the library may lack it.
VER_FLG_WEAK = 2
#: The ELF machine of AMD GPUs: code objects that lie in a wheel as files are not linked by ld.so.
_MACHINE_AMDGPU = 224
_MACHINE = slice(18, 20)
_SYMBOL = struct.Struct("<IBBHQQ")
_HIDDEN = 0x8000
_FIRST_NAMED = 2
_PROBLEMS = (ELFError, ConstructError, struct.error, ValueError, IndexError, KeyError, UnicodeDecodeError)


@attrs.frozen
class Dynamic:
    """What ld.so reads of a library or program.

    `versions` gives, for each needed soname, the version names that are asked of it; `weak` those
    that it need not have.
    """

    soname: str | None
    needed: tuple[str, ...]
    runpath: tuple[str, ...]
    rpath: tuple[str, ...]
    versions: Mapping[str, tuple[str, ...]]
    weak: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


class Symbol(NamedTuple):
    """One dynamic symbol. `version` is None where it has none; `default` is false behind a single @."""

    name: str
    version: str | None
    default: bool
    defined: bool
    kind: int
    binding: int
    value: int
    size: int


def is_elf(path: Path) -> bool:
    """Say whether a file is an ELF file for the host: GPU code objects are not."""
    with path.open("rb") as stream:
        head = stream.read(_MACHINE.stop)
    whole = head[:4] == MAGIC and len(head) == _MACHINE.stop
    return whole and int.from_bytes(head[_MACHINE], "little") != _MACHINE_AMDGPU


def read_dynamic(path: Path) -> Dynamic | None:
    """Read the dynamic section; None for a file that ld.so does not link (an object, a static program).

    WheelError where the file is damaged.
    """
    try:
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            section = elf.get_section_by_name(".dynamic")
            if not isinstance(section, DynamicSection):
                return None
            tags: list[Any] = list(section.iter_tags())
            return Dynamic(
                soname=next((str(tag.soname) for tag in tags if tag.entry.d_tag == "DT_SONAME"), None),
                needed=tuple(str(tag.needed) for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
                runpath=_paths([tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"]),
                rpath=_paths([tag.rpath for tag in tags if tag.entry.d_tag == "DT_RPATH"]),
                versions=_needed_versions(elf, weak=False),
                weak=_needed_versions(elf, weak=True),
            )
    except _PROBLEMS as error:
        raise _damaged(path, error) from error


def linked_files(tree: Path) -> dict[str, Dynamic]:
    """Give what ld.so reads of each linked ELF file below a folder, by its name there. WheelError."""
    found: dict[str, Dynamic] = {}
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink() and is_elf(path):
            dynamic = read_dynamic(path)
            if dynamic is not None:
                found[path.relative_to(tree).as_posix()] = dynamic
    return found


def read_symbols(path: Path) -> list[Symbol]:
    """Read the dynamic symbols with their versions. WheelError where the file is damaged."""
    try:
        with path.open("rb") as stream:
            return list(_symbols(ELFFile(stream)))
    except _PROBLEMS as error:
        raise _damaged(path, error) from error


def _paths(values: list[Any]) -> tuple[str, ...]:
    return tuple(part for value in values for part in str(value).split(":") if part)


def _needed_versions(elf: Any, *, weak: bool) -> dict[str, tuple[str, ...]]:
    section = elf.get_section_by_name(".gnu.version_r")
    if section is None:
        return {}
    asked = {
        need.name: tuple(aux.name for aux in auxs if bool(aux["vna_flags"] & VER_FLG_WEAK) == weak)
        for need, auxs in section.iter_versions()
    }
    return {soname: names for soname, names in asked.items() if names}


def _version_names(elf: Any) -> dict[int, str]:
    """Map the indices of .gnu.version to names, from both the defined and the needed versions."""
    names: dict[int, str] = {}
    defined = elf.get_section_by_name(".gnu.version_d")
    for entry, auxs in defined.iter_versions() if defined is not None else ():
        first = next(iter(auxs))
        names[entry["vd_ndx"]] = first.name
    needed = elf.get_section_by_name(".gnu.version_r")
    for _, auxs in needed.iter_versions() if needed is not None else ():
        for aux in auxs:
            names[aux["vna_other"] & ~_HIDDEN] = aux.name
    return names


def _symbols(elf: Any) -> Iterator[Symbol]:
    table = elf.get_section_by_name(".dynsym")
    if table is None:
        return
    data = table.data()
    text = elf.get_section(table["sh_link"]).data()
    versions = elf.get_section_by_name(".gnu.version")
    count = len(data) // _SYMBOL.size
    numbers = struct.unpack(f"<{count}H", versions.data()) if versions is not None else (1,) * count
    names = _version_names(elf)
    for number, (at, info, _, section, value, size) in zip(numbers, _SYMBOL.iter_unpack(data), strict=True):
        if not at or info >> 4 == STB_LOCAL:
            continue
        index = number & ~_HIDDEN
        yield Symbol(
            name=text[at : text.index(b"\0", at)].decode(),
            version=names[index] if index >= _FIRST_NAMED else None,
            default=not number & _HIDDEN,
            defined=section != 0,
            kind=info & 15,
            binding=info >> 4,
            value=value,
            size=size,
        )


def _damaged(path: Path, error: Exception) -> WheelError:
    return WheelError(
        f"{path.name} is no whole ELF file",
        cause=str(error) or type(error).__name__,
        step="build or fetch it again",
    )
