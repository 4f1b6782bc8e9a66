"""A root folder whose files are named by absolute paths, and in which no link is ever followed.

Every folder on the way is opened from the one before (openat, O_NOFOLLOW): a link that
somebody plants on the way, or in the place of a file, is refused and not followed.
Writing is to a name beside, flushed, and moved in place. Knows nothing of plans.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from rocm_patch.apply.points import reached
from rocm_patch.errors import CheckError, RocmPatchError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
#: What a file is called until it is whole.
FRESH = ".{}.rocm-patch~"
_CHUNK = 1 << 20


class LinkError(CheckError):
    """A path leads over a symbolic link, where none may be."""


@attrs.frozen
class Meta:
    """What a file has besides its bytes."""

    mode: int
    uid: int = 0
    gid: int = 0
    mtime_ns: int | None = None
    xattrs: dict[str, bytes] = attrs.field(factory=dict)


class RootFs:
    """Files below `root`."""

    def __init__(self, root: Path) -> None:
        """Open the root itself, which the caller vouches for (it may be reached over links)."""
        self.root = root
        self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let the root go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def live(self) -> bool:
        """Tell whether this is the running system."""
        return str(self.root) == "/"

    def local(self, path: str) -> Path:
        """Give the place of a path for programs, which are handed names."""
        return self.root / path.lstrip("/")

    @contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """Open a folder, each part from the one before."""
        handle = os.dup(self._fd)
        try:
            for part in _parts(path):
                deeper = self._enter(handle, part, path)
                os.close(handle)
                handle = deeper
            yield handle
        finally:
            os.close(handle)

    def _enter(self, handle: int, part: str, path: str) -> int:
        try:
            return os.open(part, _FOLDER, dir_fd=handle)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR} and stat.S_ISLNK(
                os.lstat(part, dir_fd=handle).st_mode
            ):
                raise LinkError(
                    f"{path} leads over a symbolic link",
                    cause=f"`{part}` is a link, and rocm-patch follows none",
                    step="name the real place, or put a folder there",
                ) from error
            raise

    def status(self, path: str) -> os.stat_result | None:
        """Stat what is there, a link as a link; None if nothing is."""
        folder, name = _split(path)
        try:
            with self.folder(folder) as handle:
                return os.stat(name, dir_fd=handle, follow_symlinks=False) if name else os.fstat(handle)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path: str) -> bytes | None:
        """Give a regular file's bytes; None if nothing is there."""
        try:
            with self.open(path) as handle:
                return b"".join(iter(lambda: os.read(handle, _CHUNK), b""))
        except (FileNotFoundError, NotADirectoryError):
            return None

    @contextmanager
    def open(self, path: str) -> Iterator[int]:
        """Open a regular file for reading. LinkError for a link, CheckError for anything else."""
        folder, name = _split(path)
        with self.folder(folder) as parent:
            try:
                handle = os.open(name, _FILE, dir_fd=parent)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise LinkError(
                        f"{path} is a symbolic link",
                        cause="rocm-patch follows none",
                        step="put a file there, or leave this item out: --exclude",
                    ) from error
                raise
            try:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise CheckError(f"{path} is no regular file", step="leave this item out: --exclude")
                yield handle
            finally:
                os.close(handle)

    def readlink(self, path: str) -> str:
        """Give a link's target."""
        folder, name = _split(path)
        with self.folder(folder) as parent:
            return os.readlink(name, dir_fd=parent)

    def names(self, path: str) -> list[str]:
        """Give the names in a folder; none if it is absent."""
        try:
            with self.folder(path) as handle:
                return sorted(os.listdir(handle))  # noqa: PTH208  # by descriptor
        except (FileNotFoundError, NotADirectoryError):
            return []

    def write(self, path: str, chunks: Iterator[bytes], meta: Meta) -> None:
        """Have a file with these bytes and properties: all of it, or what was there before."""
        folder, name = _split(path)
        fresh = FRESH.format(name)
        with self.folder(folder) as parent:
            self._drop(parent, fresh)
            # Closed to all others until it is whole: its owner and mode come last.
            handle = os.open(
                fresh,
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o600,
                dir_fd=parent,
            )
            try:
                for chunk in chunks:
                    view = memoryview(chunk)
                    while view:
                        view = view[os.write(handle, view) :]
                reached(f"half written {path}")
                self._dress(handle, meta)
                os.fsync(handle)
            except BaseException:
                self._drop(parent, fresh)
                raise
            finally:
                os.close(handle)
            reached(f"written beside {path}")
            os.rename(fresh, name, src_dir_fd=parent, dst_dir_fd=parent)
            os.fsync(parent)
        reached(f"in place {path}")

    @staticmethod
    def _dress(handle: int, meta: Meta) -> None:
        """Give an open file its owner.

        Mode, attributes and date, in the order in which each survives the next.
        """
        status = os.fstat(handle)
        if (status.st_uid, status.st_gid) != (meta.uid, meta.gid):
            os.fchown(handle, meta.uid, meta.gid)
        os.fchmod(handle, meta.mode)
        for key, value in meta.xattrs.items():
            try:
                os.setxattr(handle, key, value)
            except OSError as error:  # noqa: PERF203
                if error.errno not in {errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.EINVAL}:
                    raise
        if meta.mtime_ns is not None:
            os.utime(handle, ns=(meta.mtime_ns, meta.mtime_ns))

    def symlink(self, path: str, target: str, *, uid: int, gid: int) -> None:
        """Have a link."""
        folder, name = _split(path)
        fresh = FRESH.format(name)
        with self.folder(folder) as parent:
            self._drop(parent, fresh)
            os.symlink(target, fresh, dir_fd=parent)
            if os.geteuid() == 0:
                os.chown(fresh, uid, gid, dir_fd=parent, follow_symlinks=False)
            os.rename(fresh, name, src_dir_fd=parent, dst_dir_fd=parent)
            os.fsync(parent)

    def make_folder(
        self, path: str, mode: int = 0o755, uid: int | None = None, gid: int | None = None
    ) -> None:
        """Have a folder, and those above it; ones that are there stay as they are."""
        done = ""
        for part in _parts(path):
            with self.folder(done) as handle:
                try:
                    os.mkdir(part, 0o700, dir_fd=handle)
                except FileExistsError:
                    pass
                else:
                    made = self._enter(handle, part, path)
                    try:
                        os.fchmod(made, mode)
                        if uid is not None and gid is not None and os.geteuid() == 0:
                            os.fchown(made, uid, gid)
                    finally:
                        os.close(made)
                    os.fsync(handle)
                    reached(f"made folder {done}/{part}")
            done = f"{done}/{part}"

    def tidy(self, path: str) -> None:
        """Drop the half written file that a cut off write leaves beside a path."""
        folder, name = _split(path)
        try:
            with self.folder(folder) as parent:
                self._drop(parent, FRESH.format(name))
        except (FileNotFoundError, NotADirectoryError):
            return

    def remove(self, path: str) -> None:
        """Have nothing there: a file or link is unlinked, a folder removed if it is empty.

        Others' files stay.
        """
        folder, name = _split(path)
        try:
            with self.folder(folder) as parent:
                self._drop(parent, FRESH.format(name))
                try:
                    os.stat(name, dir_fd=parent, follow_symlinks=False)
                    os.unlink(name, dir_fd=parent)
                except IsADirectoryError:
                    try:
                        os.rmdir(name, dir_fd=parent)
                    except OSError as error:
                        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY}:
                            raise
                        return
                except FileNotFoundError:
                    return
                os.fsync(parent)
        except (FileNotFoundError, NotADirectoryError):
            return
        reached(f"removed {path}")

    @staticmethod
    def _drop(parent: int, name: str) -> None:
        with suppress(FileNotFoundError):
            # Looked for first: a read-only disk refuses even to take away what is not there.
            os.stat(name, dir_fd=parent, follow_symlinks=False)
            os.unlink(name, dir_fd=parent)


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part]
    if any(part in {".", ".."} or "\0" in part for part in parts):
        raise RocmPatchError(f"{path!r} is no plain path")
    return parts


def _split(path: str) -> tuple[str, str]:
    parts = _parts(path)
    return "/".join(parts[:-1]), parts[-1] if parts else ""


def above(path: str) -> list[str]:
    """Give the folders above a path, the outermost first."""
    parts = _parts(path)
    return ["/" + "/".join(parts[:number]) for number in range(1, len(parts))]
