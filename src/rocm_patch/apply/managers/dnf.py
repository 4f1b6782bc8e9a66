"""dnf 4: RHEL and its kin, Fedora up to 40; what dnf 5 has of it is in dnf5.py."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path

from rocm_patch.apply.managers.base import Changes
from rocm_patch.apply.managers.rpm import Rpm, database_folder
from rocm_patch.apply.rootfs import Meta, RootFs
from rocm_patch.errors import CheckError

_VERSIONLOCK = "/etc/dnf/plugins/versionlock.list"
_VERSIONLOCK_5 = "/etc/dnf/versionlock.toml"
_ASKED = "/var/lib/rocm-patch/asked"
#: name or name=version, as dnf spells it.
_WISH = re.compile(r"([^=]+)(?:=(.+))?")


class Dnf(Rpm):
    """dnf works, from packages that it downloaded into a folder of ours first."""

    name = "dnf"
    locks = ("/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock")
    cache = "/var/cache/dnf"
    _scratch: Path | None = None

    @staticmethod
    def present(fs: RootFs) -> bool:
        """See rpm's database, or dnf's settings, and none of zypper's."""
        return (database_folder(fs) is not None or fs.status("/etc/dnf") is not None) and fs.status(
            "/etc/zypp"
        ) is None

    def _dnf(self, *words: str, good: tuple[int, ...] = (0,), quiet: bool = False) -> str:
        other = []
        if not self.ctx.fs.live:
            other = ["--installroot", self.root, f"--setopt=reposdir={self.ctx.fs.local('/etc/yum.repos.d')}"]
            conf = self.ctx.fs.local("/etc/dnf/dnf.conf")
            other += ["--config", str(conf)] if conf.is_file() else []
            version = self._release()
            other += [f"--releasever={version}"] if version else []
        # Nothing may be replaced by another name: what is taken away is named, and kept before.
        return self.ctx.run(
            [
                "dnf",
                "--assumeyes",
                "--setopt=obsoletes=0",
                "--setopt=install_weak_deps=0",
                "--setopt=clean_requirements_on_remove=0",
                *other,
                *words,
            ],
            good=good,
            quiet=quiet,
        )

    def _release(self) -> str:
        text = (self.ctx.fs.read("/etc/os-release") or self.ctx.fs.read("/usr/lib/os-release") or b"").decode(
            "utf-8", "replace"
        )
        match = re.search(r'^VERSION_ID="?([0-9]+)', text, re.MULTILINE)
        return match[1] if match else ""

    def _folder(self) -> Path:
        """Give the folder for this transaction's packages, below the state folder."""
        return self.ctx.fs.local(f"{self.ctx.store.folder}-packages")

    def resolve(self, install: list[str], remove: list[str]) -> Changes:
        """Have dnf download what it would install: those packages are what changes."""
        now = self.installed()
        changes = Changes(gone={name: now[name] for name in remove if name in now})
        wishes = [
            one
            for one in install
            if one.partition("=")[0] not in now
            or one.partition("=")[2] not in {"", now[one.partition("=")[0]]}
        ]
        upgrades = [one for one in install if one.partition("=")[0] in now and not one.partition("=")[2]]
        if wishes or upgrades:
            # Kept for fetch(): dnf takes its time to begin.
            folder = self._scratch = Path(tempfile.mkdtemp(prefix="rocm-patch-dnf-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._download(wishes, upgrades, folder)
            for archive in sorted(folder.rglob("*.rpm")):
                name, version = self.archive_name(str(archive)), self.archive_version(str(archive))
                if name not in now:
                    changes.new[name] = version
                elif version != now[name]:
                    changes.other[name] = (now[name], version)
        return changes

    def offered(self, name: str) -> list[str]:
        """Read dnf's list; a repository that begins with @ is the root itself."""
        out = self._dnf("list", "--available", "--showduplicates", "--", name, good=(0, 1), quiet=True)
        rows = re.findall(rf"^{re.escape(name)}\.\S+\s+(\S+)\s+(\S+)", out, re.MULTILINE)
        return self.newest_first(version for version, source in rows if not source.startswith("@"))

    def _download(self, wishes: list[str], upgrades: list[str], folder: Path) -> None:
        where = ["--downloadonly", *self._into(folder)]
        try:
            if wishes:
                self._dnf("install", *where, "--", *(_spelled(one) for one in wishes))
            if upgrades:
                self._dnf("upgrade", *where, "--", *upgrades)
        finally:
            shutil.rmtree(self.ctx.fs.local(_ASKED), ignore_errors=True)

    def _into(self, folder: Path) -> list[str]:
        """Give the words by which packages are downloaded into a folder."""
        # dnf 4 writes into its history when it is only asked: it is given another folder for that.
        return [f"--setopt=destdir={folder}", f"--setopt=persistdir={_ASKED}"]

    def _keep(self, names: set[str], scratch: Path, folder: Path) -> None:
        """Copy what act() needs to install packages of these names."""
        for archive in sorted(scratch.glob("*.rpm")):
            if self.archive_name(str(archive)) in names:
                shutil.copyfile(archive, folder / archive.name)

    def fetch(self, install: list[str], remove: list[str], changes: Changes) -> dict[str, list[str]]:
        """Keep the packages in a folder of ours, and read their lists."""
        del install, remove
        folder = self._folder()
        self.drop_archives()
        self.ctx.fs.make_folder(f"{self.ctx.store.folder}-packages", 0o700)
        if self._scratch is not None:
            self._keep({*changes.new, *changes.other}, self._scratch, folder)
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None
        return {
            self.archive_name(str(one)): self.archive_files(str(one)) for one in sorted(folder.rglob("*.rpm"))
        }

    def act(self, install: list[str], remove: list[str]) -> None:
        """Install the kept packages; no network is asked."""
        del install
        archives = sorted(str(one) for one in self._folder().rglob("*.rpm"))
        there = self.installed()
        gone = [name for name in remove if name in there]
        if gone:
            self._dnf("remove", "--", *gone)
        if archives:
            # install takes newer and older packages alike, which upgrade and downgrade do not.
            self._dnf("--cacheonly", "install", "--allowerasing", *self._from(archives))
        self.drop_archives()

    def _from(self, archives: list[str]) -> list[str]:
        """Give the words by which the kept packages are installed: by their files."""
        return ["--", *archives]

    def drop_archives(self) -> None:
        """Forget the kept packages."""
        shutil.rmtree(self._folder(), ignore_errors=True)

    def back_to(self, versions: dict[str, str], away: list[str]) -> None:
        """Have dnf install the versions of then."""
        if versions:
            self._dnf(
                "install",
                "--allowerasing",
                "--",
                *(f"{name}-{version}" for name, version in versions.items()),
            )
        self.purge(away)

    def database(self) -> list[str]:
        """Give rpm's database and dnf's history."""
        return [
            *super().database(),
            "/var/lib/dnf/history.sqlite",
            "/var/lib/dnf/history.sqlite-wal",
            "/var/lib/dnf/history.sqlite-shm",
        ]

    def held(self) -> set[str]:
        """Read versionlock's lists.

        Dnf 4 has name-epoch:version-release.arch a line, dnf 5 a table with names.
        """
        data = (self.ctx.fs.read(_VERSIONLOCK) or b"").decode("utf-8", "replace")
        lines = [line.strip() for line in data.splitlines()]
        locked = [line for line in lines if line and not line.startswith(("#", "!"))]
        table = (self.ctx.fs.read(_VERSIONLOCK_5) or b"").decode("utf-8", "replace")
        named = re.findall(r'^name = "([^"]+)"', table, re.MULTILINE)
        return {*named, *(name for line in locked if (name := re.sub(r"-[^-]*-[^-]*$", "", line)))}

    def hold(self, packages: list[str], *, on: bool) -> None:
        """Have dnf's versionlock do it.

        On another root, where dnf would change this machine's list, write that root's.
        """
        there = self.installed()
        names = [one for one in packages if one in there]
        if self.ctx.fs.live:
            self._lock(names, on=on)
            return
        old = (self.ctx.fs.read(_VERSIONLOCK) or b"").decode("utf-8", "surrogateescape")
        kept = [line for line in old.splitlines() if re.sub(r"-[^-]*-[^-]*$", "", line.strip()) not in names]
        kept += [f"{name}-{_with_epoch(there[name])}.*" for name in names] if on else []
        self.ctx.fs.make_folder(_VERSIONLOCK.rpartition("/")[0])
        data = "".join(f"{line}\n" for line in kept).encode("utf-8", "surrogateescape")
        self.ctx.fs.write(_VERSIONLOCK, iter([data]), Meta(0o644, os.geteuid(), os.getegid()))

    def _lock(self, names: list[str], *, on: bool) -> None:
        out = self._dnf("versionlock", "add" if on else "delete", "--", *names, good=(0, 1))
        if on and not set(names) <= self.held():
            raise CheckError(
                "dnf did not hold the packages",
                cause=out.strip()[-200:] or "its versionlock plugin is absent",
                step="sudo dnf install 'dnf-command(versionlock)'",
            )

    def hold_files(self) -> list[str]:
        """Give versionlock's lists, of dnf 4 and dnf 5."""
        return [_VERSIONLOCK, _VERSIONLOCK_5]


def _with_epoch(version: str) -> str:
    return version if ":" in version else f"0:{version}"


def _spelled(wish: str) -> str:
    match = _WISH.fullmatch(wish)
    return f"{match[1]}-{match[2]}" if match and match[2] else wish
