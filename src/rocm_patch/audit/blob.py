"""Bytes in place: bounded reads out of a memory view, and the errors they end in.

The lowest layer of the audit: knows no format. A file is mapped, not read, so a
library of two gigabytes costs address space and not memory.
"""

from __future__ import annotations

import mmap
import struct
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rocm_patch.errors import AuditError


def malformed(where: str, offset: int, reason: str) -> AuditError:
    """Make the error for bytes that are not what they claim to be."""
    return AuditError(
        f"{where}: malformed at offset {offset} (0x{offset:x})",
        cause=reason,
        step="the file is damaged or was cut off: fetch or build it again",
    )


def part(view: memoryview, offset: int, size: int, *, where: str, what: str) -> memoryview:
    """Give `size` bytes at `offset`, or raise AuditError naming what was expected there."""
    if offset < 0 or size < 0 or offset + size > len(view):
        raise malformed(where, max(offset, 0), f"{what} needs {size} bytes, the file ends at {len(view)}")
    return view[offset : offset + size]


def unpack(layout: str, view: memoryview, offset: int, *, where: str, what: str) -> tuple[Any, ...]:
    """Unpack one struct at `offset` with the same check as `part`."""
    return struct.unpack(layout, part(view, offset, struct.calcsize(layout), where=where, what=what))


def map_file(path: Path) -> memoryview:
    """Map a file for reading; an empty file gives an empty view.

    The mapping lives as long as a view of it does.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise AuditError(
            f"{path} cannot be read", cause=str(error), step="check the path and its rights"
        ) from error


#: Sizes up to this are kept in memory, larger ones in a mapped temporary file, bytes.
IN_MEMORY = 32 << 20


def spool(pieces: Iterable[bytes], size: int, in_memory: int = IN_MEMORY) -> memoryview:
    """Keep the bytes of a stream that should come to `size`: in memory, or in a mapped unnamed file.

    Takes no piece after the one that goes beyond `size`; the length of the result
    tells the caller whether the stream was as long as it claimed.
    """
    if size <= in_memory:
        data = bytearray()
        for piece in pieces:
            data += piece
            if len(data) > size:
                break
        return memoryview(data)
    with tempfile.TemporaryFile(prefix="rocm-patch-audit-") as file:
        total = 0
        for piece in pieces:
            file.write(piece)
            total += len(piece)
            if total > size:
                break
        file.flush()
        if not total:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), total, access=mmap.ACCESS_READ))


class ViewStream:
    """A read-only binary stream over a memory view, for readers that want a file."""

    def __init__(self, view: memoryview) -> None:
        """Start at the first byte."""
        self._view = view
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; all that is left where negative."""
        end = len(self._view) if size is None or size < 0 else self._at + size
        data = bytes(self._view[self._at : end])
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move like a file does."""
        base = (0, self._at, len(self._view))[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Give the place of the next read."""
        return self._at

    def seekable(self) -> bool:
        """Say yes: decompressors ask."""
        return True
