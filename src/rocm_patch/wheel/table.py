"""Read build/sonames/NAME.yml: which libraries and symbol versions a wheel may ask of a system.

Data and its schema; the rules made of it are in `check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rocm_patch.errors import DataError
from rocm_patch.paths import data_root

DEFAULT = "rocm-6.4"
Version = tuple[int, ...]
_VERSION = re.compile(r"([A-Z][A-Z_]*)_(\d+(?:\.\d+)*)")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Soname(_Strict):
    """One ROCm library's soname in Debian's packages and in AMD's; None where it is absent."""

    debian: str | None
    amd: str | None


class Allowed(_Strict):
    """A path that a wheel may name although it looks like a build's, and why.

    `path` and `file` are shell patterns.
    """

    path: str
    file: str
    reason: str


class Table(_Strict):
    """The whole file."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    floor: dict[str, str]
    numberless: tuple[str, ...]
    system: tuple[str, ...]
    auditwheel: str
    runpath: tuple[str, ...]
    allowed_paths: tuple[Allowed, ...] = ()
    rocm: dict[str, Soname]

    @property
    def floors(self) -> dict[str, Version]:
        """Give the newest allowed version of each family."""
        return {family: numbers(text) for family, text in self.floor.items()}

    @property
    def shared(self) -> frozenset[str]:
        """Give the ROCm sonames that both kinds of package have."""
        return frozenset(one.debian for one in self.rocm.values() if one.debian and one.debian == one.amd)

    @property
    def all_rocm(self) -> frozenset[str]:
        """Give every ROCm soname of either kind: none of them is vendored."""
        return frozenset(name for one in self.rocm.values() for name in (one.debian, one.amd) if name)

    def allows(self, version: str) -> bool:
        """Say whether a symbol version is at or below the floor; other families' are not judged."""
        split = split_version(version)
        if split is None:
            return version in self.numberless or not version.startswith(tuple(f"{f}_" for f in self.floor))
        family, number = split
        return family not in self.floor or number <= numbers(self.floor[family])


def numbers(text: str) -> Version:
    """Turn "3.4.32" into numbers that compare."""
    return tuple(int(part) for part in text.split("."))


def split_version(version: str) -> tuple[str, Version] | None:
    """Split GLIBC_2.38 into its family and number; None for a name without a number (GLIBC_PRIVATE)."""
    match = _VERSION.fullmatch(version)
    return (match[1], numbers(match[2])) if match else None


def newest(versions: Iterable[str], families: Iterable[str]) -> dict[str, str]:
    """Give the newest version of each family that is asked for, as text."""
    found: dict[str, Version] = {}
    wanted = set(families)
    for version in versions:
        split = split_version(version)
        if split is not None and split[0] in wanted:
            found[split[0]] = max(found.get(split[0], ()), split[1])
    return {family: ".".join(map(str, found[family])) for family in sorted(found)}


def sonames_file(name: str = DEFAULT) -> Path:
    """Give a table's file."""
    return data_root() / "build" / "sonames" / f"{name}.yml"


def load_table(name: str = DEFAULT) -> Table:
    """Read a table by its name. DataError where it breaks its schema."""
    path = sonames_file(name)
    try:
        content: Mapping[str, object] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Table.model_validate(content)
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise DataError(f"{path} is not usable", cause=str(error), step="restore it from git") from error
