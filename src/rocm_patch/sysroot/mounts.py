"""What a command inside the sysroot sees: the mounts, as one argument list.

The list is bubblewrap's own language (`--ro-bind`, `--tmpfs`, ...); bwrap and
this package's `nsexec.py` both read it, so that the two ways in show the same
tree. Knows nothing of which of the two is used, nor how a root is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

import attrs

from rocm_patch.errors import SysrootError, UsageError

Mode = Literal["rw", "ro", "dev"]

#: Folders of the root's top level that the kernel or the entering side fills.
_LIVE = frozenset({"dev", "proc", "sys", "tmp", "run"})
#: Empty folders of a fresh Debian root: shown as fresh ones, so that binds below them work.
HOLLOW = frozenset({"boot", "home", "media", "mnt", "opt", "srv"})
#: Folders that make a root a Debian root; the rest of the top level may be anything.
_NEEDED = frozenset({"etc", "usr", "var"})
#: Variables of the caller that reach the inside; everything else is dropped.
PASSED = ("SOURCE_DATE_EPOCH", "TERM")
#: What every command inside finds in its environment.
BASE_ENV = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": "/tmp",  # noqa: S108  the inside's own tmpfs: the one folder that is always writable
    "LC_ALL": "C.UTF-8",
}


@attrs.frozen
class Bind:
    """A folder or file of the host that the inside sees at `target`.

    Mode `dev` lets device nodes work there (/dev/kfd, /dev/dri); it is writable.
    """

    source: Path
    target: str
    mode: Mode = "rw"

    @classmethod
    def parse(cls, text: str) -> Bind:
        """Read SRC:DST[:ro|:rw|:dev]; UsageError for anything else."""
        parts = text.split(":")
        mode: Mode = "rw"
        if parts[-1] in ("ro", "rw", "dev") and len(parts) > 1:
            mode = parts.pop()  # type: ignore[assignment]  # the three words are the type's
        if len(parts) != 2 or not all(parts):  # noqa: PLR2004  source and target
            raise UsageError(f"not a bind: {text!r}", step="write SRC:DST, SRC:DST:ro or SRC:DST:dev")
        return cls(source=Path(parts[0]).expanduser(), target=parts[1], mode=mode)


def root_arguments(root: Path, *, skip: Iterable[str] = (), hollow: Collection[str] = HOLLOW) -> list[str]:
    """Give the mounts that show `root` read-only at /, with its own /dev, /proc, /run and /tmp.

    The new / is a tmpfs that holds one mount for each entry of the root's top
    level: so a bind may have any new top-level name without the root being
    touched. `skip` names top-level entries that a bind replaces, `hollow` those that
    are shown empty.
    """
    names = {entry.name: entry for entry in root.iterdir()} if root.is_dir() else {}
    missing = sorted(_NEEDED - names.keys())
    if missing:
        raise SysrootError(
            f"{root} is not a Debian root",
            cause=f"it has no {', '.join(missing)}",
            step="make the sysroot with: rocm-patch sysroot create",
        )
    left_out = set(skip)
    arguments: list[str] = []
    for name in sorted(names.keys() - _LIVE - left_out):
        entry = names[name]
        if entry.is_symlink():
            arguments += ["--symlink", str(entry.readlink()), f"/{name}"]
        elif name in hollow:
            arguments += ["--dir", f"/{name}"]
        elif entry.is_dir():
            arguments += ["--ro-bind", str(entry), f"/{name}"]
    arguments += ["--dev", "/dev", "--proc", "/proc", "--dir", "/sys"]
    return [*arguments, "--tmpfs", "/run", "--tmpfs", "/tmp"]  # noqa: S108  the inside's own


def bind_arguments(root: Path, binds: Sequence[Bind], *, hollow: Collection[str] = HOLLOW) -> list[str]:
    """Give the mounts of the caller's binds, shallow targets first.

    UsageError where a source is absent, a target is not absolute, or a target lies
    in a read-only folder of the root in which no mount point can be made.
    """
    arguments: list[str] = []
    targets = [PurePosixPath(bind.target) for bind in binds]
    for bind in sorted(binds, key=lambda one: (one.target.count("/"), one.target)):
        target = PurePosixPath(bind.target)
        if not target.is_absolute() or ".." in target.parts or target == PurePosixPath("/"):
            raise UsageError(f"the bind's target {bind.target!r} is not an absolute path inside the sysroot")
        if not bind.source.exists():
            raise UsageError(
                f"the bind's source {bind.source} does not exist",
                step="make the folder first, or correct the path",
            )
        inside_other = any(other in target.parents for other in targets)
        if not inside_other and not _can_mount(root, target, hollow):
            raise UsageError(
                f"nothing can be mounted at {target}: the sysroot's own folders are read-only",
                cause=f"{target} does not exist in {root}",
                step="bind to a new top-level folder, or below /opt, /mnt, /srv, /home, /run or /tmp",
            )
        option = {"rw": "--bind", "ro": "--ro-bind", "dev": "--dev-bind"}[bind.mode]
        arguments += [option, str(bind.source.resolve()), str(target)]
    return arguments


def _can_mount(root: Path, target: PurePosixPath, hollow: Collection[str]) -> bool:
    """Say whether the mount point exists already or can be made in a fresh folder."""
    top = target.parts[1]
    if len(target.parts) == 2 or top in hollow or top in _LIVE:  # noqa: PLR2004  "/" and one name
        return True
    if not (root / top).exists():
        return True
    return (root / target.relative_to("/")).exists()


def environment_arguments(env: Mapping[str, str], caller: Mapping[str, str]) -> list[str]:
    """Give the options that set a clean environment: `env` over the base, little of the caller's."""
    merged = {**BASE_ENV, **{key: caller[key] for key in PASSED if key in caller}, **env}
    arguments = ["--clearenv"]
    for key in sorted(merged):
        arguments += ["--setenv", key, merged[key]]
    return arguments


def replaced_top_levels(binds: Iterable[Bind]) -> list[str]:
    """Name the top-level entries that binds cover whole."""
    parts = (PurePosixPath(bind.target).parts for bind in binds)
    return [part[1] for part in parts if len(part) == 2]  # noqa: PLR2004  "/" and one name
