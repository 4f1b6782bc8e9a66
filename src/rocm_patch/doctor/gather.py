"""Gathers what doctor looks at: detect's report and the texts that lie on the machine.

Standard library only, and no rocm_patch module that needs more: this part also runs on other
machines, sent there as it is (rocm_patch.fleet). Judges nothing.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field

from rocm_patch import commands
from rocm_patch.detect.machine import examine
from rocm_patch.detect.model import Report
from rocm_patch.detect.place import Place

#: Bytes of one text; the end is kept, where the latest messages are.
MOST = 8 << 20
_SECONDS = 20
_KERNEL_FILES = ("/var/log/dmesg", "/var/log/kern.log")
_DKMS = "/var/lib/dkms/amdgpu"


@dataclass
class Text:
    """A text of the machine; `name` says where it comes from."""

    name: str
    text: str


@dataclass
class Gathered:
    """All that doctor knows of a machine. `notes` names what could not be looked at, and why."""

    report: Report
    texts: list[Text] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def gather(place: Place, *, boot: int = 0) -> Gathered:
    """Look at a machine; of the running one also at its kernel's log, of this boot or one before (-1)."""
    gathered = Gathered(examine(place.tree, environment=place.environment, user=place.user))
    gathered.report.root = place.name
    if place.tree.live:
        _kernel_log(gathered, boot)
    else:
        for path in _KERNEL_FILES:
            data = place.tree.read(path, MOST, keep=False)
            if data:
                gathered.texts.append(Text(path, _text(data)))
    for version in place.tree.names(_DKMS, r"[0-9][-+.~0-9A-Za-z_]*"):
        path = f"{_DKMS}/{version}/build/make.log"
        data = place.tree.read(path, MOST, keep=False)
        if data:
            gathered.texts.append(Text(path, _text(data)))
    settings = "".join(f"{name}={value}\n" for name, value in gathered.report.environment.items())
    if settings:
        gathered.texts.append(Text("settings", settings))
    # One list: what is not known of the files is not known either way.
    gathered.notes += gathered.report.notes
    return gathered


def _kernel_log(gathered: Gathered, boot: int) -> None:
    """Read the kernel's log from the kernel, else from the journal; a note where neither may be read."""
    journal = ["journalctl", "--dmesg", f"--boot={boot}", "--no-pager", "--quiet", "--output=short-monotonic"]
    tried = []
    for argv in ([["dmesg"]] if boot == 0 else []) + [journal]:
        try:
            # A timer that collects metrics would fill the log with copies of the kernel's.
            done = commands.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, log_output=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            tried.append(f"{argv[0]}: {error}")
            continue
        if done.returncode == 0 and done.stdout.strip():
            gathered.texts.append(Text(f"kernel log ({argv[0]})", _text(done.stdout)))
            return
        words = _text(done.stderr).strip().splitlines()[-1:] or [f"exit code {done.returncode}, no output"]
        tried.append(f"{argv[0]}: {words[0]}")
    gathered.notes.append(
        f"the kernel's log was not read ({'; '.join(tried)}); give it: sudo dmesg | rocm-patch doctor --log -"
    )


def _text(data: bytes) -> str:
    return data[-MOST:].decode("utf-8", "replace")
