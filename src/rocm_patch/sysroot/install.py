"""Packages into an empty folder, with dpkg and nothing of the host but its kernel.

First the essential packages are unpacked as plain archives, so that there is a dpkg;
then that dpkg, inside the root and without network, installs them and the rest. So
the same packages give the same root on any host, whatever its own apt and dpkg are.
Knows nothing of locks, caches or how a root is named.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch import commands
from rocm_patch.errors import SysrootError
from rocm_patch.sysroot.core import program
from rocm_patch.sysroot.debs import Deb, base_of, extract
from rocm_patch.sysroot.mounts import BASE_ENV

#: Called with the step's name and how much of the whole work is done (0 to 1).
Report = Callable[[str, float], None]

#: Where the store's packages are seen inside; /run is a tmpfs there.
_INSIDE = "/run/rocm-patch-debs"
_DPKG = ("dpkg", "--force-unsafe-io")
_ENV = {
    "PATH": BASE_ENV["PATH"],
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
}
#: These come first: they make the folders' links and the user names that the others use.
_FIRST = ("base-files", "base-passwd")
#: What configuring one package costs, in KiB of unpacking (from measured runs).
_CONFIGURE_KIB = 800
_LOG_LINES = 25


@attrs.define
class _Meter:
    """Turns dpkg's status lines into the part of the work that is done."""

    weights: Mapping[str, int]
    report: Report
    total: int
    done: int = 0
    seen: set[tuple[str, str]] = attrs.field(factory=set)

    def line(self, text: str) -> None:
        """Read one line of dpkg's --status-fd: `status: NAME[:ARCH]: STATE`."""
        parts = text.split(": ")
        if len(parts) < 3 or parts[0] != "status":  # noqa: PLR2004  the three parts named above
            return
        name, state = parts[1].partition(":")[0], parts[2].strip()
        if state not in ("unpacked", "installed") or (name, state) in self.seen:
            return
        self.seen.add((name, state))
        self.done += self.weights.get(name, 0) if state == "unpacked" else _CONFIGURE_KIB
        step = "unpacking" if state == "unpacked" else "configuring"
        self.report(f"{step} {name}", min(1.0, self.done / self.total))


@attrs.frozen
class Installer:
    """One run of installing `packages`, whose files lie below `store`, into `root`.

    `keep` is a file descriptor that stays open as long as anything inside still runs:
    the caller's lock.
    """

    root: Path
    packages: Mapping[str, Deb]
    store: Path
    exclude: Sequence[str]
    log: Path
    keep: int
    report: Report

    def run(self) -> None:
        """Install everything; SysrootError with the end of dpkg's output when a step fails."""
        base = base_of(self.packages)
        base = [*(name for name in _FIRST if name in base), *(name for name in base if name not in _FIRST)]
        rest = sorted(self.packages.keys() - set(base))
        meter = _Meter(
            weights={name: deb.installed_kib for name, deb in self.packages.items()},
            report=self.report,
            total=sum(deb.installed_kib + _CONFIGURE_KIB for deb in self.packages.values()),
        )
        self.report("unpacking the base", 0.0)
        self._skeleton()
        extract([self.packages[name].path for name in base], self.root, self.exclude)
        # Dependencies are not looked at while the base goes in: its members need each other.
        self._dpkg(["--force-depends", "--install", *map(self._deb, base)], meter)
        if rest:
            self._dpkg(["--force-depends", "--unpack", *map(self._deb, rest)], meter)
        # Here they are: a lock whose packages do not fit together fails.
        self._dpkg(["--configure", "--pending"], meter)
        self._dpkg(["--audit"], meter)

    def _deb(self, name: str) -> str:
        """Give a package's path as the inside sees it."""
        return f"{_INSIDE}/{self.packages[name].path.relative_to(self.store)}"

    def _skeleton(self) -> None:
        """Make the few files that dpkg needs before the first package is in."""
        for folder in ("etc/dpkg/dpkg.cfg.d", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
            (self.root / folder).mkdir(parents=True)
        for name in ("status", "available"):
            (self.root / "var/lib/dpkg" / name).touch()
        lines = "".join(f"path-exclude={pattern}\n" for pattern in self.exclude)
        (self.root / "etc/dpkg/dpkg.cfg.d/rocm-patch").write_text(lines, encoding="utf-8")

    def _dpkg(self, words: Sequence[str], meter: _Meter) -> None:
        """Run the root's dpkg inside the root, following its status."""
        reader, writer = os.pipe()
        options = ["--unshare-net", "--bind", str(self.root), "/", "--dev", "/dev", "--proc", "/proc"]
        options += ["--tmpfs", "/run", "--tmpfs", "/tmp"]  # noqa: S108  the inside's own
        options += ["--ro-bind", str(self.store), _INSIDE, "--clearenv"]
        for key, value in _ENV.items():
            options += ["--setenv", key, value]
        command = [*ids_program(), *options, "--", *_DPKG, "--status-fd", str(writer), *words]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(writer, self.keep),
            )
        os.close(writer)
        with (
            commands.recorded(command, log=str(self.log)) as entry,
            process,
            os.fdopen(reader, encoding="utf-8", errors="replace") as lines,
        ):
            for line in lines:
                meter.line(line)
            entry.code = process.wait()
        if process.returncode != 0:
            step = next(word for word in words if word.startswith("--") and "force" not in word)
            text = self.log.read_text(encoding="utf-8", errors="replace")
            raise SysrootError(
                f"dpkg failed inside the new root (exit code {process.returncode})",
                cause=f"dpkg {step} said what is listed below",
                step="report it with the lock's name; an older lock may work",
                detail=text.splitlines()[-_LOG_LINES:],
            )


def ids_program() -> list[str]:
    """Give the beginning of a command that is root over many ids: as root, or in a user namespace."""
    return [*program("nsexec"), *([] if os.geteuid() == 0 else ["--map-auto"])]
