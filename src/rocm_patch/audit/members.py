"""Every file that may hold GPU code behind a path: plain files, folders, and members of packages.

Opens .whl and .zip, .deb, .rpm, .a and nested ones of these, reading members as
streams: what is plainly no code is never kept, small members stay in memory, large
ones go to an unnamed temporary file that is mapped. Nothing is unpacked by name,
so no member's path can lead anywhere. Knows no code format beyond its first bytes.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol, cast

import attrs

from rocm_patch.audit import ar, rpm, tensile
from rocm_patch.audit.blob import IN_MEMORY, ViewStream, malformed, map_file, spool
from rocm_patch.audit.bundle import is_bundle
from rocm_patch.audit.elf import MAGIC as ELF_MAGIC
from rocm_patch.errors import AuditError

_HEAD = 32
_STEP = 1 << 20


@attrs.frozen
class Limits:
    """Bounds on what an archive may make us read or keep, in bytes where not a count."""

    member: int = 16 << 30
    total: int = 128 << 30
    count: int = 2_000_000
    in_memory: int = IN_MEMORY
    depth: int = 3


@attrs.define(eq=False)
class Member:
    """One file: its display path (`archive!member`), its bytes, and what its first bytes say."""

    path: str
    view: memoryview
    kind: str


class Stream(Protocol):
    """What a member is read from."""

    def read(self, size: int = ..., /) -> bytes:
        """Give up to `size` bytes, none at the end."""
        ...


@attrs.define
class _Budget:
    limits: Limits
    total: int = 0
    count: int = 0

    def member(self, archive: str) -> None:
        self.count += 1
        if self.count > self.limits.count:
            raise AuditError(
                f"{archive} holds more than {self.limits.count} members",
                cause="an archive of this many files is taken for an attack",
                step="unpack it yourself and audit the folder",
            )

    def take(self, archive: str, size: int) -> None:
        self.total += size
        if self.total > self.limits.total:
            raise AuditError(
                f"{archive} unpacks to more than {self.limits.total} bytes",
                cause="archives that grow this much are taken for an attack",
                step="unpack it yourself and audit the folder",
            )


def kind_of(path: str, head: bytes) -> str:
    """Name what a file is by its first bytes: elf, bundle, tensile, zip, ar, rpm, or '' for others."""
    if head.startswith(ELF_MAGIC):
        return "elf"
    if is_bundle(head):
        return "bundle"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(ar.MAGIC):
        return "ar"
    if head.startswith(rpm.MAGIC):
        return "rpm"
    return "tensile" if tensile.is_library(path) else ""


def walk(path: Path) -> Iterator[Path]:
    """Give the regular files at or under `path` in a fixed order; AuditError where there is nothing."""
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise AuditError(f"{path} is no file or folder", cause="nothing is there", step="check the path")
    for folder, names, files in os.walk(path):
        names.sort()
        for name in sorted(files):
            file = Path(folder, name)
            # A link's target is met under its own name, or lies outside what was asked for.
            if file.is_file() and not file.is_symlink():
                yield file


def members(path: Path, limits: Limits | None = None) -> Iterator[Member]:
    """Give every file of interest in the file `path`. Raises AuditError for damaged archives."""
    yield from _expand(str(path), map_file(path), _Budget(limits or Limits()), 0)


def _expand(path: str, view: memoryview, budget: _Budget, depth: int) -> Iterator[Member]:
    kind = kind_of(path, bytes(view[:_HEAD]))
    if kind in ("elf", "bundle", "tensile"):
        yield Member(path, view, kind)
        return
    if kind not in _ARCHIVES:
        return
    if depth >= budget.limits.depth:
        raise AuditError(
            f"{path}: archives nested more than {budget.limits.depth} deep",
            cause="deeper nesting is taken for an attack",
            step="unpack the outer ones yourself",
        )
    for name, size, stream in _ARCHIVES[kind](view, path):
        budget.member(path)
        inner = f"{path}!{name}"
        if isinstance(stream, memoryview):
            yield from _expand(inner, stream, budget, depth + 1)
            continue
        head = _read_exact(stream, min(_HEAD, size))
        if kind_of(inner, head):
            if size > budget.limits.member:
                raise AuditError(
                    f"{inner} claims {size} bytes",
                    cause=f"the limit for one member is {budget.limits.member}",
                    step="unpack it yourself and audit the file",
                )
            budget.take(path, size)
            yield from _expand(inner, _keep(head, stream, size, inner, budget.limits), budget, depth + 1)


def _keep(head: bytes, stream: Stream, size: int, path: str, limits: Limits) -> memoryview:
    """Take a member's bytes, no more than it claims."""
    view = spool(_pieces(head, stream, size), size, limits.in_memory)
    if len(view) != size:
        raise malformed(path, len(view), f"the archive ends inside this member of {size} bytes")
    return view


def _pieces(head: bytes, stream: Stream, size: int) -> Iterator[bytes]:
    yield head
    left = size - len(head)
    while left:
        piece = stream.read(min(_STEP, left))
        if not piece:
            return
        yield piece
        left -= len(piece)


def _read_exact(stream: Stream, size: int) -> bytes:
    pieces = []
    while size > 0:
        piece = stream.read(min(size, _STEP))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _zip_members(view: memoryview, path: str) -> Iterator[tuple[str, int, Stream | memoryview]]:
    # zipfile wants a whole file object; ViewStream has what it uses (read, seek, tell).
    try:
        with zipfile.ZipFile(cast("IO[bytes]", ViewStream(view))) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                with archive.open(info) as stream:
                    yield info.filename, info.file_size, stream
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, ValueError) as error:
        raise AuditError(
            f"{path} cannot be read as a zip archive or wheel",
            cause=str(error),
            step="fetch or build it again",
        ) from error


_ARCHIVES = {"zip": _zip_members, "ar": ar.members, "rpm": rpm.members}
