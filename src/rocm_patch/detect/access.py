"""Who asks, and which GPU device files that user may open.

On the running machine the kernel answers (it knows of access lists); on another
tree the mode, the owner and the group files do.
"""

from __future__ import annotations

import os
import re

from rocm_patch.detect.model import Access, Device
from rocm_patch.detect.tree import Tree

_FIRST_USER, _LAST_USER = 1000, 60_000
_USER_FIELDS, _GROUP_FIELDS = 4, 4
_DRI = r"(renderD|card)[0-9]{1,4}"


def parse_groups(text: str) -> dict[str, tuple[int, list[str]]]:
    """Read /etc/group: name -> (gid, members)."""
    found = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == _GROUP_FIELDS and _number(fields[2]):
            found[fields[0]] = (int(fields[2]), [one for one in fields[3].strip().split(",") if one])
    return found


def parse_users(text: str) -> dict[str, tuple[int, int]]:
    """Read /etc/passwd: name -> (uid, gid)."""
    found = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= _USER_FIELDS and _number(fields[2]) and _number(fields[3]):
            found[fields[0]] = (int(fields[2]), int(fields[3]))
    return found


def find_access(tree: Tree, user: str | None) -> Access:
    """Give the user's groups and rights. Without a name: who runs this, or the tree's first person."""
    groups = parse_groups(tree.text("/etc/group") or "")
    users = parse_users(tree.text("/etc/passwd") or "")
    # Asked about somebody else on the running machine, the files must answer.
    ask_kernel = tree.live and user is None
    if user is None:
        user = _runner(users) if tree.live else _first(users)
    uid, gid = users.get(user or "", (None, None))
    if ask_kernel:
        uid, ids = os.geteuid(), {os.getegid(), *os.getgroups()}
    else:
        ids = {number for number, members in groups.values() if user in members}
        if gid is not None:
            ids.add(gid)
    names = {number: name for name, (number, _) in groups.items()}
    access = Access(user=user, groups=sorted(names.get(one, str(one)) for one in ids))
    if ask_kernel:
        access.groups_at_next_login = sorted(
            name for name, (number, members) in groups.items() if user in members and number not in ids
        )
    paths = ["/dev/kfd", *(f"/dev/dri/{name}" for name in tree.names("/dev/dri", _DRI))]
    access.devices = [_device(tree, path, uid, ids, names, ask_kernel=ask_kernel) for path in paths]
    return access


def _device(
    tree: Tree, path: str, uid: int | None, ids: set[int], names: dict[int, str], *, ask_kernel: bool
) -> Device:
    owner = tree.owner(path)
    if owner is None:
        return Device(path=path, exists=False)
    device = Device(path=path, exists=True, mode=f"{owner[2]:04o}", group=names.get(owner[1], str(owner[1])))
    if ask_kernel:
        device.usable = os.access(path, os.R_OK | os.W_OK)
    elif uid is not None:
        bits = owner[2] >> 6 if uid == owner[0] else owner[2] >> 3 if owner[1] in ids else owner[2]
        device.usable = uid == 0 or bits & 0o6 == 0o6  # noqa: PLR2004  # read and write
    return device


def _runner(users: dict[str, tuple[int, int]]) -> str:
    own = os.geteuid()
    return next((name for name, (uid, _) in users.items() if uid == own), str(own))


def _first(users: dict[str, tuple[int, int]]) -> str | None:
    people = [(uid, name) for name, (uid, _) in users.items() if _FIRST_USER <= uid < _LAST_USER]
    if people:
        return min(people)[1]
    return "root" if "root" in users else None


def _number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,10}", text) is not None and text.isascii()
