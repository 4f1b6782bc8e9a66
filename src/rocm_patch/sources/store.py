"""The content-addressed cache: files named by their sha256, shared by all components and all running jobs.

Knows bytes, hashes, locks and leases. Knows nothing of recipes or of where bytes
come from. Layout below the root: `sha256/ab/abcdef...` (read-only files),
`meta/` (size, mtime and inode as recorded when the hash was proved), `part/`
(unfinished downloads), `refs/` (a git commit -> the sha256 of its archive),
`git/` (repositories on their way into an archive), `locks/`, `leases/` (one per
running job; a lease whose lock is free is stale).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from rocm_patch.errors import DataError, DiskSpaceError
from rocm_patch.paths import cache_root

CHUNK = 1 << 20
#: What a write answers when there is no room: full disk, quota, file size limit.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_HEX = frozenset("0123456789abcdef")


def sha256_file(path: Path) -> str:
    """Hash a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def no_room(path: Path, needed: int | None) -> DiskSpaceError:
    """Make the error for a disk (or quota) that cannot take `needed` (None: unknown) bytes below `path`."""
    free = shutil.disk_usage(path).free
    gib = 2**30
    more = "an unknown number of bytes" if needed is None else f"{needed} bytes ({needed / gib:.2f} GiB)"
    figures = f"needed: {more}, available: {free} bytes ({free / gib:.2f} GiB)"
    return DiskSpaceError(
        f"not enough room in {path}",
        cause=figures,
        step="free some room, run `rocm-patch source gc`, or set ROCM_PATCH_CACHE to a larger disk; "
        "what was fetched so far is kept and will be continued",
    )


def write_atomic(path: Path, data: bytes) -> None:
    """Write a small file so that readers see the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in NO_ROOM:
            raise no_room(path.parent, len(data)) from error
        raise


@dataclass
class Lease:
    """What a running job uses; as long as it is open, `gc` removes none of it."""

    store: ObjectStore
    path: Path
    digests: set[str] = field(default_factory=set)

    def add(self, digests: Iterable[str]) -> None:
        """Protect further objects, whether they exist yet or not."""
        with self.store.gc_lock():
            self.digests.update(digests)
            write_atomic(self.path, json.dumps(sorted(self.digests)).encode())


@dataclass(frozen=True)
class GcResult:
    """What gc removed (or would remove): digests, unfinished downloads, bytes; and what it kept."""

    objects: list[str]
    parts: list[str]
    bytes: int
    leased: int
    kept: int


class ObjectStore:
    """Files by sha256 below one folder, safe for several processes at once."""

    def __init__(self, root: Path | None = None) -> None:
        """Use `root`, by default `cas/` in the user's cache; folders are made on first use."""
        self.root = root if root is not None else cache_root() / "cas"
        for name in ("sha256", "meta", "part", "refs", "locks", "leases"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Name an object's file, whether it exists or not."""
        _check(sha256)
        return self.root / "sha256" / sha256[:2] / sha256

    def part(self, sha256: str) -> Path:
        """Name an object's unfinished download."""
        _check(sha256)
        return self.root / "part" / f"{sha256}.part"

    def _meta(self, sha256: str) -> Path:
        return self.root / "meta" / sha256[:2] / f"{sha256}.json"

    def get(self, sha256: str, size: int | None = None) -> Path | None:
        """Give an object's file if its content can be trusted, else None.

        Size, mtime and inode are compared with what was recorded when the hash was
        proved; where they differ the content is hashed again, and a damaged object
        is removed so that it is fetched anew.
        """
        path = self.path(sha256)
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        if (size is None or stat.st_size == size) and self._recorded(sha256) == _figures(stat):
            return path
        with self.lock(sha256):
            return self._rehash(sha256, size)

    def _rehash(self, sha256: str, size: int | None) -> Path | None:
        """Hash an object again; record it or remove it. The caller holds its lock."""
        path = self.path(sha256)
        if not path.exists():
            return None
        if (size is None or path.stat().st_size == size) and sha256_file(path) == sha256:
            self._record(sha256)
            return path
        self.discard(sha256)
        return None

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Say whether a trusted object is there."""
        return self.get(sha256, size) is not None

    def _recorded(self, sha256: str) -> dict[str, int] | None:
        try:
            data = json.loads(self._meta(sha256).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return data if isinstance(data, dict) else None

    def _record(self, sha256: str) -> None:
        write_atomic(self._meta(sha256), json.dumps(_figures(self.path(sha256).stat())).encode())

    def touch(self, sha256: str) -> None:
        """Note that an object was used now: `gc` goes by this."""
        try:
            os.utime(self._meta(sha256))
        except FileNotFoundError:
            if self.path(sha256).exists():
                self._record(sha256)

    def discard(self, sha256: str) -> None:
        """Remove an object and its record, if there."""
        self.path(sha256).unlink(missing_ok=True)
        self._meta(sha256).unlink(missing_ok=True)

    def adopt(self, file: Path, sha256: str) -> Path:
        """Move a complete file of this file system, whose hash the caller has proved, into the store.

        The file's data is on disk before the name appears: a power cut leaves the
        object whole or absent.
        """
        target = self.path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(file, os.O_RDONLY)
        try:
            os.fchmod(fd, 0o444)
            os.fsync(fd)
        finally:
            os.close(fd)
        # The folder is not synced: a rename that a power cut loses leaves the complete part.
        file.replace(target)
        self._record(sha256)
        return target

    def put(self, file: Path, sha256: str | None = None) -> tuple[str, Path]:
        """Copy a file into the store; give its digest and its place there.

        Raises DataError where `sha256` is given and the content differs, DiskSpaceError.
        """
        temporary = self.root / "part" / f"put-{uuid.uuid4().hex}"
        digest = hashlib.sha256()
        try:
            with file.open("rb") as source, temporary.open("wb") as sink:
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                    sink.write(chunk)
            actual = digest.hexdigest()
            if sha256 not in {None, actual}:
                why = f"its sha256 is {actual}, not {sha256}"
                raise DataError(f"{file} has not the content it should have", cause=why)
            with self.lock(actual):
                return actual, self.adopt(temporary, actual)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise no_room(self.root, file.stat().st_size) from error
            raise
        finally:
            temporary.unlink(missing_ok=True)

    def ref(self, key: str) -> str | None:
        """Give the digest that a name (a git commit) stands for, if known."""
        try:
            digest = (self.root / "refs" / key).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        return digest if len(digest) == 64 and set(digest) <= _HEX else None  # noqa: PLR2004 - hex digits of a sha256

    def set_ref(self, key: str, sha256: str) -> None:
        """Let a name stand for a digest."""
        _check(sha256)
        write_atomic(self.root / "refs" / key, f"{sha256}\n".encode())

    @contextmanager
    def lock(self, key: str, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the lock of one object (or name) against other threads and processes.

        While another holds it, `on_wait` is called every half second, and may raise
        to end the wait. The kernel frees a lock when its process dies, so none is
        ever stale.
        """
        lock = FileLock(self.root / "locks" / f"{key}.lock")
        timeout = 0.0
        while True:
            try:
                lock.acquire(timeout=timeout, poll_interval=0.1)
                break
            except Timeout:
                timeout = 0.5
                if on_wait is not None:
                    on_wait()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def gc_lock(self) -> Iterator[None]:
        """Keep gc and changes of leases apart."""
        with FileLock(self.root / "locks" / "gc.lock"):
            yield

    @contextmanager
    def lease(self, digests: Iterable[str] = ()) -> Iterator[Lease]:
        """Open a lease for the time of a job; a killed job's lease is seen as stale by its free lock."""
        path = self.root / "leases" / f"{os.getpid()}-{uuid.uuid4().hex}.json"
        lock_path = path.with_suffix(".lock")
        lock = FileLock(lock_path, thread_local=False)
        with self.gc_lock():
            lock.acquire()
            write_atomic(path, b"[]")
        lease = Lease(self, path)
        try:
            lease.add(digests)
            yield lease
        finally:
            with self.gc_lock():
                path.unlink(missing_ok=True)
                lock.release()
                lock_path.unlink(missing_ok=True)

    def _leased(self) -> set[str]:
        """Collect what live leases name and remove stale ones. The caller holds the gc lock."""
        names: set[str] = set()
        for path in (self.root / "leases").glob("*.json"):
            lock = FileLock(path.with_suffix(".lock"))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                names.update(json.loads(path.read_bytes()))
                continue
            path.unlink(missing_ok=True)
            lock.release()
            path.with_suffix(".lock").unlink(missing_ok=True)
        return names

    def objects(self) -> Iterator[str]:
        """List the digests of all objects."""
        for folder in sorted((self.root / "sha256").iterdir()):
            yield from sorted(p.name for p in folder.iterdir())

    def verify(self, digests: Iterable[str] | None = None) -> list[str]:
        """Hash every object (or these) in full; remove and name the damaged ones."""
        bad = []
        for sha256 in list(self.objects()) if digests is None else digests:
            with self.lock(sha256):
                if self.path(sha256).exists() and self._rehash(sha256, None) is None:
                    bad.append(sha256)
        return bad

    def gc(
        self,
        *,
        keep: Iterable[str] = (),
        only: Iterable[str] | None = None,
        unused_days: float = 30,
        dry_run: bool = False,
    ) -> GcResult:
        """Remove objects and unfinished downloads that nobody used for `unused_days` days.

        Never what `keep` names, what a live lease names, or what is being written;
        with `only`, nothing but what it names.
        """
        limit = time.time() - unused_days * 86400
        with self.gc_lock():
            leased = self._leased()
            safe = leased | set(keep)
            wanted = None if only is None else set(only)
            gone, size, kept = [], 0, 0
            for sha256 in list(self.objects()):
                other = wanted is not None and sha256 not in wanted
                if other or sha256 in safe or self._last_use(sha256) > limit:
                    kept += 1
                    continue
                size += self.path(sha256).stat().st_size
                gone.append(sha256)
                if not dry_run:
                    self.discard(sha256)
            parts = []
            for part in sorted((self.root / "part").iterdir()):
                owner = part.name.partition(".")[0]
                other = wanted is not None and owner not in wanted
                if not other and part.stat().st_mtime <= limit and self._idle(owner, safe):
                    size += part.stat().st_size
                    parts.append(part.name)
                    if not dry_run:
                        part.unlink(missing_ok=True)
            # Repositories that a killed run left; while a commit is archived, "git" is locked.
            left = (
                sorted((self.root / "git").glob("*")) if wanted is None and self._idle("git", set()) else []
            )
            for folder in (f for f in left if f.stat().st_mtime <= limit):
                size += sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
                parts.append(f"git/{folder.name}")
                if not dry_run:
                    shutil.rmtree(folder)
            return GcResult(gone, parts, size, len(leased), kept)

    def _last_use(self, sha256: str) -> float:
        meta = self._meta(sha256)
        return (meta if meta.exists() else self.path(sha256)).stat().st_mtime

    def _idle(self, sha256: str, safe: set[str]) -> bool:
        if sha256 in safe:
            return False
        lock = FileLock(self.root / "locks" / f"{sha256}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        return True


def _figures(stat: os.stat_result) -> dict[str, int]:
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino}


def _check(sha256: str) -> None:
    if len(sha256) != 64 or not set(sha256) <= _HEX:  # noqa: PLR2004 - hex digits of a sha256
        raise DataError(f"{sha256!r} is not a sha256 in lower-case hex")
