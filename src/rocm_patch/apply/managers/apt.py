"""apt and dpkg: Debian, Ubuntu and their kin. Another root is given to both by their own settings."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from rocm_patch.apply.managers.base import Changes, Manager, find
from rocm_patch.apply.rootfs import RootFs
from rocm_patch.errors import CheckError

_DPKG = "/var/lib/dpkg"
_SIMULATED = re.compile(
    r"^(Inst|Remv|Purg) (\S+)(?: \[([^\]]+)\])?(?: \((\S+)[^)]*?(?:\[([a-z0-9-]+)\])?\))?"
)
_FORMAT = "${binary:Package}\t${Version}\t${db:Status-Status}\n"
_KEEP = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")


class Apt(Manager):
    """apt-get acts, dpkg tells and takes away."""

    name = "apt"
    locks = (
        f"{_DPKG}/lock-frontend",
        f"{_DPKG}/lock",
        "/var/cache/apt/archives/lock",
        "/var/lib/apt/lists/lock",
    )
    cache = "/var/cache/apt/archives"

    @staticmethod
    def present(fs: RootFs) -> bool:
        """See dpkg's database."""
        return fs.status(f"{_DPKG}/status") is not None

    def _dpkg(self, *words: str, given: str = "", good: tuple[int, ...] = (0,)) -> str:
        return self.ctx.run(
            ["dpkg", f"--root={self.root}", f"--log={self.root.rstrip('/')}/var/log/dpkg.log", *words],
            given=given,
            good=good,
        )

    def _query(self, *words: str, good: tuple[int, ...] = (0,)) -> str:
        return self.ctx.run(
            ["dpkg-query", f"--admindir={self.ctx.fs.local(_DPKG)}", *words], good=good, quiet=True
        )

    @contextmanager
    def _settings(self) -> Iterator[None]:
        """Point apt at another root before it reads any settings.

        Those of this machine are not the root's.
        """
        if self.ctx.fs.live:
            yield
            return
        if re.search(r'["\\;{}]', self.root):
            raise CheckError(
                f"{self.root!r} cannot be given to apt",
                cause="a quote, semicolon or brace is in its name",
                step="rename the folder",
            )
        with tempfile.TemporaryDirectory(prefix="rocm-patch-apt-") as folder:
            place = Path(folder, "apt.conf")
            place.write_text(
                f'Dir "{self.root}";\nDir::State::status "{self.root}{_DPKG}/status";\n'
                'APT::Sandbox::User "root";\n'
                f'DPkg::Options {{ "--root={self.root}"; "--log={self.root}/var/log/dpkg.log"; }};\n',
                "utf-8",
            )
            kept = dict(self.ctx.extra)
            self.ctx.extra["APT_CONFIG"] = str(place)
            try:
                yield
            finally:
                self.ctx.extra.clear()
                self.ctx.extra.update(kept)

    def _apt(self, *words: str, install: list[str], remove: list[str], quiet: bool = False) -> str:
        wishes = [*install, *(f"{name}-" for name in remove)]
        with self._settings():
            return self.ctx.run(
                [
                    "apt-get",
                    "--yes",
                    "--no-install-recommends",
                    "--allow-downgrades",
                    "-o",
                    "DPkg::Lock::Timeout=60",
                    *_KEEP,
                    *words,
                    "install",
                    "--",
                    *wishes,
                ],
                quiet=quiet,
            )

    def installed(self) -> dict[str, str]:
        """Give what dpkg calls installed, or has half done."""
        rows = [
            line.split("\t")
            for line in self._query("--show", f"--showformat={_FORMAT}", good=(0, 1)).splitlines()
        ]
        whole = [row for row in rows if len(row) == len(_FORMAT.split("	"))]
        return {row[0]: row[1] for row in whole if row[2] not in {"not-installed", "config-files"}}

    def resolve(self, install: list[str], remove: list[str]) -> Changes:
        """Read apt-get's simulation."""
        now = self.installed()
        remove = [name for name in remove if find(now, name)]
        changes = Changes()
        if not install and not remove:
            return changes
        for line in self._apt("--simulate", install=install, remove=remove, quiet=True).splitlines():
            match = _SIMULATED.match(line)
            if not match:
                continue
            key = find(now, match[2])
            if match[1] != "Inst" and key:
                changes.gone[key] = now[key]
            elif key and match[4] and match[4] != now[key]:
                changes.other[key] = (now[key], match[4])
            elif not key and match[4]:
                changes.new[match[2]] = match[4]
        return changes

    def offered(self, name: str) -> list[str]:
        """Ask apt's cache, which lists the newest first."""
        with self._settings():
            out = self.ctx.run(["apt-cache", "madison", name], good=(0, 100), quiet=True)
        rows = [[cell.strip() for cell in line.split("|")] for line in out.splitlines()]
        return list(dict.fromkeys(row[1] for row in rows if len(row) == 3 and row[0] == name))  # noqa: PLR2004  # name, version, source

    def fetch(self, install: list[str], remove: list[str], changes: Changes) -> dict[str, list[str]]:
        """Download only; then read the archives' lists."""
        wanted = {**changes.new, **{name: then for name, (_, then) in changes.other.items()}}
        if not wanted:
            return {}
        self._apt("--download-only", install=install, remove=remove)
        found: dict[str, list[str]] = {}
        for name, version in wanted.items():
            plain = name.partition(":")[0]
            start = f"{plain}_{version.replace(':', '%3a')}_"
            archives = [
                one for one in self.ctx.fs.names(self.cache) if one.startswith(start) and one.endswith(".deb")
            ]
            place = (
                self.ctx.fs.local(f"{self.cache}/{archives[0]}") if archives else self._local(plain, version)
            )
            listing = self.ctx.run(["dpkg-deb", "--contents", str(place)], quiet=True)
            found[name] = [path for line in listing.splitlines() if (path := _listed(line))]
        return found

    def _local(self, name: str, version: str) -> Path:
        """Find the archive of a repository that is a folder: apt uses it in place."""
        with self._settings():
            out = self.ctx.run(
                ["apt-get", "--print-uris", "--yes", "download", f"{name}={version}"], quiet=True
            )
            match = re.search(r"'(?:file|copy):(?://)?(/[^']+)'", out)
            if match:
                return Path(unquote(match[1]))
            policy = self.ctx.run(["apt-cache", "show", f"{name}={version}"], quiet=True)
            file = re.search(r"^Filename: (\S+)$", policy, re.MULTILINE)
            sources = self.ctx.run(["apt-get", "indextargets", "--format", "$(REPO_URI)"], quiet=True)
        for line in sources.splitlines():
            folder = re.match(r"(?:file|copy):(?://)?(/\S+)", line)
            place = Path(unquote(folder[1]), file[1]) if folder and file else None
            if place is not None and place.is_file():
                return place
        raise CheckError(
            f"the archive of {name} {version} was not found",
            cause=f"apt put none into {self.cache}",
            step="sudo apt-get update, then again",
        )

    def act(self, install: list[str], remove: list[str]) -> None:
        """Install and remove. What was downloaded lies in apt's cache, so no network is asked again."""
        self._apt(install=install, remove=remove)

    def files(self, package: str) -> list[str]:
        """Read dpkg's list."""
        return [
            line
            for line in self._query("--listfiles", package, good=(0, 1)).splitlines()
            if line.startswith("/") and line != "/."
        ]

    def own_files(self, package: str) -> list[str]:
        """Give info/NAME.* and info/NAME:ARCH.*."""
        plain = package.partition(":")[0]
        kept = re.compile(rf"{re.escape(plain)}(:[a-z0-9-]+)?\.[a-z0-9]+")
        return [f"{_DPKG}/info/{name}" for name in self.ctx.fs.names(f"{_DPKG}/info") if kept.fullmatch(name)]

    def database(self) -> list[str]:
        """Give dpkg's and apt's state, alternatives among it."""
        names = ("status", "diversions", "statoverride", "available")
        found = [f"{_DPKG}/{name}{end}" for name in names for end in ("", "-old")]
        more = ("cmethopt", "info/format", "info/format-new", "triggers/File", "triggers/Unincorp")
        found += [f"{_DPKG}/{name}" for name in more]
        found += ["/var/lib/apt/extended_states", "/etc/ld.so.cache"]
        return found + self.alternatives(f"{_DPKG}/alternatives")

    def purge(self, packages: list[str]) -> None:
        """Have dpkg purge them; a script that fails is noted, and the files go all the same."""
        there = self.installed()
        names = [key for name in packages if (key := find(there, name))]
        known = self._query("--show", f"--showformat={_FORMAT}", good=(0, 1))
        rest = [line.split("\t")[0] for line in known.splitlines() if line.endswith("\tconfig-files")]
        names += [
            name for name in rest if name.partition(":")[0] in {one.partition(":")[0] for one in packages}
        ]
        if names:
            self._dpkg("--purge", "--force-remove-reinstreq", "--force-depends", "--", *names, good=(0, 1, 2))

    def back_to(self, versions: dict[str, str], away: list[str]) -> None:
        """Have apt install the versions of then."""
        if versions:
            self._apt(
                "--allow-change-held-packages",
                install=[f"{name}={version}" for name, version in versions.items()],
                remove=[],
            )
        self.purge(away)

    def settle(self) -> None:
        """Read in what dpkg noted beside its status; configure what can be."""
        self._dpkg("--configure", "--pending", good=(0, 1, 2))

    def held(self) -> set[str]:
        """Ask dpkg for its selections."""
        rows = [
            line.split("\t")
            for line in self._query(
                "--show", "--showformat=${binary:Package}\t${db:Status-Want}\n", good=(0, 1)
            ).splitlines()
        ]
        return {row[0] for row in rows if row[1:] == ["hold"]}

    def hold(self, packages: list[str], *, on: bool) -> None:
        """Set dpkg's selections, which is what apt-mark does."""
        there = self.installed()
        names = [key for name in packages if (key := find(there, name))]
        if names:
            self._dpkg(
                "--set-selections", given="".join(f"{name} {'hold' if on else 'install'}\n" for name in names)
            )

    def hold_files(self) -> list[str]:
        """Give dpkg's status."""
        return [f"{_DPKG}/status", f"{_DPKG}/status-old"]

    def leftovers(self, path: str) -> list[str]:
        """Give the names that dpkg unpacks and moves aside under."""
        return [f"{path}.dpkg-new", f"{path}.dpkg-tmp", f"{path}.dpkg-dist"]


def _listed(line: str) -> str | None:
    """Take the path out of a line of dpkg-deb --contents."""
    parts = line.split(None, 5)
    if len(parts) < 6:  # noqa: PLR2004  # mode, owner, size, date, time, name
        return None
    name = parts[5].partition(" -> ")[0].removeprefix(".").rstrip("/")
    return name or None
