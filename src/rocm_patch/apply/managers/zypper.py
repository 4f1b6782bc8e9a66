"""zypper: SUSE's. Its own --root makes it work on another root; its answers are read as XML."""

from __future__ import annotations

import re
from pathlib import Path

from rocm_patch.apply.managers.base import Changes
from rocm_patch.apply.managers.rpm import Rpm
from rocm_patch.apply.rootfs import RootFs

_LOCKS = "/etc/zypp/locks"
_SOLVABLE = re.compile(r"<solvable ([^>]*)/?>")
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')
_PARTS = {
    "to-install": "new",
    "to-upgrade": "other",
    "to-downgrade": "other",
    "to-change-arch": "other",
    "to-reinstall": "",
    "to-remove": "gone",
}
#: 100 to 106 only inform: updates are there, a restart is needed, a repository was skipped.
_GOOD = (0, 100, 101, 102, 103, 106)


class Zypper(Rpm):
    """zypper resolves, downloads and acts."""

    name = "zypper"
    locks = (
        "/var/lib/rpm/.rpm.lock",
        "/usr/lib/sysimage/rpm/.rpm.lock",
        "/run/zypp.pid",
        "/var/run/zypp.pid",
    )
    cache = "/var/cache/zypp/packages"

    @staticmethod
    def present(fs: RootFs) -> bool:
        """See zypper's settings."""
        return fs.status("/etc/zypp") is not None

    def _zypper(
        self, *words: str, before: tuple[str, ...] = (), good: tuple[int, ...] = _GOOD, quiet: bool = False
    ) -> str:
        root = [] if self.ctx.fs.live else ["--root", self.root]
        return self.ctx.run(
            ["zypper", "--non-interactive", "--no-refresh", *root, *before, *words], good=good, quiet=quiet
        )

    @staticmethod
    def _wishes(install: list[str], remove: list[str]) -> list[str]:
        return [
            "--no-recommends",
            "--oldpackage",
            "--auto-agree-with-licenses",
            "--",
            *install,
            *(f"-{name}" for name in remove),
        ]

    def resolve(self, install: list[str], remove: list[str]) -> Changes:
        """Read zypper's summary of what it would do."""
        now = self.installed()
        remove = [name for name in remove if name in now]
        if not install and not remove:
            return Changes()
        text = self._zypper(
            "install", "--dry-run", *self._wishes(install, remove), before=("--xmlout",), quiet=True
        )
        changes = Changes()
        for part, kind in _PARTS.items():
            body = re.search(rf"<{part}>(.*?)</{part}>", text, re.DOTALL)
            for solvable in _SOLVABLE.findall(body[1]) if body and kind else []:
                fields = dict(_ATTRIBUTE.findall(solvable))
                name, edition = fields.get("name", ""), fields.get("edition", "")
                if kind == "gone":
                    if name in now:
                        changes.gone[name] = now[name]
                elif not name or not edition:
                    continue
                elif kind == "new" and name not in now:
                    changes.new[name] = edition
                elif name in now and edition != now[name]:
                    changes.other[name] = (now[name], edition)
        return changes

    def offered(self, name: str) -> list[str]:
        """Have zypper search; 104 says that it found nothing."""
        text = self._zypper(
            "search", "--details", "--match-exact", "--type", "package", "--", name,
            before=("--xmlout",), good=(*_GOOD, 104), quiet=True,
        )  # fmt: skip
        rows = [dict(_ATTRIBUTE.findall(solvable)) for solvable in _SOLVABLE.findall(text)]
        return self.newest_first(
            row.get("edition", "") for row in rows if row.get("repository") != "(System Packages)"
        )

    def fetch(self, install: list[str], remove: list[str], changes: Changes) -> dict[str, list[str]]:
        """Download only; then read the lists of the packages in zypper's cache."""
        wanted = {**changes.new, **{name: then for name, (_, then) in changes.other.items()}}
        if not wanted:
            return {}
        self._zypper("install", "--download-only", *self._wishes(install, remove))
        found: dict[str, list[str]] = {}
        for place in [*sorted(self.ctx.fs.local(self.cache).rglob("*.rpm")), *self._folders()]:
            name = self.archive_name(str(place))
            if name in wanted and place.name.startswith(
                f"{name}-{wanted[name].partition(':')[2] or wanted[name]}"
            ):
                found[name] = self.archive_files(str(place))
        return found

    def _folders(self) -> list[Path]:
        """Give the packages of repositories that are folders: zypper uses them in place."""
        found = []
        for name in self.ctx.fs.names("/etc/zypp/repos.d"):
            text = (self.ctx.fs.read(f"/etc/zypp/repos.d/{name}") or b"").decode("utf-8", "replace")
            for folder in re.findall(r"^baseurl=(?:dir|file):(?://)?(/[^\s?]+)", text, re.MULTILINE):
                found += sorted(Path(folder).rglob("*.rpm"))
        return found

    def act(self, install: list[str], remove: list[str]) -> None:
        """Install and remove, from what was downloaded."""
        there = self.installed()
        self._zypper("install", *self._wishes(install, [name for name in remove if name in there]))

    def back_to(self, versions: dict[str, str], away: list[str]) -> None:
        """Have zypper install the versions of then."""
        if versions:
            self._zypper(
                "install", *self._wishes([f"{name}={version}" for name, version in versions.items()], [])
            )
        self.purge(away)

    def database(self) -> list[str]:
        """Give rpm's database and zypper's list of what came by itself."""
        return [*super().database(), "/var/lib/zypp/AutoInstalled", "/var/lib/zypp/RequestedLocales"]

    def held(self) -> set[str]:
        """Read zypper's locks: `solvable_name: NAME` in each paragraph."""
        data = (self.ctx.fs.read(_LOCKS) or b"").decode("utf-8", "replace")
        return set(re.findall(r"^solvable_name:[ \t]*(\S+)", data, re.MULTILINE))

    def hold(self, packages: list[str], *, on: bool) -> None:
        """Have zypper add or remove locks."""
        there = self.installed()
        names = [one for one in packages if one in there]
        if names:
            self._zypper("addlock" if on else "removelock", "--", *names)

    def hold_files(self) -> list[str]:
        """Give zypper's locks."""
        return [_LOCKS]
