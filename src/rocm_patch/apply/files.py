"""Actions that come down to the contents of a few files.

What each path shall hold is worked out from what it holds.
Group membership is written here and not by usermod, since usermod knows no other root on all
systems that are meant, and leaves copies that could not be put back byte for byte; the lock
that all such tools share (/etc/.pwd.lock) is held meanwhile.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from rocm_patch.apply.context import Context
from rocm_patch.apply.rootfs import Meta, RootFs
from rocm_patch.apply.snapshot import Entry, Store, decoded, look, put_back, take
from rocm_patch.errors import ApplyError, BusyError, ChangedSinceError, CheckError
from rocm_patch.hooks.command import command_for
from rocm_patch.hooks.files import hook_files
from rocm_patch.plan.actions import DropLines, Hook, JoinGroup, RemoveFile, UnsetVariable, WriteFile

FileAction = WriteFile | RemoveFile | DropLines | UnsetVariable | JoinGroup | Hook
_GROUP_FILES = ("/etc/group", "/etc/gshadow")
_LOCK_SECONDS = 15.0
_KINDS = {"link": "symbolic link", "folder": "folder"}


@attrs.frozen
class Change:
    """What a path shall hold: bytes, or nothing."""

    path: str
    content: bytes | None
    #: For a file that is new; one that is there keeps its own properties, unless `own`.
    mode: int = 0o644
    #: The file is ours alone: root's, with exactly this mode.
    own: bool = False


class FileHandler:
    """Does and undoes a file action."""

    def __init__(self, action: FileAction, ctx: Context) -> None:
        """Take an action whose names were checked when the plan was read."""
        self.action = action
        self.ctx = ctx

    def changes(self) -> list[Change]:
        """Work out what has to change now; nothing if all is so already."""
        return [one for one in _changes(self.action, self.ctx) if not self._holds(one)]

    def _holds(self, change: Change) -> bool:
        now = look(self.ctx.fs, change.path)
        if change.content is None:
            return now.kind == "absent"
        same = now.kind == "file" and now.sha256 == hashlib.sha256(change.content).hexdigest()
        return same and (not change.own or now.mode == change.mode)

    def check(self) -> list[str]:
        """Say what speaks against it, before anything is touched."""
        found = []
        for change in self.changes():
            status = self.ctx.fs.status(change.path)
            if status is not None and status.st_nlink > 1:
                found.append(
                    f"{change.path} has {status.st_nlink} names (hard links); replacing it would part them"
                )
            now = look(self.ctx.fs, change.path)
            if now.kind in {"link", "folder"}:
                found.append(f"{change.path} is a {_KINDS[now.kind]}, and not a file")
        return found

    def paths(self) -> list[str]:
        """Name what is touched."""
        return [one.path for one in self.changes()]

    def room(self) -> int:
        """Say how many bytes are written at most."""
        return sum(len(one.content or b"") + self._size(one.path) for one in self.changes())

    def _size(self, path: str) -> int:
        status = self.ctx.fs.status(path)
        return 0 if status is None else status.st_size

    def prepare(self) -> dict[str, object]:
        """Keep what will be touched."""
        with _group_lock(self.action, self.ctx.fs):
            changes = self.changes()
            entries = [entry for one in changes for entry in take(self.ctx.fs, one.path, self.ctx.store)]
        seen: dict[str, Entry] = {entry.path: entry for entry in reversed(entries)}
        ordered = [entry for entry in entries if seen.pop(entry.path, None) is not None]
        return {"entries": [entry.to_json() for entry in ordered], "joined": self._joined()}

    def _joined(self) -> list[str]:
        """Name the groups that the user is not in yet."""
        if not isinstance(self.action, JoinGroup):
            return []
        groups = _members(self.ctx.fs.read("/etc/group") or b"")
        user = _user(self.action, self.ctx)
        return [name for name in self.action.groups if user not in groups.get(name, [])]

    def do(self, before: dict[str, object]) -> dict[str, object]:
        """Change the files, and say what they are afterwards."""
        kept = {Entry.from_json(one).path for one in items(before, "entries")}
        touched = []
        with _group_lock(self.action, self.ctx.fs):
            for change in self.changes():
                if change.path not in kept:
                    raise ApplyError(
                        f"{change.path} changed while rocm-patch began",
                        cause="another program wrote it just now",
                        step="call rocm-patch again",
                    )
                touched.append(change.path)
                self._put(change)
        return {"states": [look(self.ctx.fs, path).to_json() for path in touched]}

    def _put(self, change: Change) -> None:
        fs = self.ctx.fs
        if change.content is None:
            fs.remove(change.path)
            return
        folder = change.path.rpartition("/")[0]
        if fs.status(folder) is None:
            fs.make_folder(folder)
        now = look(fs, change.path)
        meta = Meta(change.mode, os.geteuid(), os.getegid())
        if now.kind == "file" and not change.own:
            meta = Meta(
                now.mode, now.uid, now.gid, None, {key: decoded(value) for key, value in now.xattrs.items()}
            )
        fs.write(change.path, iter([change.content]), meta)

    def undo(self, before: dict[str, object], after: dict[str, object], *, later: bool, force: bool) -> None:
        """Put back what was there.

        `later`: others may have changed it since, and are not run over without `force`.
        """
        entries = [Entry.from_json(one) for one in items(before, "entries")]
        states = {one.path: one for one in (Entry.from_json(data) for data in items(after, "states"))}
        with _group_lock(self.action, self.ctx.fs):
            changed = [
                path for path, state in states.items() if later and not look(self.ctx.fs, path).same_as(state)
            ]
            # What is as it was before is what an undoing that was cut off had done already.
            really = [path for path in changed if not _as_before(self.ctx.fs, path, entries)]
            if really and isinstance(self.action, JoinGroup):
                self._leave([str(one) for one in items(before, "joined")])
                return
            if really and not force:
                raise ChangedSinceError(
                    f"{', '.join(really)} was changed since rocm-patch changed it",
                    cause="putting the old contents back would lose that change",
                    step="take the change back by hand, or give --force",
                )
            for path in really:
                take(self.ctx.fs, path, self.ctx.store)
            for entry in reversed(entries):
                put_back(self.ctx.fs, entry, self.ctx.store)

    def _leave(self, groups: list[str]) -> None:
        """Take the user out of groups again, in a file that others have changed meanwhile."""
        if not isinstance(self.action, JoinGroup):
            return
        user = _user(self.action, self.ctx)
        for path in _GROUP_FILES:
            data = self.ctx.fs.read(path)
            if data is not None:
                fresh = _with_members(data, groups, lambda members: [one for one in members if one != user])
                if fresh != data:
                    self._put(Change(path, fresh))

    def verify(self, after: dict[str, object], superseded: frozenset[str] = frozenset()) -> list[str]:
        """Say what is no longer as it was left; paths that a later step changed again are its business."""
        found = []
        for data in items(after, "states"):
            state = Entry.from_json(data)
            if isinstance(self.action, JoinGroup) or state.path in superseded:
                continue
            now = look(self.ctx.fs, state.path)
            if not now.same_as(state):
                found.append(f"{state.path} is not as it was left: {_difference(state, now)}")
        if isinstance(self.action, JoinGroup) and self._joined():
            found.append(f"{_user(self.action, self.ctx)} is no longer in {', '.join(self._joined())}")
        return found


def _as_before(fs: RootFs, path: str, entries: list[Entry]) -> bool:
    return any(entry.path == path and look(fs, path).same_as(entry) for entry in entries)


def _difference(state: Entry, now: Entry) -> str:
    if state.kind != now.kind:
        return f"it was a {state.kind} and is {now.kind}"
    return "other contents" if state.sha256 != now.sha256 else "other owner, mode or attributes"


def items(data: dict[str, object], key: str) -> list[object]:
    """Give a list that a step kept; an empty one where there is none."""
    value = data.get(key, [])
    return value if isinstance(value, list) else []


def _changes(action: FileAction, ctx: Context) -> Iterator[Change]:
    match action:
        case WriteFile():
            yield Change(action.path, action.content.encode(), int(action.mode, 8), own=True)
        case RemoveFile():
            yield Change(action.path, None)
        case DropLines():
            for path in dict.fromkeys(action.files):
                yield from _without(
                    ctx.fs, path, lambda line: line.split()[: len(action.words)] == action.words
                )
        case UnsetVariable():
            setting = re.compile(rf"[ \t]*(?:export[ \t]+)?{action.name}=")
            for path in dict.fromkeys(action.files):
                yield from _without(ctx.fs, path, lambda line: setting.match(line) is not None)
        case JoinGroup():
            yield from _join(action, ctx)
        case Hook():
            for path, content, mode in hook_files(
                ctx.fs, action.manager, command_for(ctx.fs, action.command)
            ):
                yield Change(path, content, mode, own=True)


def _without(fs: RootFs, path: str, unwanted: Callable[[str], bool]) -> Iterator[Change]:
    data = fs.read(path)
    if data is not None:
        lines = data.splitlines(keepends=True)
        kept = [line for line in lines if not unwanted(line.decode("utf-8", "surrogateescape"))]
        if kept != lines:
            yield Change(path, b"".join(kept))


def _join(action: JoinGroup, ctx: Context) -> Iterator[Change]:
    user = _user(action, ctx)
    data = ctx.fs.read("/etc/group")
    if data is None:
        raise CheckError(
            "/etc/group is absent", cause="there are no groups to join", step="name the right root: --root"
        )
    passwd = (ctx.fs.read("/etc/passwd") or b"").decode("utf-8", "replace")
    if not any(line.partition(":")[0] == user for line in passwd.splitlines()):
        raise CheckError(
            f"there is no user {user} in /etc/passwd",
            cause="only the machine's own accounts can be put into groups here",
            step="give the person's name: --user NAME",
        )
    missing = [name for name in action.groups if name not in _members(data)]
    if missing:
        raise CheckError(
            f"there is no group {', '.join(missing)}",
            cause="the system's packages of devices (udev) make it",
            step=f"sudo groupadd --system {missing[0]}",
        )
    for path in _GROUP_FILES:
        data = ctx.fs.read(path)
        if data is not None:
            fresh = _with_members(
                data, action.groups, lambda members: [*members, user] if user not in members else members
            )
            if fresh != data:
                yield Change(path, fresh)


def _user(action: JoinGroup, ctx: Context) -> str:
    name = ctx.user if action.user == "@caller" else action.user
    if not name or not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", name):
        raise CheckError(
            "nobody to put into the groups",
            cause="the plan means who calls, and that is root",
            step="run it through sudo, or give --user NAME",
        )
    return name


def _members(data: bytes) -> dict[str, list[str]]:
    found = {}
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        fields = line.split(":")
        if len(fields) == 4:  # noqa: PLR2004  # name, password, number, members
            found[fields[0]] = [one for one in fields[3].split(",") if one]
    return found


def _with_members(data: bytes, groups: list[str], new: Callable[[list[str]], list[str]]) -> bytes:
    """Change the last field of these groups' lines, and no other byte."""
    lines = data.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    for number, line in enumerate(lines):
        body = line.rstrip("\n")
        head, sign, members = body.rpartition(":")
        if sign and body.partition(":")[0] in groups:
            lines[number] = (
                f"{head}:{','.join(new([one for one in members.split(',') if one]))}{line[len(body) :]}"
            )
    return "".join(lines).encode("utf-8", "surrogateescape")


@contextmanager
def _group_lock(action: FileAction, fs: RootFs) -> Iterator[None]:
    """Hold the lock of passwd's tools while group files change."""
    if not isinstance(action, JoinGroup) or fs.status("/etc/.pwd.lock") is None:
        # A system whose tools ever ran has the file; it is not made, so that it need not be unmade.
        yield
        return
    with fs.folder("/etc") as folder:
        handle = os.open(".pwd.lock", os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= end:
                    raise BusyError(
                        "the users' files are locked",
                        cause="another program holds /etc/.pwd.lock",
                        step="wait for its end",
                    ) from error
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)


__all__ = ["ApplyError", "Change", "FileHandler", "Store"]
