"""What was at a path, kept so that it can be put back byte for byte: mode, owner, date and attributes too.

Contents lie in the transaction's own folder, by their hash. Knows nothing of why a path is touched.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from typing import Any, Literal

import attrs

from rocm_patch.apply.rootfs import Meta, RootFs, above
from rocm_patch.errors import CheckError, StateFolderError, UndoError

Kind = Literal["absent", "file", "folder", "link"]
_CHUNK = 1 << 20
_KINDS = frozenset({"absent", "file", "folder", "link"})


@attrs.frozen
class Entry:
    """The state of one path."""

    path: str
    kind: Kind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    target: str = ""
    xattrs: dict[str, str] = attrs.field(factory=dict)

    def same_as(self, other: Entry) -> bool:
        """Compare what matters to a user of the file: all but the date.

        A folder's date and a link's mode do not count.
        """
        mine, theirs = (attrs.evolve(one, mtime_ns=0, path="") for one in (self, other))
        if self.kind == other.kind == "folder":
            mine, theirs = (attrs.evolve(one, xattrs={}) for one in (mine, theirs))
        return mine == theirs

    def to_json(self) -> dict[str, Any]:
        """Give plain data, without what is empty."""
        return {key: value for key, value in attrs.asdict(self).items() if value or key in {"path", "kind"}}

    @staticmethod
    def from_json(data: Any) -> Entry:
        """Read plain data. StateFolderError if it is none of ours."""
        try:
            entry = Entry(**data)
            whole = all(isinstance(one, int) for one in (entry.mode, entry.uid, entry.gid, entry.mtime_ns))
            texts = all(
                isinstance(one, str)
                for one in (entry.path, entry.sha256, entry.target, *entry.xattrs, *entry.xattrs.values())
            )
        except (TypeError, AttributeError) as error:
            raise StateFolderError(
                "the journal is damaged", cause="an entry is not of its form", step=REPAIR
            ) from error
        hexes = re.fullmatch(r"([0-9a-f]{64})?", entry.sha256) is not None if texts else False
        if entry.kind not in _KINDS or not whole or not texts or not hexes or not entry.path.startswith("/"):
            raise StateFolderError("the journal is damaged", cause="an entry is not of its form", step=REPAIR)
        return entry


REPAIR = "keep /var/lib/rocm-patch for a report; what was changed is listed in its snapshots"


def look(fs: RootFs, path: str, *, hashed: bool = True) -> Entry:
    """Describe what is at a path now."""
    status = fs.status(path)
    if status is None:
        return Entry(path, "absent")
    common: dict[str, Any] = {
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime_ns": status.st_mtime_ns,
    }
    if stat.S_ISLNK(status.st_mode):
        return Entry(path, "link", target=fs.readlink(path), uid=status.st_uid, gid=status.st_gid)
    if stat.S_ISDIR(status.st_mode):
        return Entry(path, "folder", **common)
    if not stat.S_ISREG(status.st_mode):
        raise CheckError(
            f"{path} is a device, a pipe or a socket",
            cause="rocm-patch changes regular files only",
            step="leave this item out: --exclude",
        )
    with fs.open(path) as handle:
        digest = _hash(_chunks(handle)) if hashed else ""
        return Entry(path, "file", sha256=digest, xattrs=_xattrs(handle), **common)


def take(fs: RootFs, path: str, store: Store) -> list[Entry]:
    """Keep what is at a path; folders above it that are absent come first, for they will have to go."""
    entries = [Entry(one, "absent") for one in above(path) if fs.status(one) is None]
    entry = look(fs, path)
    if entry.kind == "file" and not store.has(entry.sha256):
        with fs.open(path) as handle:
            store.put(entry.sha256, _chunks(handle))
    return [*entries, entry]


def put_back(fs: RootFs, entry: Entry, store: Store) -> None:
    """Have at the path what was there. What is as it was is not touched."""
    now = look(fs, entry.path)
    if now.same_as(entry) and (entry.kind != "file" or now.mtime_ns == entry.mtime_ns):
        if entry.kind in {"file", "absent"}:
            # A fresh file that a kill left beside it.
            fs.tidy(entry.path)
        return
    if entry.kind == "absent":
        fs.remove(entry.path)
        return
    if now.kind == "folder" and entry.kind != "folder":
        fs.remove(entry.path)
    if entry.kind == "folder":
        if now.kind in {"file", "link"}:
            fs.remove(entry.path)
        fs.make_folder(entry.path, entry.mode, entry.uid, entry.gid)
    elif entry.kind == "link":
        fs.symlink(entry.path, entry.target, uid=entry.uid, gid=entry.gid)
    else:
        missing = [one for one in above(entry.path) if fs.status(one) is None]
        if missing:
            fs.make_folder(missing[-1])
        attributes = {key: decoded(value) for key, value in entry.xattrs.items()}
        fs.write(
            entry.path,
            store.get(entry.sha256),
            Meta(entry.mode, entry.uid, entry.gid, entry.mtime_ns, attributes),
        )


class Store:
    """Contents by hash, in one folder of the state folder."""

    def __init__(self, fs: RootFs, folder: str) -> None:
        """`folder` is below the same root; it is made when something is kept."""
        self.fs = fs
        self.folder = folder

    def has(self, digest: str) -> bool:
        """Say whether these contents are kept already."""
        return self.fs.status(f"{self.folder}/{digest}") is not None

    def put(self, digest: str, chunks: Iterator[bytes]) -> None:
        """Keep contents; they are on the disk when this returns."""
        self.fs.make_folder(self.folder, 0o700)
        self.fs.write(f"{self.folder}/{digest}", chunks, Meta(0o600, os.geteuid(), os.getegid()))

    def get(self, digest: str) -> Iterator[bytes]:
        """Give contents. UndoError if they are absent or not what their name says."""
        path = f"{self.folder}/{digest}"
        broken = UndoError(
            f"the snapshot {path} cannot be used", cause="it is absent or damaged", step=REPAIR
        )
        try:
            with self.fs.open(path) as handle:
                if _hash(_chunks(handle)) != digest:
                    raise broken
                os.lseek(handle, 0, os.SEEK_SET)
                yield from _chunks(handle)
        except FileNotFoundError as error:
            raise broken from error

    def drop(self) -> None:
        """Forget everything kept here."""
        for name in self.fs.names(self.folder):
            self.fs.remove(f"{self.folder}/{name}")
        self.fs.remove(self.folder)


def _chunks(handle: int) -> Iterator[bytes]:
    while chunk := os.read(handle, _CHUNK):
        yield chunk


def _hash(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _xattrs(handle: int) -> dict[str, str]:
    try:
        return {
            name: base64.b64encode(os.getxattr(handle, name)).decode("ascii")
            for name in sorted(os.listxattr(handle))
        }
    except OSError:
        return {}


def decoded(text: str) -> bytes:
    """Read an attribute's value as it is kept."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise StateFolderError(
            "the journal is damaged", cause="an attribute is not of its form", step=REPAIR
        ) from error
