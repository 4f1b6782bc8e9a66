"""Archives into folders, safely: nothing leaves the folder, no device, no bomb, all or nothing.

Knows members and the folder they go to. Knows nothing of archive formats
(archives.py) or of where archives come from. A finished folder appears by one
rename; a killed run leaves only a folder whose name begins with `.unpack-`, which
the next run for the same place removes.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from rocm_patch.errors import ArchiveError, DiskSpaceError
from rocm_patch.sources.archives import DAMAGE, Member, members
from rocm_patch.sources.model import UnpackRule
from rocm_patch.sources.store import NO_ROOM

CHUNK = 1 << 20


@dataclass(frozen=True)
class Bounds:
    """What an archive may hold at most. PyTorch with all submodules: 75,000 members, 1.5 GB."""

    members: int = 1_000_000
    bytes: int = 32 << 30
    #: Bytes of a whole name.
    name: int = 4096


def unpack(
    archive: Path, dest: Path, rule: UnpackRule | None = None, *, bounds: Bounds | None = None
) -> Path:
    """Unpack `archive` as the new folder `dest`, which must not exist; give `dest`.

    `rule.strip` leading components are dropped (members that have no more are
    left out), the rest goes to `rule.into` below `dest`. Set-id and group or
    other write bits are dropped, times are kept. Raises ArchiveError, before
    `dest` appears, for a member that must not be unpacked; DiskSpaceError.
    """
    if dest.exists() or dest.is_symlink():
        raise ArchiveError(f"{dest} exists already", step="remove it, or unpack somewhere else")
    dest.parent.mkdir(parents=True, exist_ok=True)
    for left in dest.parent.glob(f".unpack-{dest.name}-*"):
        if not _alive(left.name.rpartition("-")[2]):
            shutil.rmtree(left)
    temporary = dest.parent / f".unpack-{dest.name}-{os.getpid()}"
    temporary.mkdir()
    try:
        _Unpacker(archive, temporary, rule or UnpackRule(), bounds or Bounds()).run()
        temporary.rename(dest)
    except OSError as error:
        if error.errno in NO_ROOM:
            free = shutil.disk_usage(dest.parent).free
            raise DiskSpaceError(
                f"not enough room to unpack {archive.name} in {dest.parent}",
                cause=f"{free} bytes are free",
                step="free some room; nothing of it was kept",
            ) from error
        raise
    finally:
        if temporary.exists():
            _open_folders(temporary)
            shutil.rmtree(temporary)
    return dest


def _clamp(mtime: float) -> float:
    """Keep an archive's time within what file systems take."""
    return min(max(mtime, 0.0), 2.0**33)


def _alive(pid: str) -> bool:
    return pid.isdigit() and Path("/proc", pid).exists()


def _open_folders(root: Path) -> None:
    """Let an ordinary user remove folders that an archive made unwritable."""
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o700)


@dataclass
class _Unpacker:
    """One unpacking run."""

    archive: Path
    root: Path
    rule: UnpackRule
    bounds: Bounds
    _made: dict[str, str] = field(default_factory=dict)
    _folders: list[tuple[Path, int, float]] = field(default_factory=list)
    _links: list[Path] = field(default_factory=list)
    _bytes: int = 0

    def run(self) -> None:
        base = self.root
        for part in PurePosixPath(self.rule.into).parts:
            base /= part
            base.mkdir()
            base.chmod(0o755)
        count = 0
        try:
            for member in members(self.archive):
                count += 1
                if count > self.bounds.members:
                    self._refuse(member.name, f"no more than {self.bounds.members} members are allowed")
                self._take(base, member)
        except DAMAGE as error:
            raise ArchiveError(
                f"{self.archive.name} cannot be read to its end",
                cause=f"{type(error).__name__}: {error}",
                step="run `rocm-patch source verify`; if the bytes are the pinned ones, report it",
            ) from error
        real = os.path.realpath(self.root)
        for link in self._links:
            # Judged once everything stands: a link may lead through other links.
            target = os.path.realpath(link)
            if target != real and not target.startswith(f"{real}{os.sep}"):
                name = str(link.relative_to(self.root))
                self._refuse(name, "it is a link that leaves the folder through other links")
        for folder, mode, mtime in reversed(self._folders):
            folder.chmod(mode)
            os.utime(folder, (mtime, mtime))

    def _refuse(self, name: str, why: str) -> NoReturn:
        raise ArchiveError(
            f"{self.archive.name} is not unpacked: member {name!r}",
            cause=why,
            step="nothing was written to the destination; check where the archive comes from",
        )

    def _relative(self, name: str, what: str) -> tuple[str, ...] | None:
        """Check a member's name and strip it; None if nothing is left of it."""
        if not name or "\0" in name or "\\" in name or len(os.fsencode(name)) > self.bounds.name:
            self._refuse(name[:80], f"{what} is empty, too long, or holds a NUL or backslash")
        pure = PurePosixPath(name)
        if pure.is_absolute():
            self._refuse(name, f"{what} is an absolute path")
        if ".." in pure.parts:
            self._refuse(name, f"{what} has '..' in it")
        return pure.parts[self.rule.strip :] or None

    def _take(self, base: Path, member: Member) -> None:
        """Write one member."""
        parts = self._relative(member.name, "its name")
        if member.kind not in {"file", "dir", "symlink", "hardlink"}:
            self._refuse(member.name, f"it is a {member.kind}; only files, folders and links are unpacked")
        if parts is None:
            if member.kind != "dir" and self.rule.strip == 0:
                self._refuse(member.name, "it has no name below the folder")
            return
        path = base.joinpath(*parts)
        mtime = _clamp(member.mtime)
        known = self._made.get("/".join(parts))
        if known is not None and not (known == "dir" and member.kind == "dir"):
            self._refuse(member.name, f"the same name was there before, as a {known}")
        self._parents(base, parts, member.name)
        if member.kind == "dir":
            if known is None:
                path.mkdir()
            self._folders.append((path, (member.mode & 0o755) | 0o700, mtime))
        elif member.kind == "symlink":
            self._symlink(base, path, parts, member)
        else:
            self._file(base, path, member, mtime)
        self._made["/".join(parts)] = member.kind

    def _parents(self, base: Path, parts: tuple[str, ...], name: str) -> None:
        """Make the folders above a member; none of them may be anything but a folder."""
        for depth in range(1, len(parts)):
            key = "/".join(parts[:depth])
            kind = self._made.get(key)
            if kind is None:
                folder = base.joinpath(*parts[:depth])
                folder.mkdir(exist_ok=True)
                folder.chmod(0o755)
                self._made[key] = "dir"
            elif kind != "dir":
                self._refuse(name, f"it would be written through {key!r}, which is a {kind}")

    def _symlink(self, base: Path, path: Path, parts: tuple[str, ...], member: Member) -> None:
        mtime = _clamp(member.mtime)
        target = member.target
        if not target or "\0" in target or target.startswith("/"):
            self._refuse(member.name, f"it is a link to {target!r}, which is empty or absolute")
        depth = len(parts) - 1 + len(base.relative_to(self.root).parts)
        for part in PurePosixPath(target).parts:
            depth += -1 if part == ".." else 1
            if depth < 0:
                self._refuse(member.name, f"it is a link to {target!r}, outside the folder")
        path.symlink_to(target)
        os.utime(path, (mtime, mtime), follow_symlinks=False)
        self._links.append(path)

    def _file(self, base: Path, path: Path, member: Member, mtime: float) -> None:
        """Write a file, or the copy that stands for a hard link (a patch must not change both)."""
        mode = (member.mode & 0o755) | 0o600
        if member.kind == "hardlink":
            parts = self._relative(member.target, "its link target")
            if parts is None or self._made.get("/".join(parts)) not in {"file", "hardlink"}:
                self._refuse(member.name, f"it is a hard link to {member.target!r}, no file before it")
            source = base.joinpath(*parts)
            mode = stat.S_IMODE(source.stat().st_mode)
            with source.open("rb") as stream:
                self._copy(stream, path, member.name)
        elif member.data is not None:
            self._copy(member.data, path, member.name)
        path.chmod(mode)
        os.utime(path, (mtime, mtime))

    def _copy(self, stream: IO[bytes], path: Path, name: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as sink:
            while chunk := stream.read(CHUNK):
                self._bytes += len(chunk)
                if self._bytes > self.bounds.bytes:
                    self._refuse(name, f"with it the content exceeds {self.bounds.bytes} bytes")
                sink.write(chunk)
