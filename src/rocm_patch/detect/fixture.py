"""A machine in one YAML file: saved from what detect read, anonymised, and unpacked into a tree again.

Keys: `environment`, `user`, `files` (path: text), `binary` (path: base64), `empty`,
`folders`, `links` (path: target), `owners` (path: [uid, gid, "mode"]), `rpm`
([name, version-release, architecture, vendor] rows). Knows nothing of what detect concludes.
"""

from __future__ import annotations

import base64
import binascii
import re
import sqlite3
import struct
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from rocm_patch.detect.model import Report
from rocm_patch.detect.packages import WANTED
from rocm_patch.detect.system import VARIABLES
from rocm_patch.detect.tree import Tree
from rocm_patch.errors import UsageError

_LARGEST = 8 << 20
_KEPT_GROUPS = frozenset({"root", "video", "render", "sudo", "wheel", "users", "plugdev"})
_KEPT_FIELDS = ("Package:", "Status:", "Architecture:", "Version:", "Maintainer:")
_KEPT_WORDS = re.compile(
    r"(.*iommu.*|amdgpu\..*|.*blacklist=.*|nomodeset|pci=.*|pcie_.*|ro|quiet|splash|mem=.*)"
)
_SHORTEST_ROW = 4
_IDS = re.compile(r"^(unique_id|hive_id) (\d+)$", re.MULTILINE)
_SETTING = re.compile(rf"[ \t]*(?:export[ \t]+)?(?:{VARIABLES.pattern})=")
_MODULE_LINE = re.compile(r"[ \t]*(options|blacklist|install)[ \t]+amdgpu\b")
#: Names and addresses of a machine's sources are nobody's business: ours is written anew.
_SOURCES = ("/etc/apt/sources.list", "/etc/yum.repos.d", "/etc/zypp/repos.d", "/var/lib/apt/lists")
_RPM_TAGS = (1000, 1001, 1002, 1022, 1011)


def save(tree: Tree, report: Report, environment: Mapping[str, str]) -> str:
    """Give the YAML of what was read, without names, ids and serial numbers of this machine."""
    names = _Names(tree, report)
    data: dict[str, Any] = {"environment": {}, "user": names.hide(report.access.user or "")}
    kept = {name: value for name, value in environment.items() if VARIABLES.fullmatch(name)}
    data["environment"] = {name: names.hide(value) for name, value in sorted(kept.items())}
    files: dict[str, str] = {}
    binary: dict[str, str] = {}
    empty: list[str] = []
    for path, content in sorted(tree.seen.items()):
        if path.endswith("/rpmdb.sqlite") or path.startswith(_SOURCES):
            continue
        if content is None:
            empty.append(names.hide(path))
            continue
        try:
            files[names.hide(path)] = names.hide(_without(path, content.decode("utf-8"), names))
        except UnicodeDecodeError:
            binary[names.hide(path)] = base64.b64encode(content).decode("ascii")
    folders = []
    for path in sorted(tree.listed - tree.seen.keys() - tree.links.keys()):
        if path.startswith(_SOURCES):
            continue
        local = tree.root / path[1:]
        if local.is_symlink():
            tree.links.setdefault(path, str(local.readlink()))
        elif local.is_dir():
            folders.append(names.hide(path))
        elif not path.endswith("/rpmdb.sqlite"):
            empty.append(names.hide(path))
    files |= _repositories(report)
    rpm = [
        [p.name, p.version, p.architecture or "", _vendor(p.origin)]
        for p in report.packages
        if p.manager == "rpm"
    ]
    data |= {"files": files, "binary": binary, "empty": sorted(empty), "folders": folders, "rpm": rpm}
    data["links"] = {names.hide(path): names.hide(to) for path, to in sorted(tree.links.items())
                     if not path.startswith(_SOURCES)}  # fmt: skip
    data["owners"] = {
        path: [owner[0] and 1000, owner[1], f"{owner[2]:04o}"]
        for path in sorted(tree.seen)
        if path.startswith("/dev/") and (owner := tree.owner(path))
    }
    kept = {key: value for key, value in data.items() if value}
    return yaml.dump(kept, Dumper=_Dumper, sort_keys=False, width=1000)


def _repositories(report: Report) -> dict[str, str]:
    """Give files in which detect finds this project's repository again, at an address that is no one's."""
    files = {}
    for one in report.repositories:
        if one.manager != "apt":
            folder = {"dnf": "/etc/yum.repos.d", "zypper": "/etc/zypp/repos.d"}[one.manager]
            section = f"[rocm-patch-{one.suite}]\nbaseurl=http://repository.invalid/rpm/{one.suite}\n"
            files[f"{folder}/rocm-patch.repo"] = section
            continue
        entry = f"Types: deb\nURIs: http://repository.invalid/apt\nSuites: {one.suite}\nComponents: main\n"
        files["/etc/apt/sources.list.d/rocm-patch.sources"] = entry
        start = f"/var/lib/apt/lists/repository.invalid_apt_dists_{one.suite}_"
        if one.lists != "absent":
            files[f"{start}InRelease"] = "Origin: rocm-patch\n"
        if one.lists == "read":
            rows = (f"Package: {name}\nVersion: 1+gfx1010.1\n" for name in one.offers)
            files[f"{start}main_binary-amd64_Packages"] = "\n".join(rows)
    return files


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a person can review what is given away."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _vendor(origin: str) -> str:
    return "Advanced Micro Devices, Inc." if origin == "amd" else ""


class _Names:
    """Replaces what tells one machine from another."""

    def __init__(self, tree: Tree, report: Report) -> None:
        people = {name for name in tree.names("/home") if len(name) > 1}
        if report.access.user and not report.access.user.isdecimal():
            people.add(report.access.user)
        self.user = report.access.user or "user"
        self.people = sorted(people - {"root", "user"}, key=len, reverse=True)
        self.ids: dict[str, int] = {}

    def hide(self, text: str) -> str:
        for name in self.people:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", "user", text)
        text = re.sub(r"\b[0-9a-f]{64}\b", "0" * 64, text)
        return re.sub(
            r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000000", text
        )

    def number(self, text: str) -> int:
        """Give one small number for each id, so that equal ids stay equal."""
        return 0 if not text.strip("0") else self.ids.setdefault(text, len(self.ids) + 1)


def _without(path: str, text: str, names: _Names) -> str:
    """Take out of a file what detect does not need of it."""
    changes: list[tuple[str, Callable[[], str]]] = [
        (r".*/properties", lambda: re.sub(_IDS, lambda m: f"{m[1]} {names.number(m[2])}", text)),
        (r".*/unique_id", lambda: f"{names.number(text.strip()):016x}\n"),
        (
            r"/proc/cmdline",
            lambda: " ".join(word for word in text.split() if _KEPT_WORDS.fullmatch(word)) + "\n",
        ),
        (r"/etc/passwd", lambda: _fields(text, lambda fields: _person(fields, names.user))),
        (r"/etc/group", lambda: _fields(text, lambda fields: _group(fields, names.user))),
        (r"/var/lib/dpkg/status", lambda: _status(text)),
        (r".*/(environment|(environment|profile)\.d/.*)", lambda: _lines(text, _SETTING)),
        (r".*/modprobe\.d/.*", lambda: _lines(text, _MODULE_LINE)),
    ]
    return next((change() for pattern, change in changes if re.fullmatch(pattern, path)), text)


def _lines(text: str, wanted: re.Pattern[str]) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if wanted.match(line))


def _fields(text: str, change: Callable[[list[str]], str]) -> str:
    rows = (line.split(":") for line in text.splitlines())
    return "".join(change(fields) for fields in rows if len(fields) >= _SHORTEST_ROW)


def _person(fields: list[str], user: str) -> str:
    return f"{fields[0]}:x:{fields[2]}:{fields[3]}::/:/bin/sh\n" if fields[0] in {"root", user} else ""


def _group(fields: list[str], user: str) -> str:
    member = user in fields[3].strip().split(",")
    if not (member or fields[0] in _KEPT_GROUPS or fields[0] == user):
        return ""
    return f"{fields[0]}:x:{fields[2]}:{user if member else ''}\n"


def _status(text: str) -> str:
    kept = []
    for paragraph in text.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line.startswith(_KEPT_FIELDS)]
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("Package:")), "")
        if WANTED.match(name):
            kept.append("\n".join(lines) + "\n")
    return "\n".join(kept)


def load(path: Path) -> dict[str, Any]:
    """Read a fixture. UsageError where it is none."""
    try:
        with path.open("rb") as stream:
            data = yaml.safe_load(stream.read(_LARGEST))
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(data, dict):
        raise _unusable(path, "it is no mapping")
    for key in ("environment", "files", "binary", "links", "owners"):
        if not isinstance(data.setdefault(key, {}), dict):
            raise _unusable(path, f"`{key}` is no mapping")
    for key in ("empty", "folders", "rpm"):
        if not isinstance(data.setdefault(key, []), list):
            raise _unusable(path, f"`{key}` is no list")
    return data


def unpack(data: Mapping[str, Any], folder: Path, source: Path) -> Tree:
    """Write a loaded fixture below `folder`, an empty one, and give its tree."""
    try:
        for path in data["folders"]:
            _inside(folder, path).mkdir(parents=True, exist_ok=True)
        for path in data["empty"]:
            _write(folder, path, b"")
        for path, text in data["files"].items():
            _write(folder, path, str(text).encode())
        for path, text in data["binary"].items():
            _write(folder, path, base64.b64decode(text, validate=True))
        for path, target in data["links"].items():
            place = _inside(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(str(target))
        if data["rpm"]:
            _rpm_database(_inside(folder, "/var/lib/rpm/rpmdb.sqlite"), data["rpm"])
        owners = {path: (int(u), int(g), int(mode, 8)) for path, (u, g, mode) in data["owners"].items()}
    except (OSError, ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise _unusable(source, str(error)) from error
    return Tree(folder, owners=owners)


def _inside(folder: Path, path: str) -> Path:
    """Give a place below the folder. Links are made last, so no path can lead through one."""
    parts = str(path).strip("/").split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise ValueError(f"{path!r} is no plain absolute path")
    return folder.joinpath(*parts)


def _write(folder: Path, path: str, content: bytes) -> None:
    place = _inside(folder, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def _rpm_database(place: Path, rows: list[list[str]]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(place)) as base, base:
        base.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        base.execute("CREATE TABLE Name (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)")
        for row, (name, version, arch, vendor) in enumerate(rows, start=1):
            number, _, release = version.rpartition("-")
            blob = rpm_header(dict(zip(_RPM_TAGS, (name, number, release, arch, vendor), strict=True)))
            base.execute("INSERT INTO Packages VALUES (?, ?)", (row, blob))
            base.execute("INSERT INTO Name VALUES (?, ?, 0)", (name, row))


def rpm_header(tags: Mapping[int, str]) -> bytes:
    """Write string tags as a header of rpm's database."""
    index, data = b"", b""
    for tag, value in tags.items():
        index += struct.pack(">IIII", tag, 6, len(data), 1)
        data += value.encode() + b"\0"
    return struct.pack(">II", len(tags), len(data)) + index + data


def _unusable(path: Path, cause: str) -> UsageError:
    return UsageError(
        f"{path} is no saved machine",
        cause=cause,
        step="give a folder, or a file made by `rocm-patch detect --save`",
    )
