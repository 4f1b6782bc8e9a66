"""The pages and files of the index, and the exchange of a whole output folder at once.

Knows PEP 503 (HTML), PEP 691 (JSON) and PEP 658/714 (metadata files). Knows
nothing of servers: the pages are static, links are relative, so the folder works
below any address.
"""

from __future__ import annotations

import ctypes
import errno
import html
import json
import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rocm_patch.errors import UsageError, WheelError
from rocm_patch.index.wheel import IndexedWheel, read_wheel

#: A folder that holds this file is ours to replace.
MARKER = ".rocm-patch-index"
API_VERSION = "1.1"


@dataclass(frozen=True)
class IndexResult:
    """Where the index is, and how many projects, files and bytes it has."""

    root: Path
    projects: int
    files: int
    bytes: int


def build_index(dist: Path, out: Path) -> IndexResult:
    """Index every wheel below `dist` in `out` (simple/ and files/), replacing an earlier index at once.

    Raises UsageError where there is no wheel or `out` is not an index, WheelError for
    a wheel that is malformed.
    """
    if out.exists() and not (out / MARKER).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} is not replaced",
            cause="it holds something that is no index made by rocm-patch",
            step="name another folder with --out",
        )
    wheels = _collect(dist, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.parent / f".{out.name}-{uuid.uuid4().hex[:12]}"
    try:
        _write(fresh, wheels)
        exchange(fresh, out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    projects = {w.project for w in wheels}
    return IndexResult(out, len(projects), len(wheels), sum(w.size for w in wheels))


def _collect(dist: Path, out: Path) -> list[IndexedWheel]:
    """Read the wheels below a folder, leaving out an index that stands inside it."""
    paths = sorted(p for p in dist.rglob("*.whl") if p.is_file() and not _in_index(p, dist, out))
    wheels: dict[str, IndexedWheel] = {}
    for path in paths:
        wheel = read_wheel(path)
        known = wheels.setdefault(path.name, wheel)
        if known.sha256 != wheel.sha256:
            raise WheelError(
                f"{path.name} is there twice with different content",
                cause=f"{known.path} and {path}",
                step="keep one of them: an index can hold a file name once",
            )
    if not wheels:
        raise UsageError(
            f"there is no wheel in {dist}",
            cause="an index needs one",
            step="build one, or name another folder",
        )
    return sorted(wheels.values(), key=lambda w: (w.project, w.version, w.path.name))


def _in_index(path: Path, dist: Path, out: Path) -> bool:
    """Say whether a wheel belongs to an index (this one, another, or one being made)."""
    for parent in path.parents:
        if parent == out or (parent / MARKER).is_file():
            return True
        if parent == dist:
            return False
    return False


def _write(root: Path, wheels: list[IndexedWheel]) -> None:
    """Write the whole folder."""
    files = root / "files"
    files.mkdir(parents=True)
    (root / MARKER).write_text("made by rocm-patch index; replaced as a whole\n", encoding="utf-8")
    projects: dict[str, list[IndexedWheel]] = defaultdict(list)
    for wheel in wheels:
        projects[wheel.project].append(wheel)
        _place(wheel.path, files / wheel.path.name)
        (files / f"{wheel.path.name}.metadata").write_bytes(wheel.metadata)
    simple = root / "simple"
    for project, members in projects.items():
        links = [_anchor(w) for w in members]
        _page(simple / project, f"Links for {project}", links, _project_json(project, members))
    names = sorted(projects)
    anchors = [f'<a href="{quote(n)}/">{html.escape(n)}</a>' for n in names]
    listing = {"meta": {"api-version": API_VERSION}, "projects": [{"name": n} for n in names]}
    _page(simple, "Simple index", anchors, listing)


def _place(source: Path, target: Path) -> None:
    """Link a wheel into the index; copy where the file system cannot."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
            raise
        shutil.copy2(source, target)


def _url(wheel: IndexedWheel) -> str:
    """Give the address relative to the project's page; '+' of a local version is escaped."""
    return f"../../files/{quote(wheel.path.name, safe='')}"


def _anchor(wheel: IndexedWheel) -> str:
    """Write one file's line of a project page."""
    core = f"sha256={wheel.metadata_sha256}"
    attributes = {
        "href": f"{_url(wheel)}#sha256={wheel.sha256}",
        # PEP 714 renamed it; pip before 23.2 knows the old name only.
        "data-core-metadata": core,
        "data-dist-info-metadata": core,
    }
    if wheel.requires_python:
        attributes["data-requires-python"] = wheel.requires_python
    text = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
    return f"<a {text}>{html.escape(wheel.path.name)}</a>"


def _project_json(project: str, wheels: list[IndexedWheel]) -> dict[str, Any]:
    """Make a project's page in PEP 691's form."""
    files = []
    for wheel in wheels:
        core = {"sha256": wheel.metadata_sha256}
        entry: dict[str, Any] = {
            "filename": wheel.path.name,
            "url": _url(wheel),
            "hashes": {"sha256": wheel.sha256},
            "size": wheel.size,
            "core-metadata": core,
            "dist-info-metadata": core,
            "yanked": False,
        }
        if wheel.requires_python:
            entry["requires-python"] = wheel.requires_python
        files.append(entry)
    versions = sorted({w.version for w in wheels})
    return {
        "meta": {"api-version": API_VERSION},
        "name": project,
        "versions": [str(v) for v in versions],
        "files": files,
    }


def _page(folder: Path, title: str, anchors: Iterable[str], data: dict[str, Any]) -> None:
    """Write a page as index.html and, for servers that negotiate, as index.json."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "  <head>",
        '    <meta charset="utf-8">',
        f'    <meta name="pypi:repository-version" content="{API_VERSION}">',
        f"    <title>{html.escape(title)}</title>",
        "  </head>",
        "  <body>",
        f"    <h1>{html.escape(title)}</h1>",
        *(f"    {anchor}<br>" for anchor in anchors),
        "  </body>",
        "</html>",
        "",
    ]
    (folder / "index.html").write_text("\n".join(lines), encoding="utf-8")
    (folder / "index.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def exchange(fresh: Path, out: Path) -> None:
    """Put the new folder in the old one's place; the old one then has the new one's name.

    Linux exchanges two names in one step (renameat2). Where the file system cannot,
    the old folder steps aside first, and comes back if the second rename fails.
    """
    if not out.exists():
        fresh.rename(out)
        return
    rename_exchange = 2
    at_cwd = -100
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(at_cwd, os.fsencode(fresh), at_cwd, os.fsencode(out), rename_exchange)
    if done == 0:
        return
    code = ctypes.get_errno()
    if code not in {errno.ENOSYS, errno.EINVAL}:
        raise OSError(code, os.strerror(code), str(out))
    aside = fresh.with_name(f"{fresh.name}-old")
    out.rename(aside)
    try:
        fresh.rename(out)
    except OSError:
        aside.rename(out)
        raise
    aside.rename(fresh)
