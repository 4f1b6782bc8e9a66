"""Prove of each patch of a series that it is complete, needed and exact.

Reads the series' folder, the tests' sources and, if given, a tree; writes nothing.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import attrs
from packaging.version import InvalidVersion, Version

from rocm_patch.errors import SeriesError
from rocm_patch.series import journal, quilt
from rocm_patch.series.folder import SERIES_FILE, Patch, Series, read_entries
from rocm_patch.series.tree import FileState, Layer, apply_changes

_NAME = re.compile(r"^(\d{4})-[a-z0-9][a-z0-9.+-]*\.patch$")
#: Beside `series` and patches, only these may lie in a version's folder.
_OTHER_FILES = ("README", "README.md", "licence", "LICENSE")


@attrs.frozen
class Finding:
    """One breach of a rule. `patch` is empty where the whole folder is meant."""

    patch: str
    rule: str
    text: str

    def __str__(self) -> str:
        """One line for a terminal."""
        return f"{self.patch or SERIES_FILE}: {self.text} [{self.rule}]"


def check(folder: Path, version: str, *, root: Path, tree: Path | None = None) -> list[Finding]:
    """Give every finding; an empty list means that the series is in order.

    `root` is the project's folder, below which tests are looked up. Without `tree`
    nothing is said about applying. Raises SeriesError only for an unreadable folder.
    """
    present = {path.name for path in folder.glob("*.patch")} if folder.is_dir() else set()
    entries = read_entries(folder)
    findings = [
        Finding(entry.name, "files", "named in series, but there is no such file")
        for entry in entries
        if entry.name not in present
    ]
    known = {entry.name for entry in entries}
    findings += [Finding(name, "files", "not named in series") for name in sorted(present - known)]
    if folder.is_dir():
        findings += [
            Finding(path.name, "files", f"neither a patch nor one of {', '.join(_OTHER_FILES)}")
            for path in sorted(folder.iterdir())
            if path.suffix != ".patch" and path.name not in (SERIES_FILE, *_OTHER_FILES)
        ]
    patches = [Patch(entry, (folder / entry.name).read_bytes()) for entry in entries if entry.name in present]
    findings += _order(patches)
    for patch in patches:
        findings += [Finding(patch.name, "header", text) for text in patch.header.problems()]
        findings += _range(patch, version)
        findings += _tests(patch, root)
        findings += _content(patch)
    if tree is not None and not any(finding.rule in ("files", "content") for finding in findings):
        findings += _on_tree(Series(folder, tuple(patches)), tree)
    return findings


def _order(patches: list[Patch]) -> list[Finding]:
    found = []
    last = 0
    for patch in patches:
        match = _NAME.match(patch.name)
        if match is None:
            found.append(Finding(patch.name, "name", "is not named NNNN-purpose.patch in lower case"))
            continue
        if int(match[1]) <= last:
            found.append(Finding(patch.name, "name", f"its number does not rise above {last:04d}"))
        last = int(match[1])
    return found


def _range(patch: Patch, version: str) -> list[Finding]:
    try:
        here = Version(version)
    except InvalidVersion:
        return [Finding(patch.name, "range", f"{version} cannot be compared: no version after PEP 440")]
    found = []
    wanted = patch.header.versions
    if wanted is not None and not wanted.contains(here, prereleases=True):
        found.append(
            Finding(patch.name, "range", f"says it is for {wanted}, but the series is for {version}")
        )
    upstream = patch.header.applied_upstream
    if upstream is not None and upstream <= here:
        found.append(Finding(patch.name, "upstream", f"upstream has it since {upstream}: not needed"))
    return found


def _tests(patch: Patch, root: Path) -> list[Finding]:
    return [
        Finding(patch.name, "test", f"there is no test {node}")
        for node in patch.header.tests
        if "::" in node and not node_exists(root, node)
    ]


def node_exists(root: Path, node: str) -> bool:
    """Say whether a pytest node id names a function (in classes, if any) in a file below `root`."""
    file, *path = node.split("[", 1)[0].split("::")
    source = root / file
    if ".." in Path(file).parts or not source.is_file():
        return False
    try:
        body: list[ast.stmt] = ast.parse(source.read_bytes()).body
    except SyntaxError:
        return False
    for number, name in enumerate(path):
        last = number == len(path) - 1
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef) if last else (ast.ClassDef,)
        match = next((item for item in body if isinstance(item, kinds) and item.name == name), None)
        if match is None:
            return False
        body = match.body
    return bool(path)


def _content(patch: Patch) -> list[Finding]:
    try:
        changes = patch.changes
    except SeriesError as error:
        return [Finding(patch.name, "content", f"{error.what}. {error.cause}".rstrip(". "))]
    return [] if changes else [Finding(patch.name, "content", "holds no change of any file")]


def _on_tree(series: Series, tree: Path) -> list[Finding]:
    """Apply the series to the tree as it was before any patch, whole and with each patch left out."""
    with journal.locked(tree):
        if journal.pending(tree):
            raise SeriesError(
                f"{tree}: an earlier run was cut off", step="`rocm-patch patch apply` completes it"
            )
        applied = quilt.read_applied(tree, series)
        quilt.check_applied(applied, series)
        base = applied.pristine()
        full = Layer(base)
        for patch in series.patches:
            step = Layer(full)
            try:
                apply_changes(step, patch.changes, patch=patch.name)
            except SeriesError as error:
                return [Finding(patch.name, "applies", f"{error.what}. {error.cause}".rstrip(". "))]
            if _reverse_applies(full, patch):
                return [Finding(patch.name, "upstream", "the tree has it already: its reverse applies")]
            full.changes.update(step.changes)
        return [
            Finding(patch.name, "needed", "without it the tree comes out the same")
            for patch in series.patches
            if _without(base, series, patch) == _final(full, base)
        ]


def _reverse_applies(below: Layer, patch: Patch) -> bool:
    try:
        undo = [change.reversed() for change in reversed(patch.changes)]
        apply_changes(Layer(below), undo, patch=patch.name)
    except SeriesError:
        return False
    return True


def _without(base: Layer, series: Series, left_out: Patch) -> dict[str, FileState | None] | None:
    """Give the files that differ from the base if one patch is left out; None if a later one then fails."""
    layer = Layer(base)
    try:
        for patch in series.patches:
            if patch is not left_out:
                apply_changes(layer, patch.changes, patch=patch.name)
    except SeriesError:
        return None
    return _final(layer, base)


def _final(layer: Layer, base: Layer) -> dict[str, FileState | None]:
    return {path: state for path, state in layer.changes.items() if state != base.read(path)}
