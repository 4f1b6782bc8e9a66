"""What tests of apply share: a description of a whole tree, a small root, runs that are killed at a point."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rocm_patch.apply import engine, points
from rocm_patch.plan.actions import Hook, JoinGroup, RemoveFile, UnsetVariable, WriteFile

#: Our own folder; logs of package managers, which tell what happened; files that are only locks.
OURS = (
    "var/lib/rocm-patch",
    "var/log",
    "var/cache",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/rpm/.rpm.lock",
    "run/zypp.pid",
)
#: SQLite's shared memory beside a database: made anew by whoever opens that.
MEMORY = "-shm"

Tree = dict[str, tuple[Any, ...]]


def describe(root: Path, *, skip: tuple[str, ...] = OURS) -> Tree:
    """Give kind, mode, owner, date (of files), attributes and contents of everything below root."""
    found: Tree = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(folder, name)
            key = str(path.relative_to(root))
            if key.startswith(skip) or key.endswith(MEMORY):
                continue
            status = path.lstat()
            base = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
            if path.is_symlink():
                found[key] = (*base, str(path.readlink()))
            elif path.is_dir():
                found[key] = base
            else:
                marks = tuple((one, os.getxattr(path, one)) for one in sorted(os.listxattr(path)))
                found[key] = (*base, status.st_mtime_ns, marks, path.read_bytes())
    return {key: value for key, value in found.items() if key not in {"var", "var/lib"}}


def make_root(folder: Path) -> Path:
    """Make a small root with the files that the actions below touch, and some beside them."""
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n",
        "etc/group": "root:x:0:\nvideo:x:44:bob\nrender:x:992:\nada:x:1000:\n",
        "etc/gshadow": "root:*::\nvideo:!::bob\nrender:!::\nada:!::\n",
        "etc/environment": 'PATH="/usr/bin"\nHSA_OVERRIDE_GFX_VERSION=10.3.0\nLANG=C\n',
        "etc/profile.d/rocm.sh": "export HSA_OVERRIDE_GFX_VERSION=10.3.0\nexport A=1\n",
        "etc/modprobe.d/old.conf": "options amdgpu runpm=0\n",
        "etc/.pwd.lock": "",
        "usr/bin/rocm-patch": "stands for the program that hooks call\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "usr/bin/rocm-patch").chmod(0o755)
    (folder / "etc/gshadow").chmod(0o640)
    (folder / "etc/modprobe.d/old.conf").chmod(0o600)
    os.utime(folder / "etc/environment", ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    # A file system may have no attributes; the comparison then has none on either side.
    with contextlib.suppress(OSError):
        os.setxattr(folder / "etc/profile.d/rocm.sh", "user.note", b"kept")
    (folder / "var/lib").mkdir(parents=True)
    (folder / "etc/apt/apt.conf.d").mkdir(parents=True)
    return folder


def file_actions() -> list[tuple[str, Any]]:
    """Give actions of every kind that needs no package manager."""
    return [
        ("groups", JoinGroup(kind="join-group", groups=["render", "video"], user="ada")),
        (
            "new",
            WriteFile(kind="write-file", path="/etc/udev/rules.d/70-rocm-patch-kfd.rules", content="rule\n"),
        ),
        (
            "unset",
            UnsetVariable(
                kind="unset-variable",
                name="HSA_OVERRIDE_GFX_VERSION",
                files=["/etc/environment", "/etc/profile.d/rocm.sh"],
            ),
        ),
        (
            "changed",
            WriteFile(
                kind="write-file", path="/etc/modprobe.d/old.conf", content="options amdgpu cwsr_enable=0\n"
            ),
        ),
        ("gone", RemoveFile(kind="remove-file", path="/etc/profile.d/rocm.sh")),
        ("hooks", Hook(kind="hook", manager="apt")),
    ]


def options(root: Path, **more: Any) -> engine.Options:
    empty = root / "var/cache/no-proc"
    return engine.Options(root=root, proc=more.pop("proc", empty), **more)


def apply(root: Path, actions: list[tuple[str, Any]], **more: Any) -> engine.Outcome:
    return engine.run(options(root, **more), "apply", {}, "digest", actions)


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Run `work` in a child that ends as by kill -9 at its point `number`; False if it ended before."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            points.restart()
            os.environ["ROCM_PATCH_KILL_AT"] = str(number)
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the run failed of itself"
    return False


def recover(root: Path) -> list[str]:
    with engine.session(options(root)) as ctx:
        return engine.recover(ctx, options(root))
