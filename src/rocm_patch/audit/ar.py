"""`ar` archives: static libraries, and Debian packages, whose data is a compressed tar inside one.

Gives members as views or streams and writes nothing. Knows nothing of GPU code.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO

from rocm_patch.audit.blob import malformed, part
from rocm_patch.audit.compressed import DECOMPRESS_ERRORS, reader
from rocm_patch.errors import AuditError

MAGIC = b"!<arch>\n"
_HEADER = 60


def members(view: memoryview, path: str) -> Iterator[tuple[str, int, IO[bytes] | memoryview]]:
    """Give (name, size, contents): of a Debian package the files of its data, else the plain members."""
    first = True
    is_deb = False
    for name, data in _plain(view, path):
        if first and name == "debian-binary":
            is_deb = True
        first = False
        if not is_deb:
            yield name, len(data), data
        elif name.startswith("data.tar"):
            yield from _tar(data, f"{path}!{name}", path)


def _plain(view: memoryview, path: str) -> Iterator[tuple[str, memoryview]]:
    at, long_names = len(MAGIC), b""
    while at < len(view):
        header = bytes(part(view, at, _HEADER, where=path, what="an archive member's header"))
        text = header[48:58].decode("latin-1").strip()
        if header[58:] != b"`\n" or not text.isdecimal():
            raise malformed(path, at, "no archive member header")
        size = int(text)
        data = part(view, at + _HEADER, size, where=path, what="an archive member")
        name = header[:16].decode("utf-8", "backslashreplace").rstrip()
        at += _HEADER + size + size % 2
        if name == "//":
            long_names = bytes(data)
        elif name not in ("/", "/SYM64/", "__.SYMDEF"):
            yield _name(name, long_names), data


def _name(name: str, long_names: bytes) -> str:
    """Resolve GNU's `/123` (a place in the table of long names) and its closing slash."""
    if name.startswith("/") and name[1:].isdecimal():
        tail = long_names[int(name[1:]) :].split(b"\n", 1)[0]
        name = tail.decode("utf-8", "backslashreplace")
    return name.rstrip("/")


def _tar(data: memoryview, where: str, path: str) -> Iterator[tuple[str, int, IO[bytes]]]:
    try:
        with reader(data) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20) as archive:
            for info in archive:
                if info.isreg():
                    contents = archive.extractfile(info)
                    if contents is not None:
                        yield f"{info.name.removeprefix('./')}", info.size, contents
    except (*DECOMPRESS_ERRORS, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        raise AuditError(
            f"{path} cannot be read as a Debian package",
            cause=f"{where}: {error}",
            step="fetch or build it again",
        ) from error
