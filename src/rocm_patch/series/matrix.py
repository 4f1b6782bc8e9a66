"""Component by version: what each series holds, and what of it was applied to real source.

Read from the patches' headers. docs/patches/matrix.md is this, written by `rocm-patch patch
matrix`; nothing of it is kept by hand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs
from packaging.version import Version

from rocm_patch.series.folder import Patch, Series, all_series
from rocm_patch.series.header import VERIFIED

VERIFIED_WORD, UNVERIFIED, NOT_NEEDED = "verified", "unverified", "not needed"


@attrs.frozen
class Cell:
    """One series: its patches by purpose, each with whether it was applied to real source."""

    component: str
    version: str
    patches: tuple[tuple[str, bool], ...]

    @property
    def state(self) -> str:
        """Give one word, or the count of what was verified where only a part was."""
        known = sum(1 for _, verified in self.patches if verified)
        if not self.patches:
            return NOT_NEEDED
        if known == len(self.patches):
            return VERIFIED_WORD
        return f"{known} of {len(self.patches)} verified" if known else UNVERIFIED

    def record(self) -> dict[str, object]:
        """Give what JSON shows."""
        patches = [{"purpose": purpose, "verified": verified} for purpose, verified in self.patches]
        return {"component": self.component, "version": self.version, "state": self.state, "patches": patches}


def verified(patch: Patch) -> bool:
    """Say whether a patch was applied to real source, as its header tells."""
    return patch.header.get(VERIFIED).startswith("yes")


def cells() -> list[Cell]:
    """Give every series of the project, by component and version."""
    found = []
    for component, version, folder in all_series():
        patches = tuple((patch.header.purpose, verified(patch)) for patch in Series.load(folder).patches)
        found.append(Cell(component, version, patches))
    return sorted(found, key=lambda cell: (cell.component, Version(cell.version)))


def markdown(found: Iterable[Cell], builds: Collection[tuple[str, str]]) -> str:
    """Write the page: a table for each component, its patches down, its versions across.

    `builds` names the components and versions that have build settings.
    """
    listed = list(found)
    lines = [
        "# Which patch is for which version", "",
        "Written by `rocm-patch patch matrix` from the patches' headers; a test compares.",
        "*verified*: applied, exactly, to real source of that version, with its test. *unverified*: its",
        "source could not be reached where the patch was written; `rocm-patch patch check COMPONENT",
        "VERSION --fetch` proves it where it can be. *not needed*: that version's series does not hold it.",
        "*build settings*: `none` where a version is declared (source, hash, series) and cannot be built",
        "yet, because no `recipes/COMPONENT/build.yml` says with what flags.",
    ]  # fmt: skip
    for component in dict.fromkeys(cell.component for cell in listed):
        lines += _table(component, [cell for cell in listed if cell.component == component], builds)
    return "\n".join(lines) + "\n"


def _table(component: str, own: list[Cell], builds: Collection[tuple[str, str]]) -> list[str]:
    purposes = dict.fromkeys(purpose for cell in own for purpose, _ in cell.patches)
    lines = ["", f"## {component}", ""]
    lines.append(" | ".join(["| Patch", *(cell.version for cell in own)]) + " |")
    lines.append("|---" * (len(own) + 1) + "|")
    lines += [
        " | ".join([f"| {purpose}", *(_mark(cell, purpose) for cell in own)]) + " |" for purpose in purposes
    ]
    lines.append(" | ".join(["| *series*", *(cell.state for cell in own)]) + " |")
    there = ["yes" if (component, cell.version) in builds else "none" for cell in own]
    lines.append(" | ".join(["| *build settings*", *there]) + " |")
    return lines


def _mark(cell: Cell, purpose: str) -> str:
    known = dict(cell.patches).get(purpose)
    return NOT_NEEDED if known is None else VERIFIED_WORD if known else UNVERIFIED
