"""Offload bundles: where one begins and ends, what its entries are, and the compressed form.

Formats after clang's OffloadBundler.cpp: `__CLANG_OFFLOAD_BUNDLE__` and, compressed,
`CCOB` versions 1 to 3 (zlib or zstd). Knows nothing of what an entry's code means.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator

import attrs
import zstandard

from rocm_patch.audit import elf
from rocm_patch.audit.blob import malformed, part, spool, unpack
from rocm_patch.audit.model import Entry, FatBinary
from rocm_patch.audit.targets import parse_target_id

MAGIC = b"__CLANG_OFFLOAD_BUNDLE__"
COMPRESSED_MAGIC = b"CCOB"
#: Bundles list one entry a target; far above anything real, far below what would hurt.
MAX_ENTRIES = 4096
MAX_IDENT = 4096
#: The largest uncompressed bundle that is accepted, bytes.
MAX_UNCOMPRESSED = 8 << 30

#: Compressed bytes that are decompressed at a time: both formats may blow them up a thousandfold.
_STEP = 1 << 14

_NOT_ZERO = re.compile(rb"[^\0]")
_METHODS = {0: "zlib", 1: "zstd"}
_ENTRY_KINDS = {"hip", "hipv4", "openmp", "host"}


@attrs.define(eq=False)
class Opened:
    """A bundle with the bytes its entries' offsets count in (the uncompressed ones)."""

    fat: FatBinary
    data: memoryview
    #: Entry identifiers that are no target id, and other faults that do not stop the reading.
    faults: list[tuple[str, str]] = attrs.field(factory=list)


def is_bundle(head: bytes | memoryview) -> bool:
    """Tell from a file's first 24 bytes whether a bundle begins there."""
    start = bytes(head[: len(MAGIC)])
    return start == MAGIC or start[:4] == COMPRESSED_MAGIC


def bundles(view: memoryview, *, where: str, section: str = "", base: int = 0) -> Iterator[Opened]:
    """Give each bundle of a run of them with zeros between, as linkers leave in one section.

    `base` is the run's offset in the file, for the messages.
    """
    at = 0
    while True:
        found = _NOT_ZERO.search(view, at)
        if found is None:
            return
        at = found.start()
        if not is_bundle(view[at : at + len(MAGIC)]):
            # Payload is never searched: an entry may itself contain the magic as data.
            raise malformed(
                where, base + at, f"neither padding nor an offload bundle in {section or 'the file'}"
            )
        opened = open_bundle(view[at:], where=where, section=section, base=base + at)
        yield opened
        at += opened.fat.size


def open_bundle(view: memoryview, *, where: str, section: str = "", base: int = 0) -> Opened:
    """Open the bundle at the start of `view`."""
    fat = FatBinary(offset=base, size=0, section=section)
    faults: list[tuple[str, str]] = []
    data = view
    if bytes(view[:4]) == COMPRESSED_MAGIC:
        data = _decompress(view, fat, faults, where)
    end = _entries(
        data, fat, faults, where if not fat.compression else f"{where} (bundle at {base}, uncompressed)"
    )
    if not fat.compression:
        fat.size = end
    return Opened(fat, data, faults)


def _entries(data: memoryview, fat: FatBinary, faults: list[tuple[str, str]], where: str) -> int:
    base = 0 if fat.compression else fat.offset
    magic, count = unpack("<24sQ", data, 0, where=where, what="an offload bundle's header")
    if magic != MAGIC:
        raise malformed(where, base, "no offload bundle inside the compressed one")
    if count > MAX_ENTRIES:
        raise malformed(where, base + 24, f"{count} entries; the limit is {MAX_ENTRIES}")
    at = end = 32
    for _ in range(count):
        offset, size, length = unpack("<QQQ", data, at, where=where, what="a bundle entry")
        if length > MAX_IDENT:
            raise malformed(where, base + at + 16, f"an entry name of {length} bytes")
        name = bytes(part(data, at + 24, length, where=where, what="a bundle entry's name"))
        at += 24 + length
        ident = name.decode("utf-8", "backslashreplace")
        if offset + size > len(data):
            raise malformed(
                where,
                base + at,
                f"truncated bundle: entry {ident} ends at {offset + size} of {len(data)} bytes",
            )
        fat.entries.append(make_entry(ident, offset, size, data, faults))
        end = max(end, at, offset + size)
    return end


def make_entry(ident: str, offset: int, size: int, data: memoryview, faults: list[tuple[str, str]]) -> Entry:
    """Read one entry's name and what its bytes begin with; names that are none go to `faults`."""
    kind, _, rest = ident.partition("-")
    if kind not in _ENTRY_KINDS:
        faults.append(("bundle-entry-name", f"entry {ident!r} is of no known offload kind"))
    content = _content(data[offset : offset + size])
    target = None
    if kind != "host":
        # amdgcn-amd-amdhsa-ENVIRONMENT-TARGET: the environment is empty, and in old files left out.
        text = rest.removeprefix("amdgcn-amd-amdhsa").lstrip("-")
        target = parse_target_id(text)
        if target is None and content not in ("spirv", "empty"):
            faults.append(("bundle-entry-name", f"entry {ident!r} names no gfx target"))
    return Entry(ident=ident, kind=kind, target=target, offset=offset, size=size, content=content)


def _content(data: memoryview) -> str:
    head = bytes(data[:4])
    if not head:
        return "empty"
    if head == elf.MAGIC:
        return "code"
    if head[:2] == b"BC" or head == b"\xde\xc0\x17\x0b":
        return "bitcode"
    if head == b"\x03\x02\x23\x07":
        return "spirv"
    return "unknown"


def _decompress(view: memoryview, fat: FatBinary, faults: list[tuple[str, str]], where: str) -> memoryview:
    version, method = unpack("<HH", view, 4, where=where, what="a compressed bundle's header")
    layouts = {1: ("<IQ", False), 2: ("<IIQ", True), 3: ("<QQQ", True)}
    if version not in layouts:
        raise malformed(where, fat.offset + 4, f"compressed bundle version {version}; 1 to 3 are known")
    if method not in _METHODS:
        raise malformed(
            where, fat.offset + 6, f"compression method {method}; 0 (zlib) and 1 (zstd) are known"
        )
    layout, has_total = layouts[version]
    fields = unpack(layout, view, 8, where=where, what="a compressed bundle's header")
    start = 8 + struct.calcsize(layout)
    size, stored_hash = fields[-2], fields[-1]
    if size > MAX_UNCOMPRESSED:
        raise malformed(
            where, fat.offset + 8, f"claims {size} bytes uncompressed; the limit is {MAX_UNCOMPRESSED}"
        )
    body = view[start:]
    if has_total:
        if fields[0] < start:
            raise malformed(where, fat.offset + 8, f"total size {fields[0]} is below the header's {start}")
        body = part(view, start, fields[0] - start, where=where, what="truncated bundle: its compressed data")
    fat.compression, fat.compressed_version = _METHODS[method], version
    data, used = _inflate(body, method, size, f"{where} (bundle at {fat.offset})")
    fat.size = start + (len(body) if has_total else used)
    # The low half of the MD5 sum, which LLVM keeps little-endian.
    if hashlib.md5(data, usedforsecurity=False).digest()[:8] != struct.pack("<Q", stored_hash):
        faults.append(("bundle-hash", f"compressed bundle at {fat.offset}: contents do not match their hash"))
    return data


def _inflate(body: memoryview, method: int, size: int, where: str) -> tuple[memoryview, int]:
    """Decompress to exactly `size` bytes; also tell how many input bytes that took."""
    stream = _Frame(body, method)
    try:
        data = spool(stream.pieces(), size)
    except (zlib.error, zstandard.ZstdError) as error:
        raise malformed(where, 0, f"compressed data: {error}") from error
    if len(data) != size:
        raise malformed(where, 0, f"decompresses to {len(data)} bytes, the header says {size}")
    return data, stream.used


class _Frame:
    """One zlib stream or zstd frame, decompressed piece by piece: a bomb stops where its reader does."""

    def __init__(self, body: memoryview, method: int) -> None:
        self._body = body
        self._reader = zlib.decompressobj() if method == 0 else zstandard.ZstdDecompressor().decompressobj()
        self.used = 0

    def pieces(self) -> Iterator[bytes]:
        for at in range(0, len(self._body), _STEP):
            given = self._body[at : at + _STEP]
            piece = self._reader.decompress(given)
            if self._reader.eof:
                self.used = at + len(given) - len(self._reader.unused_data)
                yield piece
                return
            yield piece
