"""RPM packages: the headers are stepped over, the payload is a compressed cpio archive.

A reader of our own, since neither rpm2cpio nor bsdtar is on every Debian
machine; only what leads to the members' bytes is read. Signatures are not checked.
"""

from __future__ import annotations

from collections.abc import Iterator

from rocm_patch.audit.blob import malformed, unpack
from rocm_patch.audit.compressed import DECOMPRESS_ERRORS, reader
from rocm_patch.errors import AuditError

MAGIC = b"\xed\xab\xee\xdb"
_LEAD = 96
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_CPIO_HEADER = 110
_CPIO_MAGICS = (b"070701", b"070702")
_MAX_NAME = 1 << 16
_REGULAR = 0o100000
_TYPE_MASK = 0o170000


class _Payload:
    """A forward-only stream that counts, skips and reads exactly."""

    def __init__(self, data: memoryview, path: str) -> None:
        self._stream = reader(data)
        self.path = path
        self.at = 0

    def take(self, size: int, what: str) -> bytes:
        pieces, left = [], size
        while left:
            piece = self._stream.read(min(left, 1 << 20))
            if not piece:
                raise malformed(self.path, self.at, f"the cpio payload ends inside {what}")
            pieces.append(piece)
            left -= len(piece)
            self.at += len(piece)
        return b"".join(pieces)

    def skip(self, size: int, what: str) -> None:
        while size:
            size -= len(self.take(min(size, 1 << 20), what))


class _File:
    """The bytes of one member; what its user leaves unread is skipped afterwards."""

    def __init__(self, payload: _Payload, size: int) -> None:
        self._payload = payload
        self.left = size

    def read(self, size: int = -1) -> bytes:
        """Give up to `size` bytes of the member."""
        size = self.left if size < 0 else min(size, self.left)
        self.left -= size
        return self._payload.take(size, "a member")


def members(view: memoryview, path: str) -> Iterator[tuple[str, int, _File]]:
    """Give (name, size, contents) of every regular file."""
    at = _header_end(view, _LEAD, path)
    at = _header_end(view, (at + 7) // 8 * 8, path)
    try:
        yield from _cpio(_Payload(view[at:], path))
    except DECOMPRESS_ERRORS as error:
        raise AuditError(
            f"{path} cannot be read as an RPM package",
            cause=f"payload at {at}: {error}",
            step="fetch or build it again",
        ) from error


def _header_end(view: memoryview, at: int, path: str) -> int:
    magic, _reserved, entries, size = unpack(">4sIII", view, at, where=path, what="an RPM header")
    if magic != _HEADER_MAGIC:
        raise malformed(path, at, "no RPM header")
    end = at + 16 + 16 * int(entries) + int(size)
    if end > len(view):
        raise malformed(path, at, f"an RPM header that ends at {end}, after the file's {len(view)} bytes")
    return end


def _cpio(payload: _Payload) -> Iterator[tuple[str, int, _File]]:
    while True:
        start = payload.at
        header = payload.take(_CPIO_HEADER, "a cpio header")
        if header[:6] not in _CPIO_MAGICS:
            raise malformed(payload.path, start, f"no cpio header in the payload but {header[:6]!r}")
        try:
            fields = [int(header[6 + 8 * i : 14 + 8 * i], 16) for i in range(13)]
        except ValueError as error:
            raise malformed(payload.path, start, f"cpio header: {error}") from error
        mode, size, name_size = fields[1], fields[6], fields[11]
        if not 0 < name_size <= _MAX_NAME:
            raise malformed(payload.path, start, f"a cpio name of {name_size} bytes")
        name = payload.take(name_size, "a cpio name").rstrip(b"\0").decode("utf-8", "backslashreplace")
        payload.skip(-(_CPIO_HEADER + name_size) % 4, "padding")
        if name == "TRAILER!!!":
            return
        contents = _File(payload, size)
        if mode & _TYPE_MASK == _REGULAR:
            yield name.removeprefix("./"), size, contents
        payload.skip(contents.left, "a member")
        payload.skip(-size % 4, "padding")
