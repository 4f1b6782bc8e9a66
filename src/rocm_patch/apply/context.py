"""What handlers work with: the root, the kept contents, the journal, and programs run by argument list."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from rocm_patch import commands
from rocm_patch.apply.journal import Journal
from rocm_patch.apply.points import reached
from rocm_patch.apply.rootfs import RootFs
from rocm_patch.apply.snapshot import Store
from rocm_patch.errors import ApplyError, MissingToolError

#: What every program is run with.
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "NEEDRESTART_SUSPEND": "1",
    # Our own hooks in the package managers have nothing to say about our own run.
    "ROCM_PATCH_ACTIVE": "1",
}
_KEPT = 8000
_SECONDS = 3600


class CommandError(ApplyError):
    """A program of the package manager failed; `detail` holds the end of its output."""


@attrs.define
class Context:
    """One run's surroundings."""

    fs: RootFs
    journal: Journal
    store: Store
    tx: int | None = None
    #: Who is meant by @caller.
    user: str | None = None
    #: /proc of the machine whose processes count.
    proc: Path = Path("/proc")
    #: Limits that tests make short.
    seconds: float = _SECONDS
    #: Verify by what package managers say, without reading their files: for hooks, which run often.
    quick: bool = False
    #: Seconds to wait for a package manager that outlived a cut off run.
    patience: float = 60.0
    #: Told, in a line each, what takes its time.
    progress: Callable[[str], None] = lambda _line: None
    extra: dict[str, str] = attrs.field(factory=dict)

    def run(
        self, argv: Sequence[str], *, given: str = "", good: tuple[int, ...] = (0,), quiet: bool = False
    ) -> str:
        """Run a program, note it with its output, give its standard output.

        CommandError unless it ends well.
        """
        reached(f"before running {argv[0]}")
        try:
            done = commands.run(
                list(argv),
                input=given.encode(), capture_output=True, check=False, timeout=self.seconds,
                env=ENVIRONMENT | self.extra, cwd="/",
            )  # fmt: skip
        except FileNotFoundError as error:
            raise MissingToolError(
                f"{argv[0]} is needed",
                cause="it is not installed",
                step=f"install {argv[0]} with this system's package manager",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise CommandError(
                f"{argv[0]} did not end within {self.seconds:.0f} s", step="see what it waits for"
            ) from error
        out, err = (escaped(text) for text in (done.stdout, done.stderr))
        if not quiet or done.returncode not in good:
            self.journal.event(
                self.tx,
                f"ran {Path(argv[0]).name}",
                {"argv": list(argv), "exit": done.returncode, "out": out[-_KEPT:], "err": err[-_KEPT:]},
            )
        reached(f"after running {argv[0]}")
        if done.returncode not in good:
            # Errors last, so that the end of it all shows them.
            lines = [line for line in (out + "\n" + err).splitlines() if line.strip()]
            raise CommandError(
                f"{Path(argv[0]).name} failed with exit status {done.returncode}",
                cause=_cause(lines, err),
                detail=lines[-15:],
                step="rocm-patch history shows its whole output",
            )
        return out


def place_of(program: str) -> Path | None:
    """Find a program where Context.run() finds it, links followed."""
    found = shutil.which(program, path=ENVIRONMENT["PATH"])
    return Path(found).resolve() if found else None


def _cause(lines: list[str], errors: str) -> str:
    """Choose the line that says why: one that calls itself an error, the first of the errors, or the last.

    dnf 5 writes what it does among its errors, and the reason of a failure behind a line that says little.
    zypper calls nothing an error, and ends its output with a question that it answered itself.
    """
    for number, line in enumerate(lines):
        if line.lower().startswith(("e: ", "error", "dpkg: error")):
            more = lines[number + 1].strip() if line.endswith(":") and lines[number + 1 :] else ""
            return f"{line} {more}".strip()[:300]
        if line.lower().startswith(("transaction failed:", "failed to resolve the transaction:")):
            return " ".join([line, *lines[number + 1 : number + 2]])[:300]
    said = [line for line in errors.splitlines() if line.strip() and not line.lower().startswith("warning")]
    return (said[:1] or lines[-1:] or ["it printed nothing"])[0][:300]


def escaped(data: bytes) -> str:
    """Decode output so that no part of it can fake a line's beginning or steer a terminal that shows it."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return "".join(char if char in "\n\t" or char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def is_root() -> bool:
    """Tell whether this process may change owners."""
    return os.geteuid() == 0
