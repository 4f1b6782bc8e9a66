"""A distribution package before it has a format: names, needs, files, texts.

Plain records, and how a relation is written for dpkg and for rpm. Nothing here reads or writes files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from rocm_patch.packaging.layout import Format

_DEB_OPERATOR = {"<": "<<", ">": ">>"}


@attrs.frozen
class Relation:
    """A need: one of `names`; with `operator` (=, >=, <, ...) and `version` where it has one name."""

    names: tuple[str, ...]
    operator: str = ""
    version: str = ""

    def text(self, format_: Format) -> str:
        """Write it as the format does."""
        if format_ == "deb":
            operator = _DEB_OPERATOR.get(self.operator, self.operator)
            tail = f" ({operator} {self.version})" if operator else ""
            return " | ".join(f"{name}{tail}" for name in self.names)
        tail = f" {self.operator} {self.version}" if self.operator else ""
        words = [f"{name}{tail}" for name in self.names]
        return words[0] if len(words) == 1 else f"({' or '.join(words)})"


@attrs.frozen
class Content:
    """One installed file: its absolute path, and its bytes (a file, or given) or link target."""

    path: str
    source: Path | bytes | None = None
    executable: bool = False
    link: str | None = None


@attrs.frozen
class Change:
    """One changelog entry: the package version it came with and what was done."""

    version: str
    lines: tuple[str, ...]


@attrs.frozen
class Package:
    """A package. `version` is upstream's, `revision` the packager's; both formats join them by a hyphen."""

    name: str
    version: str
    revision: str
    section: str
    summary: str
    description: tuple[str, ...]
    licence: str
    epoch: int
    contents: Sequence[Content]
    #: Texts for the copyright file: title -> text.
    licences: dict[str, str]
    changes: tuple[Change, ...]
    sbom: bytes
    architecture: str = "amd64"
    depends: tuple[Relation, ...] = ()
    #: Relations already in the format's own words (a stock package's).
    depends_as_is: tuple[str, ...] = ()
    provides: tuple[Relation, ...] = ()
    conflicts: tuple[Relation, ...] = ()
    #: Of .deb only: stock files of other packages that step aside while this one is installed.
    diverts: tuple[str, ...] = ()
    #: The Python (3.13) whose modules these are; the distribution's own tool compiles them (.deb).
    python: str = ""
    #: Shared libraries in a folder that ldconfig looks into.
    ldconfig: bool = False
    #: Of .deb only: further control files of a library's package, name -> text.
    link_records: dict[str, str] = attrs.field(factory=dict)

    @property
    def full_version(self) -> str:
        """Version and revision."""
        return f"{self.version}-{self.revision}" if self.revision else self.version

    def file_name(self, format_: Format) -> str:
        """Give the file's name by the format's custom."""
        if format_ == "deb":
            return f"{self.name}_{self.full_version}_{self.architecture}.deb"
        return f"{self.name}-{self.full_version}.{RPM_ARCHITECTURE[self.architecture]}.rpm"


RPM_ARCHITECTURE = {"amd64": "x86_64", "all": "noarch"}
