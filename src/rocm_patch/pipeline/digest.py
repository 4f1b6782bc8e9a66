"""Name files, folders and values by sha256, reading each unchanged file only once.

A file's digest is kept in an index with the size, times and inode it had; as long
as those stand the bytes are not read again, which is what makes a run with nothing
to do short. Knows nothing of steps or components.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

_BLOCK = 1 << 20
#: A file changed this shortly (ns) before it was read may change again within the
#: same clock tick, so its index entry is not trusted.
_RACY_NS = 50_000_000


def text_digest(value: object) -> str:
    """Give the sha256 of a value made of JSON's types, whatever the order of its keys."""
    packed = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(packed.encode()).hexdigest()


def read_digest(path: Path) -> str:
    """Read a file whole and give its sha256."""
    running = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            running.update(block)
    return running.hexdigest()


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file so that a kill at any moment leaves the old bytes or the new ones, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _stat_key(info: os.stat_result) -> list[int]:
    return [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]


def walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Give every file and link below a folder with its lstat, by relative path, sorted."""
    pending = [("", str(root))]
    found: list[tuple[str, os.stat_result]] = []
    while pending:
        prefix, folder = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append((f"{name}/", entry.path))
                else:
                    found.append((name, entry.stat(follow_symlinks=False)))
    found.sort(key=lambda item: item[0])
    yield from found


def tree_stat(root: Path) -> str:
    """Give a digest of the names, sizes and times below a folder: cheap, changes with any write."""
    running = hashlib.sha256()
    for name, info in walk(root):
        running.update(f"{name}\0{info.st_size}\0{info.st_mtime_ns}\0{info.st_mode:o}\n".encode())
    return running.hexdigest()


class DigestIndex:
    """Digests of files by path, kept in one JSON file between runs.

    A damaged index is dropped: it only costs reading the files again.
    """

    def __init__(self, store: Path) -> None:
        """Load what an earlier run knew."""
        self._store = store
        self._entries: dict[str, Any] = {}
        self._changed = False
        with contextlib.suppress(OSError, ValueError):
            loaded = json.loads(store.read_bytes())
            if isinstance(loaded, dict):
                self._entries = loaded

    def file(self, path: Path) -> str:
        """Give a file's sha256, from the index where the file is unchanged. OSError where there is none."""
        info = path.stat()
        name = str(path)
        known = self._entries.get(name)
        key = _stat_key(info)
        if isinstance(known, list) and known[:4] == key and isinstance(known[4], str):
            return known[4]
        value = read_digest(path)
        # Racy: written so recently that a second write could leave the same time.
        if time.time_ns() - info.st_mtime_ns > _RACY_NS and _stat_key(path.stat()) == key:
            self._entries[name] = [*key, value]
            self._changed = True
        return value

    def tree(self, root: Path) -> str:
        """Give a digest of the names, modes, links and bytes below a folder."""
        lines: list[list[str]] = []
        for name, info in walk(root):
            path = root / name
            if stat.S_ISLNK(info.st_mode):
                lines.append([name, "link", str(path.readlink())])
            elif stat.S_ISREG(info.st_mode):
                lines.append([name, "x" if info.st_mode & 0o100 else "-", read_digest(path)])
            else:
                lines.append([name, "other", ""])
        return text_digest(lines)

    def save(self) -> None:
        """Write the index where it changed, dropping files that are gone."""
        if not self._changed:
            return
        alive = {name: entry for name, entry in self._entries.items() if Path(name).exists()}
        atomic_write(self._store, json.dumps(alive).encode())
        self._changed = False


@attrs.frozen
class Text:
    """An input that is a value: a flag, a version, a list."""

    value: object

    def digest(self, index: DigestIndex) -> str:
        """Give the value's digest."""
        del index
        return text_digest(self.value)


@attrs.frozen
class Named:
    """An input that others have already named by hash (a pinned archive, a series, a lock)."""

    sha256: str

    def digest(self, index: DigestIndex) -> str:
        """Give the hash itself."""
        del index
        return self.sha256


@attrs.frozen
class Files:
    """An input that is one or more files, by their bytes and names, not by where they lie."""

    paths: tuple[Path, ...]

    def digest(self, index: DigestIndex) -> str:
        """Give the digest of all; a missing file is an input too, with its own digest."""
        lines = [[path.name, index.file(path) if path.is_file() else "absent"] for path in self.paths]
        return text_digest(lines)


Input = Text | Named | Files


def input_digests(inputs: Mapping[str, Input], index: DigestIndex) -> dict[str, str]:
    """Give each input's digest by its name."""
    return {name: value.digest(index) for name, value in inputs.items()}
