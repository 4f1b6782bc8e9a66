"""Run one command in namespaces of its own: a small stand-in for bubblewrap.

Used where bwrap is absent or not let in, where a root must be made by an ordinary
user (`--map-auto`: many ids through newuidmap), and for a writable view over an
overlay. Reads the part of bwrap's options that `mounts.py` writes.

This file is started as a program (`python -I nsexec.py OPTIONS -- COMMAND`), so it
uses the standard library alone and knows nothing of the rest of the package.

Processes: the caller's child P; C, which enters the namespaces; G, process 1 of
the new pid namespace, which builds the root, starts the command and reaps. Each
dies when the one above dies; with G dies everything inside.
Exit code: the command's, 128 + N after signal N, 125 when this program failed.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

FAILED = 125

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    16384,
    1 << 18,
)
#: statvfs flag -> mount flag: those that a user namespace may not drop on a remount.
KEPT = {2: MS_NOSUID, 4: MS_NODEV, 8: MS_NOEXEC, 1024: 1024, 2048: 2048, 4096: 1 << 21}
PR_SET_PDEATHSIG = 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
#: Passed on to the command. SIGINT and SIGQUIT come from the terminal to all at once.
FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

#: option -> number of its values. The first group is always done, so only skipped.
OPTIONS = {
    "--die-with-parent": 0,
    "--unshare-pid": 0,
    "--unshare-ipc": 0,
    "--unshare-uts": 0,
    "--unshare-user": 0,
    "--uid": 1,
    "--gid": 1,
    "--unshare-net": 0,
    "--clearenv": 0,
    "--setenv": 2,
    "--chdir": 1,
    "--ro-bind": 2,
    "--bind": 2,
    "--dev-bind": 2,
    "--symlink": 2,
    "--dir": 1,
    "--tmpfs": 1,
    "--dev": 1,
    "--proc": 1,
    "--remount-ro": 1,
    "--overlay-root": 3,
    "--as-is": 0,
    "--map-auto": 0,
}
BINDS = ("--ro-bind", "--bind", "--dev-bind")

libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    """Turn a libc failure into an OSError that says what was tried."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Call mount(2)."""
    result = libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode() or None
    )
    _check(result, f"mount {kind or 'bind'} {source} on {target}")


def _die_with_parent(parent: int) -> None:
    """Ask for SIGKILL when the parent ends; end now if it already has.

    `parent` is its pid as seen before the fork, 0 where a pid namespace hides it.
    """
    _check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if parent and os.getppid() != parent:
        os._exit(FAILED)


def parse(arguments: list[str]) -> tuple[list[list[str]], list[str]]:
    """Split OPTIONS -- COMMAND; each option becomes a list of its name and values."""
    operations: list[list[str]] = []
    at = 0
    while at < len(arguments) and arguments[at] != "--":
        count = OPTIONS.get(arguments[at])
        if count is None or at + count >= len(arguments):
            raise ValueError(f"unknown or cut-off option {arguments[at]!r}")
        operations.append(arguments[at : at + count + 1])
        at += count + 1
    command = arguments[at + 1 :]
    if not command:
        raise ValueError("no command after --")
    return operations, command


def _wait(pid: int) -> int:
    """Wait for one child, passing signals on to it; give the exit code a shell would give."""

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        os.kill(pid, number)

    for number in FORWARDED:
        signal.signal(number, forward)
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    while True:
        ended, status = os.wait()  # as process 1 this also reaps orphans
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _reset_signals() -> None:
    """Give the command the signal handling that a fresh process has."""
    for number in (*FORWARDED, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def _id_ranges(file: str) -> list[str]:
    """Give newuidmap's words: id 0 is the user, 1.. come from the user's range in `file`."""
    user = pwd.getpwuid(os.getuid()).pw_name
    own = os.getuid() if file.endswith("uid") else os.getgid()
    with open(file, encoding="utf-8") as lines:  # noqa: PTH123  pathlib costs start-up time here
        for line in lines:
            name, _, rest = line.strip().partition(":")
            if name in (user, str(os.getuid())) and rest.count(":") == 1:
                start, count = rest.split(":")
                return ["0", str(own), "1", "1", start, count]
    raise OSError(f"{file} gives {user} no range of ids")


def _map_ids(pid: int, *, many: bool) -> None:
    """Write the id maps of a process that has just entered a user namespace."""
    if many:
        for tool, file in (("newuidmap", "/etc/subuid"), ("newgidmap", "/etc/subgid")):
            subprocess.run([tool, str(pid), *_id_ranges(file)], check=True)
        return
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {os.getuid()} 1"),
        ("gid_map", f"0 {os.getgid()} 1"),
    ):
        with open(f"/proc/{pid}/{name}", "w", encoding="utf-8") as written:  # noqa: PTH123  as above
            written.write(text)


def _loopback_up() -> None:
    """Bring up lo in the fresh network namespace: tests talk to 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(link, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(link, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def _read_only(target: str) -> None:
    """Make an existing mount read-only, keeping the flags that may not be dropped."""
    held = os.statvfs(target).f_flag
    flags = MS_REMOUNT | MS_BIND | MS_RDONLY
    for seen, kept in KEPT.items():
        flags |= kept if held & seen else 0
    _mount("none", target, "", flags)


def _mount_point(path: str, *, folder: bool) -> None:
    """Make the place that something will be mounted on, if it is not there."""
    if os.path.lexists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103,PTH120  as above
    if folder:
        os.mkdir(path)  # noqa: PTH102  as above
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def _bind(source_fd: int, target: str, *, read_only: bool) -> None:
    """Bind what `source_fd` holds open; the path itself may be hidden by mounts made meanwhile."""
    source = f"/proc/self/fd/{source_fd}"
    _mount_point(target, folder=os.path.isdir(source))  # noqa: PTH112  as above
    _mount(source, target, "", MS_BIND | MS_REC)
    if read_only:
        _read_only(target)


def _devices(target: str, held: dict[str, int]) -> None:
    """Fill /dev with the harmless nodes of the host, own ptys and own shared memory."""
    _mount_point(target, folder=True)
    _mount("tmpfs", target, "tmpfs", MS_NOSUID, "mode=755")
    for name, fd in held.items():
        _bind(fd, f"{target}/{name}", read_only=False)
    for name in ("pts", "shm"):
        os.mkdir(f"{target}/{name}")  # noqa: PTH102  as above
    _mount("devpts", f"{target}/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    _mount("tmpfs", f"{target}/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, to in links.items():
        os.symlink(to, f"{target}/{name}")  # noqa: PTH211  as above


def _fill(operation: list[str], target: str) -> None:
    """Carry out one of the operations that need nothing of the host; others are not for here."""
    name = operation[0]
    if name == "--symlink" and not os.path.lexists(target):
        os.symlink(operation[1], target)  # noqa: PTH211  pathlib costs start-up time here
    elif name in ("--dir", "--tmpfs", "--proc"):
        _mount_point(target, folder=True)
    if name == "--tmpfs":
        mode = "1777" if operation[1] == "/tmp" else "755"  # noqa: S108  a word compared, no file made
        _mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode}")
    elif name == "--proc":
        _mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    elif name == "--remount-ro":
        _read_only(target.rstrip("/"))


def _build_root(operations: list[list[str]]) -> None:
    """Carry out the mounts in their order under a new root, then step into it."""
    opened = [os.open(operation[1], os.O_PATH) if operation[0] in BINDS else -1 for operation in operations]
    held = {name: os.open(f"/dev/{name}", os.O_PATH) for name in DEVICES if os.path.exists(f"/dev/{name}")}  # noqa: PTH110  as above
    overlay = next((one for one in operations if one[0] == "--overlay-root"), None)
    if overlay is None:
        new = "/mnt" if os.path.isdir("/mnt") else "/tmp"  # noqa: S108,PTH112  covered by a private tmpfs
        _mount("tmpfs", new, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    else:
        new = _overlay(*overlay[1:])
    for operation, fd in zip(operations, opened, strict=True):
        target = new + operation[-1] if len(operation) > 1 else new
        if operation[0] in BINDS:
            _bind(fd, target, read_only=operation[0] == "--ro-bind")
        elif operation[0] == "--dev":
            _devices(target, held)
        else:
            _fill(operation, target)
    for fd in (*opened, *held.values()):
        if fd >= 0:
            os.close(fd)
    os.chroot(new)
    os.chdir("/")


def _overlay(lower: str, upper: str, work: str) -> str:
    """Mount a writable view of `lower`; changes go to `upper`. Gives the mounted folder."""
    target = "/mnt" if os.path.isdir("/mnt") else "/tmp"  # noqa: S108,PTH112  covered by a private mount
    data = f"lowerdir={lower},upperdir={upper},workdir={work}"
    try:
        _mount("overlay", target, "overlay", 0, data)
    except OSError:
        _mount("overlay", target, "overlay", 0, f"{data},userxattr")  # an ordinary user's kind
    return target


def _inside(operations: list[list[str]], command: list[str]) -> int:
    """Be process 1 of the new pid namespace: set the scene, start the command, reap."""
    _die_with_parent(0)
    names = [operation[0] for operation in operations]
    _mount("none", "/", "", MS_REC | MS_PRIVATE)
    if "--unshare-net" in names:
        _loopback_up()
    if "--as-is" in names:
        _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    else:
        _build_root(operations)
    environment = {} if "--clearenv" in names else dict(os.environ)
    for operation in operations:
        if operation[0] == "--setenv":
            environment[operation[1]] = operation[2]
        elif operation[0] == "--chdir":
            os.chdir(operation[1])
    child = os.fork()
    if child == 0:
        _reset_signals()
        try:
            os.execvpe(command[0], command, environment)  # noqa: S606  there is no shell by intent
        except OSError as error:
            _fail(f"{command[0]}: {error.strerror}", 127)
    return _wait(child)


def _enter(operations: list[list[str]], command: list[str], ready: int, mapped: int, parent: int) -> int:
    """Be C: enter the namespaces, have the ids mapped, start process 1."""
    _die_with_parent(parent)
    names = [operation[0] for operation in operations]
    flags = NEWNS | NEWPID | NEWIPC | NEWUTS
    if "--unshare-net" in names:
        flags |= NEWNET
    if os.geteuid() != 0:
        flags |= NEWUSER
    _check(libc.unshare(ctypes.c_int(flags)), "unshare")
    os.write(ready, b"r")
    if not os.read(mapped, 1):
        return FAILED
    if flags & NEWUSER:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        _die_with_parent(0)  # a change of ids clears it
    first = os.fork()
    if first == 0:
        _run(lambda: _inside(operations, command))
    return _wait(first)


def _fail(text: str, code: int = FAILED) -> NoReturn:
    """Say why and end this process at once."""
    sys.stderr.write(f"nsexec: {text}\n")
    sys.stderr.flush()
    os._exit(code)


def _run(part: Callable[[], int]) -> NoReturn:
    """Run one process's part and end with its code; a failure is said in one line."""
    try:
        code = part()
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        _fail(str(error))
    sys.stdout.flush()
    os._exit(code)


def main(arguments: list[str]) -> int:
    """Be P: start C, map its ids from outside, wait for it."""
    operations, command = parse(arguments)
    _die_with_parent(0)
    ready_read, ready_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    own = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(ready_read)
        os.close(mapped_write)
        _run(lambda: _enter(operations, command, ready_write, mapped_read, own))
    os.close(ready_write)
    os.close(mapped_read)
    if os.read(ready_read, 1):
        if os.geteuid() != 0:
            _map_ids(child, many=["--map-auto"] in operations)
        os.write(mapped_write, b"m")
    os.close(mapped_write)
    return _wait(child)


if __name__ == "__main__":
    _run(lambda: main(sys.argv[1:]))
