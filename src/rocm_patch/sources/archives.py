"""Archives as streams of members: what each is called, what it is, what it holds.

Knows tar (plain, gz, bz2, xz, zst) and zip, and bounds what their headers may
take. Writes nothing; which members may be unpacked is unpack.py's business.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from calendar import timegm
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard

from rocm_patch.errors import ArchiveError

#: Bytes of headers before one member; tar's extended headers are read into memory.
MAX_HEADER = 4 << 20


@dataclass
class Member:
    """One entry, of either archive format."""

    name: str
    kind: str  # file, dir, symlink, hardlink, or what else it is
    mode: int
    mtime: float
    target: str = ""
    data: IO[bytes] | None = None


#: What the readers raise on damaged input.
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    zstandard.ZstdError,
    EOFError,
    NotImplementedError,
)


class _Metered(io.RawIOBase):
    """Decompressed bytes on their way to the tar reader; bounds what headers may take."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        super().__init__()
        self.stream = stream
        self.name = name
        #: Bytes since the last member was given.
        self.since = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.since += len(data)
        if self.since > MAX_HEADER:
            why = f"a header is larger than {MAX_HEADER} bytes"
            raise ArchiveError(f"{self.name} is not unpacked", cause=why)
        return data


class _Body(io.RawIOBase):
    """A tar member's content; what is read of it does not count as header."""

    def __init__(self, stream: IO[bytes], meter: _Metered) -> None:
        super().__init__()
        self.stream = stream
        self.meter = meter

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self.meter.since = 0
        data = self.stream.read(size)
        self.meter.since = 0
        return data


def members(archive: Path) -> Iterator[Member]:
    """Read the members of an archive, whose format its first bytes tell."""
    with archive.open("rb") as raw:
        head = raw.read(6)
        raw.seek(0)
        if head[:4] in {b"PK\x03\x04", b"PK\x05\x06"}:
            yield from _zip_members(raw)
            return
        with _plain(head, raw) as stream:
            yield from _tar_members(_Metered(stream, archive.name))


def _plain(head: bytes, raw: IO[bytes]) -> AbstractContextManager[Any]:
    """Decompress a stream by what its first bytes say; the decompressors share read() and no base class."""
    if head[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=raw)
    if head[:3] == b"BZh":
        return bz2.BZ2File(raw)
    if head == b"\xfd7zXZ\0":
        return lzma.LZMAFile(raw)
    if head[:4] == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    return nullcontext(raw)


_TAR_KINDS = {
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "fifo",
}


def _tar_members(meter: _Metered) -> Iterator[Member]:
    with tarfile.open(fileobj=meter, mode="r|", bufsize=1 << 16) as archive:
        for info in archive:
            meter.since = 0
            other = f"member of unknown type {info.type!r}"
            kind = "file" if info.isreg() else _TAR_KINDS.get(info.type, other)
            data = archive.extractfile(info) if kind == "file" else None
            body = _Body(data, meter) if data is not None else None
            yield Member(info.name, kind, info.mode, float(info.mtime), info.linkname, body)  # type: ignore[arg-type]
            # tarfile keeps every header in memory for getmembers(), which nobody calls.
            archive.members.clear()  # type: ignore[attr-defined]  # absent from typeshed


def _zip_members(raw: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            unix = info.external_attr >> 16
            kinds = {0: "file", stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink"}
            kind = "dir" if info.is_dir() else kinds.get(stat.S_IFMT(unix), "device or other node")
            if info.flag_bits & 0x1:
                kind = "member under a password"
            mode = stat.S_IMODE(unix) or (0o755 if kind == "dir" else 0o644)
            mtime = float(timegm((*info.date_time, 0, 0, 0)))
            if kind == "symlink":
                if info.file_size > 4096:  # noqa: PLR2004 - PATH_MAX
                    kind = "link with a target that is too long"
                target = archive.read(info).decode("utf-8", "surrogateescape") if kind == "symlink" else ""
                yield Member(info.filename, kind, mode, mtime, target)
            elif kind == "file":
                with archive.open(info) as data:
                    yield Member(info.filename, kind, mode, mtime, data=data)
            else:
                yield Member(info.filename, kind, mode, mtime)
