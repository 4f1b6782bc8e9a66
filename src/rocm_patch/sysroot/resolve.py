"""From a wish list to a lock: ask apt which packages a suite would install now.

apt runs on folders of its own, so nothing of the host's package state is read or
written and no root is needed. The suite's release file is checked against
Debian's archive keys; its expiry date is not, because the lock pins by hash and a
frozen or mirrored suite is as good as a fresh one. Knows nothing of how a lock
is turned into a root.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from rocm_patch import commands
from rocm_patch.errors import SysrootError
from rocm_patch.sysroot.lock import Lock, LockedPackage
from rocm_patch.sysroot.tools import need
from rocm_patch.sysroot.wishes import Wishes

#: Debian's archive keys, where the package debian-archive-keyring puts them.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_INST = re.compile(r"^Inst (?P<name>\S+) \((?P<version>\S+) ")
_FIELDS = ("Version", "Architecture", "Filename", "Size", "SHA256")


def resolve(wishes: Wishes, *, wishes_sha256: str, archive: str, work: Path) -> Lock:
    """Give the lock that the suite at `archive` (an address) yields now.

    `work` is an empty folder for apt's lists (some 70 MB). Raises MissingToolError
    without apt, SysrootError when the suite cannot be read, its signature is wrong or
    the wishes cannot be met.
    """
    need("apt-get", "gpgv")
    if not KEYRING.is_file():
        need("debian-archive-keyring", exists=False)
    config = _apt_folders(wishes, archive, work)
    _apt(config, ["update"], "the package lists could not be fetched")
    lists = work / "state" / "lists"
    release, index = _one(lists, "*_InRelease"), _one(lists, "*_Packages")
    essential = [name for name, fields in paragraphs(index) if fields.get("Essential") == "yes"]
    chosen = _apt(
        config,
        ["install", "--simulate", "--no-install-recommends", *sorted({*essential, *wishes.wanted()})],
        "the wished packages cannot be installed together",
    )
    found = {
        match["name"].partition(":")[0]: match["version"]
        for match in map(_INST.match, chosen.splitlines())
        if match
    }
    date, index_path = _release(release, wishes)
    return Lock(
        header={
            "name": wishes.name,
            "wishes-sha256": wishes_sha256,
            "architecture": wishes.architecture,
            "suite": wishes.suite,
            "component": wishes.component,
            "date": date,
            "inrelease-sha256": hashlib.sha256(release.read_bytes()).hexdigest(),
            "index-path": index_path,
            "index-sha256": hashlib.sha256(index.read_bytes()).hexdigest(),
            "exclude": " ".join(wishes.exclude),
        },
        packages=tuple(sorted(_locked(index, found))),
    )


def _apt_folders(wishes: Wishes, archive: str, work: Path) -> Path:
    """Lay out apt's private folders below `work` and give its configuration file."""
    for folder in ("etc/preferences.d", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "state" / "status").write_text("", encoding="utf-8")
    source = (
        f"deb [arch={wishes.architecture} signed-by={KEYRING}] {archive} {wishes.suite} {wishes.component}\n"
    )
    (work / "etc" / "sources.list").write_text(source, encoding="utf-8")
    settings = {
        "Dir::Etc": f"{work}/etc",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": f"{work}/state",
        "Dir::State::Status": f"{work}/state/status",
        "Dir::Cache": f"{work}/cache",
        "APT::Architecture": wishes.architecture,
        "APT::Sandbox::User": "",
        "Acquire::Check-Valid-Until": "false",
        "Acquire::Languages": "none",
        "Acquire::GzipIndexes": "false",
        "Acquire::PDiffs": "false",
    }
    config = work / "apt.conf"
    text = "".join(f'{key} "{value}";\n' for key, value in settings.items())
    config.write_text(text + f'APT::Architectures {{ "{wishes.architecture}"; }};\n', encoding="utf-8")
    return config


def _apt(config: Path, words: list[str], what: str) -> str:
    """Run apt-get on the private folders; SysrootError with its last lines on failure."""
    environment = {**os.environ, "APT_CONFIG": str(config), "LC_ALL": "C.UTF-8"}
    command = ["apt-get", "-o", "APT::Update::Error-Mode=any", *words]
    done = commands.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise SysrootError(
            what,
            cause="apt-get said what is listed below",
            step="check the archive's address (setting sources.debian) and the wish list",
            detail=done.stderr.splitlines()[-10:],
        )
    return str(done.stdout)


def _one(folder: Path, pattern: str) -> Path:
    """Give the one file that apt left under a name of this kind."""
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise SysrootError(
            f"apt left {len(found)} files {pattern} in place of one",
            step="check that the archive has this suite, component and architecture",
        )
    return found[0]


def paragraphs(index: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Read a Packages index: each package's name with its single-line fields.

    Own code because the index has 65 MB and a general reader takes minutes for it.
    """
    name = ""
    fields: dict[str, str] = {}
    with index.open(encoding="utf-8") as lines:
        for line in lines:
            if line == "\n":
                if name:
                    yield name, fields
                name, fields = "", {}
            elif line[0] not in " \t":
                key, _, value = line.partition(":")
                fields[key] = value.strip()
                name = fields[key] if key == "Package" else name
    if name:
        yield name, fields


def _locked(index: Path, found: dict[str, str]) -> list[LockedPackage]:
    """Look up what apt chose in the index; SysrootError when something is not in it."""
    packages = [
        LockedPackage(
            name=name,
            version=fields["Version"],
            arch=fields["Architecture"],
            sha256=fields["SHA256"],
            size=int(fields["Size"]),
            path=fields["Filename"],
        )
        for name, fields in paragraphs(index)
        if found.get(name) == fields.get("Version") and all(key in fields for key in _FIELDS)
    ]
    lost = sorted(found.keys() - {package.name for package in packages})
    if lost:
        raise SysrootError(
            "apt chose packages that the suite's index does not list",
            cause=", ".join(lost),
            step="run it again",
        )
    return packages


def _release(release: Path, wishes: Wishes) -> tuple[str, str]:
    """Give the release file's date and the index's path by the hash in it."""
    text = release.read_text(encoding="utf-8")
    date = re.search(r"^Date: (.+)$", text, re.MULTILINE)
    return (
        date[1].strip() if date else "unknown",
        f"dists/{wishes.suite}/{wishes.component}/binary-{wishes.architecture}/Packages",
    )
