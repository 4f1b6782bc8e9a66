"""What lies in a folder of dist/packages: each finished package, by the bill of materials beside it.

A meta-package is made over these, so that a run that makes one package does not forget the others.
Knows our bills' form; nothing of how packages are made.
"""

from __future__ import annotations

import calendar
import functools
import json
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
from packaging.version import InvalidVersion, Version

from rocm_patch.packaging.layout import Format
from rocm_patch.packaging.versions import compare

_FACT = "rocm-patch:sdk:"
_VENDORED = {"name": "rocm-patch:how", "value": "vendored"}
_RELEASE = re.compile(r"\+rocm(\d[\d.]*\d)")


@attrs.frozen
class Lying:
    """A finished package of one target. `epoch` is its SOURCE_DATE_EPOCH in seconds."""

    file: Path
    name: str
    version: str
    licence: str
    epoch: int
    #: What it holds: rocblas, torch.
    component: str
    #: The ROCm release that it was built for; empty where it says none.
    rocm: str
    #: Loose kernels beside a library, which another package of the same component may hold.
    kernels: bool = False

    @property
    def bill(self) -> Path:
        """The bill of materials beside it."""
        return bill_of(self.file)


def bill_of(file: Path) -> Path:
    """Give the path of the bill of materials beside a package."""
    return file.with_name(f"{file.name}.cdx.json")


def read_shelf(folder: Path, format_: Format, target: str, say: Callable[[str], None]) -> Iterator[Lying]:
    """Give the packages of a target in a folder, meta-packages too; `say` is told of those without a bill."""
    for file in sorted(folder.glob(f"*.{format_}")):
        bill = bill_of(file)
        try:
            data = json.loads(bill.read_bytes())
            found = _read(file, data, target)
        except (OSError, ValueError, LookupError, TypeError, StopIteration) as error:
            say(f"{file.name} in the meta-package: {bill.name} beside it cannot be read ({error})")
            continue
        if found is not None:
            yield found


def newest_release(packages: Collection[Lying]) -> str:
    """Give the newest ROCm release that packages were built for; empty where none says one."""
    return max((one.rocm for one in packages), key=_order, default="")


def covered(
    found: Sequence[Lying], made: Collection[Path], format_: Format, say: Callable[[str], None]
) -> list[Lying]:
    """Choose what a meta-package asks for: all that this run made, and of the rest what goes with it.

    Of a component's packages that lie there, one counts: the last version. Those for another release of
    ROCm (6.3 beside 6.4) cannot be installed together with this run's, and `say` is told of them.
    """
    fresh = [one for one in found if one.file in made]
    taken = {(one.component, one.kernels) for one in fresh}
    release = _minor(newest_release(fresh))
    groups: dict[tuple[str, bool], list[Lying]] = {}
    for one in found:
        key = (one.component, one.kernels)
        if key in taken:
            continue
        if release and one.rocm and _minor(one.rocm) != release:
            say(f"{one.file.name} in the meta-package: it is for ROCm {one.rocm}")
            continue
        groups.setdefault(key, []).append(one)
    order = functools.cmp_to_key(functools.partial(_later, format_=format_))
    return sorted([*fresh, *(max(group, key=order) for group in groups.values())], key=lambda one: one.name)


def _read(file: Path, bill: dict[str, Any], target: str) -> Lying | None:
    """Read a bill. None where it is another target's. LookupError, StopIteration where it is not ours."""
    subject = bill["metadata"]["component"]
    facts: dict[str, str] = {
        one["name"].removeprefix(_FACT): one["value"]
        for one in subject["properties"]
        if one["name"].startswith(_FACT)
    }
    name = subject["name"]
    targets = facts.get("targets", facts.get("target", "")).split(",")
    if target not in targets:
        return None
    component = next(one["name"] for one in bill["components"] if _VENDORED in one["properties"])
    # A wheel's version names the release that it was built with.
    label = _RELEASE.search(subject["version"])
    return Lying(
        file=file,
        name=name,
        version=subject["version"],
        licence=subject["licenses"][0]["license"]["id"],
        epoch=calendar.timegm(time.strptime(bill["metadata"]["timestamp"], "%Y-%m-%dT%H:%M:%SZ")),
        component=component,
        rocm=facts.get("rocm", label[1] if label else ""),
        kernels=name.endswith("-kernels"),
    )


def _later(left: Lying, right: Lying, *, format_: Format) -> int:
    """Order two packages of one component: by version, then by when they were made."""
    return compare(left.version, right.version, format_) or (
        int(left.file.stat().st_mtime_ns > right.file.stat().st_mtime_ns) * 2 - 1
    )


def _order(release: str) -> Version:
    try:
        return Version(release)
    except InvalidVersion:
        return Version("0")


def _minor(release: str) -> tuple[str, ...]:
    return tuple(release.split(".")[:2]) if release else ()
