"""Reads a machine's files under a root, and never leaves it.

Symbolic links are followed as a chroot would follow them; reads, listings and
chains of links are bounded; what cannot be read becomes a note. Knows nothing
of what the files mean.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

#: Bytes of one text file; the largest that is read on purpose is dpkg's status (some 5 MB).
TEXT_LIMIT = 1 << 20
#: Names looked at in one folder.
NAMES_LIMIT = 50_000
#: Bytes and files of one examination: a tree of endless small files must end as well.
_TOTAL_LIMIT = 512 << 20
_READS_LIMIT = 20_000
_LINKS_LIMIT = 40
_PARTS_LIMIT = 64
_NOTES_LIMIT = 200
#: Longer listings (of libraries, of kernels) are not kept for a saved fixture.
_LISTED_LIMIT = 64


class Tree:
    """Files under `root`, named by absolute paths of the examined machine (`/etc/os-release`).

    `owners` replaces (uid, gid, mode) where the tree's own say nothing of the
    machine, as in an unpacked fixture.
    """

    def __init__(self, root: Path, *, owners: dict[str, tuple[int, int, int]] | None = None) -> None:
        self.root = root
        self.owners = owners or {}
        self.notes: list[str] = []
        self.seen: dict[str, bytes | None] = {}
        self.links: dict[str, str] = {}
        self.listed: set[str] = set()
        self._unread: set[str] = set()
        self._bytes = 0
        self._reads = 0

    @property
    def live(self) -> bool:
        """Tell whether this is the running machine."""
        return str(self.root) == "/"

    def note(self, path: str, reason: str) -> None:
        """Keep one reason why something is not known; one line per path."""
        if path not in self._unread and len(self.notes) < _NOTES_LIMIT:
            self._unread.add(path)
            self.notes.append(f"{path}: {reason}")

    def resolve(self, path: str) -> str | None:
        """Follow links inside the root. None where a part is absent; loops become a note."""
        todo = [part for part in path.split("/") if part and part != "."]
        done: list[str] = []
        hops = 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                done = done[:-1]
                continue
            if len(done) + len(todo) > _PARTS_LIMIT:
                self.note(path, "too many folders deep")
                return None
            here = "/".join([*done, part])
            try:
                mode = (self.root / here).lstat().st_mode
                target = str((self.root / here).readlink()) if stat.S_ISLNK(mode) else None
            except (FileNotFoundError, NotADirectoryError):
                return None
            except (OSError, ValueError) as error:
                self.note(path, _reason(error))
                return None
            if target is None:
                done.append(part)
                continue
            hops += 1
            if hops > _LINKS_LIMIT:
                self.note(path, "a loop of links")
                return None
            self.links["/" + here] = target
            if target.startswith("/"):
                done = []
            todo = [piece for piece in target.split("/") if piece and piece != "."] + todo
        real = "/" + "/".join(done)
        if done:
            self.listed.add(real)
        return real

    def local(self, path: str) -> Path | None:
        """Give the place of a path on this machine, all links followed."""
        real = self.resolve(path)
        return None if real is None else self.root / real[1:]

    def status(self, path: str) -> os.stat_result | None:
        """Stat the file that a path leads to."""
        local = self.local(path)
        if local is None:
            return None
        try:
            return local.lstat()
        except OSError as error:
            self.note(path, _reason(error))
            return None

    def exists(self, path: str) -> bool:
        """Tell whether a path leads to anything."""
        real = self.resolve(path)
        if real is not None and (self.root / real[1:]).is_file():
            self.seen.setdefault(real, None)
        return real is not None

    def owner(self, path: str) -> tuple[int, int, int] | None:
        """Give (uid, gid, permission bits)."""
        real = self.resolve(path)
        if real is None:
            return None
        self.seen.setdefault(real, None)
        if real in self.owners:
            return self.owners[real]
        status = self.status(real)
        return None if status is None else (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))

    def read(
        self, path: str, limit: int = TEXT_LIMIT, *, keep: bool = True, head: bool = False
    ) -> bytes | None:
        """Give the first `limit` bytes of a regular file; None if absent or unreadable.

        `keep=False` leaves the contents out of a saved fixture; with `head`, no more is wanted.
        """
        real = self.resolve(path)
        if real is None:
            return None
        if self._bytes > _TOTAL_LIMIT or self._reads > _READS_LIMIT:
            self.note(path, "not read: too much was read before")
            return None
        try:
            # Neither a pipe nor a device may be opened: it could block, or do something.
            if not stat.S_ISREG((self.root / real[1:]).lstat().st_mode):
                self.note(path, "not a regular file")
                return None
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(self.root / real[1:], flags), "rb") as stream:  # noqa: PTH123  # by descriptor
                data = stream.read(limit + 1)
        except OSError as error:
            self.note(path, _reason(error))
            return None
        self._bytes += len(data)
        self._reads += 1
        if len(data) > limit:
            if not head:
                self.note(path, f"longer than {limit} bytes; the rest is not read")
            data = data[:limit]
        if keep or real not in self.seen:
            self.seen[real] = data if keep else None
        return data

    def text(self, path: str, limit: int = TEXT_LIMIT) -> str | None:
        """Give a file as text; undecodable and control bytes are replaced."""
        data = self.read(path, limit)
        return None if data is None else clean(data)

    def line(self, path: str) -> str | None:
        """Give a one-line file without its blanks; None if absent or empty."""
        data = self.read(path, 4096)
        return None if data is None else (clean(data).strip().split("\n")[0].strip() or None)

    def names(self, path: str, pattern: str = "") -> list[str]:
        """Give the sorted names in a folder that match `pattern` wholly (all if it is empty)."""
        local = self.local(path)
        if local is None:
            return []
        wanted = re.compile(pattern or r"[^\n]*")
        found: list[str] = []
        try:
            with os.scandir(local) as entries:
                for number, entry in enumerate(entries):
                    if number >= NAMES_LIMIT:
                        self.note(path, f"more than {NAMES_LIMIT} names; the rest is not looked at")
                        break
                    if wanted.fullmatch(entry.name) and _printable(entry.name):
                        found.append(entry.name)
        except NotADirectoryError:
            return []
        except OSError as error:
            self.note(path, _reason(error))
            return []
        if len(found) <= _LISTED_LIMIT:
            real = "/" + str(local.relative_to(self.root)) if local != self.root else ""
            self.listed.update(f"{real}/{name}" for name in found)
        return sorted(found, key=natural)


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort card2 before card10."""
    pieces = re.split(r"([0-9]{1,18})", name)
    return [(0, int(one), "") if number % 2 else (1, 0, one) for number, one in enumerate(pieces)]


def clean(data: bytes) -> str:
    """Decode; what could steer a terminal becomes a replacement character."""
    text = data.decode("utf-8", "replace")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "\ufffd", text)


def _printable(name: str) -> bool:
    return name.isprintable() and not any("\ud800" <= char <= "\udfff" for char in name)


def _reason(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
