"""dnf: Fedora, RHEL and their kin."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path

from rocm_patch.apply.context import place_of
from rocm_patch.apply.managers.base import Changes
from rocm_patch.apply.managers.rpm import Rpm, database_folder
from rocm_patch.apply.rootfs import Meta, RootFs
from rocm_patch.errors import CheckError

_VERSIONLOCK = "/etc/dnf/plugins/versionlock.list"
_VERSIONLOCK_5 = "/etc/dnf/versionlock.toml"
_ASKED = "/var/lib/rocm-patch/asked"
#: What dnf 5 knows beyond rpm's database: why a package is there, and what was done.
_STATE_5 = "/usr/lib/sysimage/libdnf5"
_STATE_5_FILES = (
    *(f"transaction_history.sqlite{end}" for end in ("", "-wal", "-shm")),
    *(f"{name}.toml" for name in ("environments", "groups", "modules", "nevras", "packages", "system")),
)
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

    @staticmethod
    def _is_5() -> bool:
        """Tell whether `dnf` is dnf 5, as on Fedora since 41: it is a link there."""
        program = place_of("dnf")
        return program is not None and program.name == "dnf5"

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
        # dnf 4 writes into its history when it is only asked: it is given another folder for that.
        where = ["--downloadonly", f"--setopt=destdir={folder}", f"--setopt=persistdir={_ASKED}"]
        if self._is_5():
            where = ["--downloadonly", *_cache_5(folder)]
        try:
            if wishes:
                self._dnf("install", *where, "--", *(_spelled(one) for one in wishes))
            if upgrades:
                self._dnf("upgrade", *where, "--", *upgrades)
        finally:
            shutil.rmtree(self.ctx.fs.local(_ASKED), ignore_errors=True)

    def fetch(self, install: list[str], remove: list[str], changes: Changes) -> dict[str, list[str]]:
        """Keep the packages in a folder of ours, and read their lists.

        Of dnf 5 its whole cache: dnf 4 looks at signatures when it has downloaded, dnf 5 when it installs
        what a repository gave it, and of files of ours it would not know whose key is asked for.
        """
        del install, remove
        folder = self._folder()
        self.drop_archives()
        self.ctx.fs.make_folder(f"{self.ctx.store.folder}-packages", 0o700)
        if self._scratch is not None:
            if self._is_5():
                shutil.copytree(self._scratch, folder, ignore=_sockets, dirs_exist_ok=True)
            else:
                for archive in sorted(self._scratch.glob("*.rpm")):
                    if self.archive_name(str(archive)) in {*changes.new, *changes.other}:
                        shutil.copyfile(archive, folder / archive.name)
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None
        return {
            self.archive_name(str(one)): self.archive_files(str(one)) for one in sorted(folder.rglob("*.rpm"))
        }

    def act(self, install: list[str], remove: list[str]) -> None:
        """Install the kept packages by their files; no network is asked."""
        del install
        archives = sorted(str(one) for one in self._folder().rglob("*.rpm"))
        there = self.installed()
        gone = [name for name in remove if name in there]
        if gone:
            self._dnf("remove", "--", *gone)
        if archives:
            kept: list[str] = []
            if self._is_5():
                kept = _cache_5(self._folder())
                archives = [f"{self.archive_name(one)}-{self.archive_version(one)}" for one in archives]
            # install takes newer and older packages alike, which upgrade and downgrade do not.
            self._dnf("--cacheonly", "install", "--allowerasing", *kept, "--", *archives)
        self.drop_archives()

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
        """Give rpm's database and the histories of dnf 4 and dnf 5."""
        return [
            *super().database(),
            "/var/lib/dnf/history.sqlite",
            "/var/lib/dnf/history.sqlite-wal",
            "/var/lib/dnf/history.sqlite-shm",
            *(f"{_STATE_5}/{name}" for name in _STATE_5_FILES),
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

        On another root, where dnf 4 would change this machine's list, write that root's.
        """
        there = self.installed()
        names = [one for one in packages if one in there]
        if self.ctx.fs.live or self._is_5():
            out = self._dnf("versionlock", "add" if on else "delete", "--", *names, good=(0, 1))
            if on and not set(names) <= self.held():
                raise CheckError(
                    "dnf did not hold the packages",
                    cause=out.strip()[-200:] or "its versionlock plugin is absent",
                    step="sudo dnf install 'dnf-command(versionlock)'",
                )
            return
        old = (self.ctx.fs.read(_VERSIONLOCK) or b"").decode("utf-8", "surrogateescape")
        kept = [line for line in old.splitlines() if re.sub(r"-[^-]*-[^-]*$", "", line.strip()) not in names]
        kept += [f"{name}-{_with_epoch(there[name])}.*" for name in names] if on else []
        self.ctx.fs.make_folder(_VERSIONLOCK.rpartition("/")[0])
        data = "".join(f"{line}\n" for line in kept).encode("utf-8", "surrogateescape")
        self.ctx.fs.write(_VERSIONLOCK, iter([data]), Meta(0o644, os.geteuid(), os.getegid()))

    def hold_files(self) -> list[str]:
        """Give versionlock's list."""
        return [_VERSIONLOCK, _VERSIONLOCK_5]


def _cache_5(folder: Path) -> list[str]:
    return [f"--setopt=system_cachedir={folder}", f"--setopt=cachedir={folder}", "--setopt=keepcache=1"]


def _sockets(folder: str, names: list[str]) -> set[str]:
    """Give what is neither file nor folder: gpg's agent leaves sockets beside its keys."""
    return {name for name in names if not ((one := Path(folder, name)).is_file() or one.is_dir())}


def _with_epoch(version: str) -> str:
    return version if ":" in version else f"0:{version}"


def _spelled(wish: str) -> str:
    match = _WISH.fullmatch(wish)
    return f"{match[1]}-{match[2]}" if match and match[2] else wish
