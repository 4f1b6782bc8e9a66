"""The quick validation on the card, as verification of what was installed: with which Python, as whom, how.

`rocm-patch validate` runs in a process of its own. A Python that a user can write is never
run as root, and never as somebody who did not call. Knows nothing of transactions.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs

from rocm_patch import commands
from rocm_patch.apply.rootfs import RootFs
from rocm_patch.detect.model import Report
from rocm_patch.hooks.command import unfit
from rocm_patch.paths import data_root
from rocm_patch.plan.facts import own_torches

#: Seconds for the whole suite, and for a question to a Python.
LIMIT = 1800.0
_ASK = 60.0
_NO_GPU = 91
_KFD = "/dev/kfd"
_SITE = re.compile(r"(/.*)/lib(?:64)?/(python3(?:\.\d+)?)/(?:site|dist)-packages")
#: What the Python is asked before anything is changed: an answer speaks against validating with it.
_QUESTION = """
import importlib.util, os, sys
lacks = [name for name in ("torch", "pytest", "numpy") if importlib.util.find_spec(name) is None]
if lacks:
    print("it has no " + ", ".join(lacks) + ": " + sys.executable + " -m pip install " + " ".join(lacks))
else:
    try:
        os.close(os.open(sys.argv[1], os.O_RDWR))
    except OSError as error:
        print(sys.argv[1] + " is closed to its user now: " + str(error.strerror))
"""


@attrs.frozen
class Runner:
    """A Python with torch, and the user who runs it; None for whoever runs rocm-patch."""

    python: str
    user: str | None = None

    def __str__(self) -> str:
        """Say it for people."""
        return f"{self.python} as {self.user}" if self.user else self.python


def choose(report: Report, caller: str | None) -> Runner | str:
    """Give the one Python that has this project's torch, or why there is none to validate with.

    `report` is detect's, `caller` the person behind sudo.
    """
    pythons = sorted(
        {one for site in {wheel.folder for wheel in own_torches(report)} if (one := python_of(site))}
    )
    if not pythons:
        return "no Python with this project's PyTorch was found (docs/install.md); --python PATH names one"
    if len(pythons) > 1:
        return f"several Pythons have this project's PyTorch, name one: --python {' or '.join(pythons)}"
    runner = runner_for(pythons[0], caller)
    return runner if isinstance(runner, str) else _asked(runner) or runner


def python_of(site: str) -> str | None:
    """Give the program whose packages lie in a folder; for those of a home, the system's Python."""
    match = _SITE.fullmatch(site)
    if match is None:
        return None
    names = (f"{match[1]}/bin/{match[2]}", f"{match[1]}/bin/python3", f"/usr/bin/{match[2]}")
    return next((name for name in names if Path(name).is_file()), None)


def runner_for(python: str, caller: str | None) -> Runner | str:
    """Say as whom a Python is run: as its owner, who must call, unless root alone can write it."""
    if os.geteuid() != 0:
        return Runner(python)
    fs = RootFs(Path("/"))
    try:
        if unfit(fs, python) is None:
            # A person's own packages are seen by that person alone.
            return Runner(python, caller)
    finally:
        fs.close()
    owner = _owner(Path(python))
    if owner is None or owner != caller:
        return f"{python} can be written by {owner or 'others'}, who did not call this; root does not run it"
    return Runner(python, owner)


def _owner(place: Path) -> str | None:
    """Name the user other than root to whom a program, or a folder above it, belongs."""
    for one in (place, *place.parents):
        uid = one.lstat().st_uid
        if uid != 0:
            try:
                return pwd.getpwuid(uid).pw_name
            except KeyError:
                return None
    return None


def _asked(runner: Runner) -> str | None:
    """Ask for what validating needs, so that its lack is not taken for a fault of what was installed."""
    if not (data_root() / "tests" / "gpu").is_dir():
        return "this rocm-patch came without its GPU suite; one from a checkout has it"
    for argv in (
        [sys.executable, "-m", "rocm_patch", "--version"],
        [runner.python, "-c", _QUESTION, _KFD],
    ):
        code, out = _run(argv, runner.user, _ASK)
        if code != 0:
            return f"{argv[0]} does not run{f' as {runner.user}' if runner.user else ''}: {_last(out)}"
        if argv[0] == runner.python and out.strip():
            return f"{runner}: {_last(out)}"
    return None


def quick(runner: Runner) -> list[str]:
    """Run the quick tier with this Python's torch; give what speaks against what was installed."""
    with tempfile.TemporaryDirectory(prefix="rocm-patch-validate-") as folder:
        if runner.user:
            os.chown(folder, pwd.getpwnam(runner.user).pw_uid, -1)
        code, out = _run(_suite(runner.python, folder), runner.user, LIMIT)
    if code == 0:
        return []
    if code is None:
        return [f"the quick validation did not end within {LIMIT:.0f} s, and was ended", *_lines(out)[-5:]]
    what = "torch sees no GPU" if code == _NO_GPU else f"the quick validation ended with {code}"
    return [what, *_lines(out)[-5:]]


def _suite(python: str, folder: str) -> list[str]:
    """Give the words that run the suite."""
    words = ["validate", "--tier", "quick", "--python", python, "--report", folder]
    return [sys.executable, "-m", "rocm_patch", *words]


def _run(argv: Sequence[str], user: str | None, seconds: float) -> tuple[int | None, str]:
    """Run a program as a user, and end all that it started; give its exit status and output.

    None for a status: out of time.
    """
    as_user: dict[str, object] = {}
    environment = dict(os.environ)
    if paths := environment.get("PYTHONPATH"):
        # The program starts elsewhere: nothing is imported from the folder that somebody happens to be in.
        environment["PYTHONPATH"] = os.pathsep.join(
            str(Path(one).absolute()) for one in paths.split(os.pathsep)
        )
    if user and os.geteuid() == 0:
        who = pwd.getpwnam(user)
        as_user = {
            "user": who.pw_uid,
            "group": who.pw_gid,
            # As at the next login: what was joined just now counts.
            "extra_groups": os.getgrouplist(user, who.pw_gid),
        }
        environment |= {"HOME": who.pw_dir, "USER": user, "LOGNAME": user}
        for name in [one for one in environment if one.startswith(("SUDO_", "XDG_", "ROCM_PATCH_"))]:
            del environment[name]
    try:
        with (
            commands.recorded(argv) as entry,
            subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True, env=environment, cwd="/", **as_user,  # type: ignore[call-overload]  # options by name
            ) as process,
        ):  # fmt: skip
            try:
                out, _ = process.communicate(timeout=seconds)
                entry.code = process.returncode
            except BaseException as error:
                # Whatever it started goes too: a worker that hangs on the card would hold the pipe open.
                os.killpg(process.pid, signal.SIGKILL)
                out, _ = process.communicate()
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
            text = bytes(out).decode("utf-8", "replace")
            for line in _lines(text)[-20:]:
                entry.line(line)
    except OSError as error:
        return 127, str(error)
    return entry.code, text


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _last(text: str) -> str:
    return (_lines(text) or ["it said nothing"])[-1][:300]
