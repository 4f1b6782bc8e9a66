"""One generation of all repositories, made beside the present one and exchanged with it in one step.

A client that is in the middle of reading finds the files of the generation before as well.
Knows dist/'s folders; what a kind of repository looks like is apt's, rpm's and the index's business.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
from filelock import FileLock, Timeout

from rocm_patch.errors import BusyError, UsageError
from rocm_patch.index import build_index
from rocm_patch.index.simple import exchange
from rocm_patch.packaging.build import PACKAGES
from rocm_patch.repo.apt import link_or_copy, write_apt
from rocm_patch.repo.clients import write_clients
from rocm_patch.repo.keys import Key
from rocm_patch.repo.rpm import write_rpm

MARKER = ".rocm-patch-repository"
GENERATION = "generation.json"


@attrs.frozen
class Published:
    """Where the repositories are and what they hold."""

    root: Path
    key: Key
    debs: Mapping[str, int]
    rpms: Mapping[str, int]
    wheels: int


def publish(dist: Path, out: Path, key: Key, *, url: str, epoch: int | None = None) -> Published:
    """Make all repositories of `dist` in `out`, in place of an earlier generation.

    Killed at any moment, it leaves the generation before whole; the next run removes what was left.
    UsageError where there is nothing to publish, BusyError where another run works there.
    """
    if out.exists() and not (out / MARKER).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} is not replaced",
            cause="it holds something that is no repository made by rocm-patch",
            step="name another folder with --out",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out.parent / f".{out.name}.lock")
    try:
        with lock.acquire(timeout=0):
            for left in out.parent.glob(f".{out.name}-new-*"):
                shutil.rmtree(left)
            fresh = out.parent / f".{out.name}-new-{uuid.uuid4().hex[:8]}"
            try:
                made = _write(fresh, dist, out, key, url=url, epoch=epoch or int(time.time()))
                exchange(fresh, out)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
                key.close()
    except Timeout as error:
        raise BusyError(
            f"another run is publishing to {out}", step="wait for it, or end it, and run again"
        ) from error
    return made


def _write(fresh: Path, dist: Path, out: Path, key: Key, *, url: str, epoch: int) -> Published:
    debs, rpms = _found(dist, "deb"), _found(dist, "rpm")
    wheels = sorted(dist.glob("*.whl"))
    if not (debs or rpms or wheels):
        raise UsageError(
            f"there is nothing to publish in {dist}",
            cause=f"no package below {PACKAGES}/ and no wheel",
            step="make packages first: ./nox -s package",
        )
    fresh.mkdir()
    (fresh / MARKER).write_text("made by rocm-patch repo; replaced as a whole\n", encoding="utf-8")
    (fresh / "keys").mkdir()
    (fresh / "keys" / "rocm-patch.asc").write_text(key.public(), encoding="utf-8")
    own: dict[str, list[str]] = {"apt": [], "rpm": []}
    if debs:
        own["apt"] = write_apt(fresh / "apt", debs, key, epoch=epoch)
    if rpms:
        own["rpm"] = write_rpm(fresh / "rpm", rpms, key, epoch=epoch)
    if wheels:
        build_index(dist, fresh / "pypi")
    write_clients(fresh, url=url, key=key, apt=list(debs), rpm=list(rpms), wheels=wheels)
    files = [f"{kind}/{name}" for kind, names in own.items() for name in names]
    _carry_over(out, fresh)
    (fresh / GENERATION).write_text(json.dumps({"time": epoch, "own": files}, indent=1) + "\n", "utf-8")
    return Published(out, key, _counts(debs), _counts(rpms), len(wheels))


def _counts(found: Mapping[str, Sequence[Path]]) -> dict[str, int]:
    return {name: len(paths) for name, paths in found.items()}


def _found(dist: Path, format_: str) -> dict[str, Sequence[Path]]:
    """Give the packages of a format by layout; each layout is a suite of its own."""
    found = {
        folder.parent.name: sorted(folder.glob(f"*.{format_}"))
        for folder in sorted((dist / PACKAGES).glob(f"*/{format_}"))
    }
    return {name: paths for name, paths in found.items() if paths}


def _carry_over(old: Path, fresh: Path) -> None:
    """Keep what the generation before listed of its own: not what it had carried over itself."""
    record = old / GENERATION
    if not record.is_file():
        return
    for name in json.loads(record.read_text("utf-8"))["own"]:
        source, target = old / name, fresh / name
        if source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(source, target)
