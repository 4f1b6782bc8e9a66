"""ELF files as the audit needs them: header, sections, symbols, notes, relocations.

pyelftools reads header and section table; the long tables are unpacked here in
one go, since a library has hundreds of thousands of symbols. Knows nothing of
GPUs. Every malformed field ends in AuditError with its offset.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, cast

import attrs
from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile

from rocm_patch.audit.blob import ViewStream, malformed, part, unpack

MAGIC = b"\x7fELF"
MACHINE_AMDGPU = 224
SHT_SYMTAB, SHT_RELA, SHT_NOTE, SHT_NOBITS, SHT_DYNSYM = 2, 4, 7, 8, 11
SHF_EXECINSTR = 4
ET_REL, ET_DYN = 1, 3
STT_OBJECT, STT_FUNC = 1, 2
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION_BYTES = 64
#: What pyelftools lets escape on damaged input besides its own errors.
_PARSER_ERRORS = (
    ELFError,
    ConstructError,
    struct.error,
    ValueError,
    OverflowError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
)


@attrs.frozen
class Section:
    """One row of the section table; offsets and sizes in bytes of the file."""

    index: int
    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


class Symbol(NamedTuple):
    """One symbol. `section` is the index of its section (0: undefined)."""

    name: str
    type: int
    section: int
    value: int
    size: int


@attrs.frozen
class Note:
    """One note: owner, type, and its bytes."""

    owner: bytes
    type: int
    data: memoryview
    offset: int


class Relocation(NamedTuple):
    """One relocation: its place, type, symbol index (0: none) and addend."""

    place: int
    type: int
    symbol: int
    addend: int


class Elf:
    """A 64-bit little-endian ELF file over a memory view."""

    def __init__(self, view: memoryview, where: str) -> None:
        """Read header and section table, or raise AuditError."""
        self.view = view
        self.where = where
        header = unpack(_HEADER.format, view, 0, where=where, what="an ELF header")
        ident = header[0]
        if ident[:4] != MAGIC:
            raise malformed(where, 0, "no ELF magic")
        if ident[4:6] != b"\x02\x01":
            raise malformed(where, 4, "not a 64-bit little-endian ELF file")
        self.osabi, self.abi_version = ident[7], ident[8]
        self.type, self.machine, self.flags = header[1], header[2], header[7]
        table, entry_size, count = header[6], header[11], header[12]
        if table and entry_size != _SECTION_BYTES:
            raise malformed(where, 58, f"section headers of {entry_size} bytes instead of {_SECTION_BYTES}")
        if table:
            # Only its first row need be there: pyelftools reads extended counts from it.
            part(view, table, max(count, 1) * _SECTION_BYTES, where=where, what="the section table")
        self.sections = self._sections() if table else []

    def _sections(self) -> list[Section]:
        try:
            reader = ELFFile(cast("IO[bytes]", ViewStream(self.view)))
            rows = [self._row(i, s.name, s.header) for i, s in enumerate(reader.iter_sections())]
        except _PARSER_ERRORS as error:
            raise malformed(self.where, int(self._table_offset()), f"section table: {error}") from error
        return rows

    def _table_offset(self) -> int:
        return int(struct.unpack_from("<Q", self.view, 40)[0])

    @staticmethod
    def _row(index: int, name: str, header: Any) -> Section:
        kind = header["sh_type"]
        number = kind if isinstance(kind, int) else _SECTION_TYPES.get(kind, -1)
        return Section(
            index=index,
            name=name,
            type=number,
            flags=int(header["sh_flags"]),
            address=int(header["sh_addr"]),
            offset=int(header["sh_offset"]),
            size=int(header["sh_size"]),
            link=int(header["sh_link"]),
        )

    def data(self, section: Section) -> memoryview:
        """Give a section's bytes, checked against the end of the file."""
        if section.type == SHT_NOBITS:
            return self.view[:0]
        what = f"section {section.name or section.index}"
        return part(self.view, section.offset, section.size, where=self.where, what=what)

    def named(self, name: str) -> Section | None:
        """Give the first section of that name."""
        return next((s for s in self.sections if s.name == name), None)

    def symbols(self, *types: int) -> Iterator[Symbol]:
        """Give the dynamic symbols, or the static ones of a relocatable file, of the given types."""
        tables = [s for s in self.sections if s.type == SHT_DYNSYM]
        if not tables:
            tables = [s for s in self.sections if s.type == SHT_SYMTAB]
        for table in tables:
            if not 0 < table.link < len(self.sections):
                raise malformed(self.where, table.offset, f"symbol table links to section {table.link}")
            names = bytes(self.data(self.sections[table.link]))
            rows = self.data(table)
            usable = len(rows) - len(rows) % 24
            for name, info, _other, section, value, size in struct.iter_unpack("<IBBHQQ", rows[:usable]):
                if info & 0xF in types:
                    yield Symbol(self._string(names, name, table), info & 0xF, section, value, size)

    def _string(self, names: bytes, at: int, table: Section) -> str:
        end = names.find(b"\0", at)
        if at >= len(names) or end < 0:
            raise malformed(self.where, table.offset, f"symbol name at {at} is outside its string table")
        return names[at:end].decode("utf-8", "backslashreplace")

    def notes(self) -> Iterator[Note]:
        """Give every note of every note section."""
        for section in self.sections:
            if section.type != SHT_NOTE:
                continue
            data, at = self.data(section), 0
            while at + 12 <= len(data):
                owner_size, size, kind = struct.unpack_from("<III", data, at)
                start = at + 12 + (owner_size + 3) // 4 * 4
                end = start + size
                if end > len(data):
                    raise malformed(
                        self.where, section.offset + at, f"note of {size} bytes leaves its section"
                    )
                owner = bytes(data[at + 12 : at + 12 + owner_size]).rstrip(b"\0")
                yield Note(owner, kind, data[start:end], section.offset + start)
                at = (end + 3) // 4 * 4

    def relocations(self) -> Iterator[Relocation]:
        """Give every relocation with an addend."""
        for section in self.sections:
            if section.type == SHT_RELA:
                rows = self.data(section)
                for place, info, addend in struct.iter_unpack("<QQq", rows[: len(rows) - len(rows) % 24]):
                    yield Relocation(place, info & 0xFFFFFFFF, info >> 32, addend)

    def dynamic_value(self, index: int) -> int:
        """Give the value of the dynamic symbol of that index, 0 for none and for undefined ones."""
        table = next((s for s in self.sections if s.type == SHT_DYNSYM), None)
        if index == 0 or table is None:
            return 0
        what = f"dynamic symbol {index}"
        return int(unpack("<Q", self.data(table), index * 24 + 8, where=self.where, what=what)[0])

    def file_offset(self, address: int) -> int | None:
        """Turn an address into a file offset; None where no section's bytes are there."""
        for section in self.sections:
            inside = section.address <= address < section.address + section.size
            if inside and section.address and section.type != SHT_NOBITS:
                return section.offset + address - section.address
        return None


_SECTION_TYPES = {
    "SHT_NULL": 0,
    "SHT_PROGBITS": 1,
    "SHT_SYMTAB": SHT_SYMTAB,
    "SHT_STRTAB": 3,
    "SHT_RELA": SHT_RELA,
    "SHT_NOTE": SHT_NOTE,
    "SHT_NOBITS": SHT_NOBITS,
    "SHT_DYNSYM": SHT_DYNSYM,
}
