"""METADATA, WHEEL and the file name: what a wheel says of itself.

Knows the core metadata's and the wheel's form. Knows nothing of how the values are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rocm_patch.errors import WheelError
from rocm_patch.wheel.table import Table

_TAG = re.compile(r"(cp\d+)-(\w+)-(\w+)")
#: How each family of symbol versions is called in Requires-External.
_NAMES = {"GLIBC": "glibc", "GLIBCXX": "libstdc++ (GLIBCXX)", "CXXABI": "libstdc++ (CXXABI)", "GCC": "libgcc"}


def headers(text: str) -> list[tuple[str, str]]:
    """Read the header lines of METADATA or WHEEL, without the description."""
    head = text.partition("\n\n")[0]
    return [(key, value.strip()) for key, _, value in (line.partition(":") for line in head.splitlines())]


def values(text: str, name: str) -> list[str]:
    """Give every value of a header."""
    return [value for key, value in headers(text) if key.lower() == name.lower()]


def external_lines(floors: Mapping[str, str], sonames: Iterable[str], table: Table) -> list[str]:
    """Give Requires-External: the floors that were computed, the ROCm that is needed, its libraries."""
    del table
    lines = [f"{_NAMES.get(family, family)} (>={version})" for family, version in floors.items()]
    return [*lines, "ROCm (>=6.4,<6.5)", *sorted(sonames)]


def set_external(folder: Path, lines: Iterable[str]) -> None:
    """Put the Requires-External lines into METADATA, in place of any that are there."""
    path = folder / "METADATA"
    text = path.read_text(encoding="utf-8")
    head, blank, body = text.partition("\n\n")
    kept = [line for line in head.splitlines() if not line.lower().startswith("requires-external:")]
    kept += [f"Requires-External: {line}" for line in lines]
    path.write_text("\n".join(kept) + (blank + body if blank else "\n"), encoding="utf-8")


def set_licence_files(folder: Path, names: Iterable[str]) -> None:
    """Name licence files in METADATA; they lie below .dist-info/licenses (PEP 639).

    The header needs metadata version 2.4; an older METADATA is left as it is, since
    installers take every file of .dist-info anyway.
    """
    path = folder / "METADATA"
    text = path.read_text(encoding="utf-8")
    if values(text, "Metadata-Version") < ["2.4"]:
        return
    head, blank, body = text.partition("\n\n")
    known = set(values(text, "License-File"))
    lines = [*head.splitlines(), *(f"License-File: {name}" for name in names if name not in known)]
    path.write_text("\n".join(lines) + (blank + body if blank else "\n"), encoding="utf-8")


def tags_of(folder: Path) -> list[str]:
    """Give the tags that WHEEL lists."""
    return values((folder / "WHEEL").read_text(encoding="utf-8"), "Tag")


def manylinux_tag(tag: str, floors: Mapping[str, str]) -> str:
    """Turn cp313-cp313-linux_x86_64 into the manylinux tag of the computed glibc floor. WheelError."""
    match = _TAG.fullmatch(tag)
    if match is None or "GLIBC" not in floors:
        raise WheelError(f"no manylinux tag follows from {tag}", cause="it is no tag of a Linux wheel")
    glibc = floors["GLIBC"].replace(".", "_")
    return f"{match[1]}-{match[2]}-manylinux_{glibc}_x86_64"


def set_tags(folder: Path, tags: Iterable[str]) -> None:
    """Write WHEEL's tags, the rest of the file as it is; Root-Is-Purelib must be false. WheelError."""
    path = folder / "WHEEL"
    text = path.read_text(encoding="utf-8")
    if values(text, "Root-Is-Purelib") != ["false"]:
        raise WheelError("a wheel with libraries says that it is pure Python", step="build it again")
    kept = [line for line in text.splitlines() if line and not line.startswith(("Tag:", "Build:"))]
    path.write_text("\n".join([*kept, *(f"Tag: {tag}" for tag in tags)]) + "\n", encoding="utf-8")


def file_name(folder: Path, tag: str) -> str:
    """Give the wheel's file name by METADATA's name and version. WheelError where they are absent."""
    text = (folder / "METADATA").read_text(encoding="utf-8")
    name, version = values(text, "Name"), values(text, "Version")
    if len(name) != 1 or len(version) != 1:
        raise WheelError("METADATA has no one name and version", step="build the wheel again")
    return f"{re.sub(r'[-_.]+', '_', name[0]).lower()}-{version[0]}-{tag}.whl"
