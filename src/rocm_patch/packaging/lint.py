"""lintian and rpmlint over finished packages: nothing may be said that is not explained.

Each remark that is meant has its reason in packaging/deb/lintian-*.overrides (they travel inside the
.deb) or packaging/rpm/remarks.yml. Knows the two programs' output; nothing of packages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs
import yaml

from rocm_patch.errors import DataError
from rocm_patch.packaging import tools
from rocm_patch.paths import data_root

_LINTIAN = re.compile(r"^([EWIPXO]): (\S+?): ")
_RPMLINT = re.compile(r"^(\S+)\.(x86_64|noarch): [EW]: ")


@attrs.frozen
class Remarks:
    """What a checker says of one package: remarks that stand, and those explained."""

    file: str
    standing: tuple[str, ...]
    explained: int


def lint(files: Sequence[Path]) -> list[Remarks]:
    """Check packages, each by its own format's program. MissingToolError where that is absent."""
    debs = [path for path in files if path.suffix == ".deb"]
    rpms = [path for path in files if path.suffix == ".rpm"]
    return [*(_lintian(debs) if debs else ()), *(_rpmlint(rpms) if rpms else ())]


def _lintian(debs: Sequence[Path]) -> list[Remarks]:
    argv = ["lintian", "--show-overrides", "--tag-display-limit", "0", "--allow-root", "--fail-on", "none"]
    lines = tools.run([*argv, *_absolute(debs)], what="lintian").splitlines()
    said = [(match[2], line, match[1] == "O") for line in lines if (match := _LINTIAN.match(line))]
    return _by_file(debs, [path.name.partition("_")[0] for path in debs], said)


def _rpmlint(rpms: Sequence[Path]) -> list[Remarks]:
    folder = data_root() / "packaging" / "rpm"
    explained = [re.compile(pattern) for pattern in _patterns(folder / "remarks.yml")]
    argv = ["rpmlint", "--config", str(folder / "rpmlint.toml"), *_absolute(rpms)]
    # 64: errors were found; what they are is in the output.
    lines = tools.run(argv, what="rpmlint", codes=(0, 64)).splitlines()
    said = [
        (match[1], line, any(one.search(line) for one in explained))
        for line in lines
        if (match := _RPMLINT.match(line))
    ]
    return _by_file(rpms, [path.name.rsplit("-", 2)[0] for path in rpms], said)


def _absolute(files: Sequence[Path]) -> list[str]:
    return [str(path.resolve()) for path in files]


def _by_file(files: Sequence[Path], names: Sequence[str], said: list[tuple[str, str, bool]]) -> list[Remarks]:
    """Sort remarks (package, line, explained) to the files."""
    return [
        Remarks(
            path.name,
            tuple(line for package, line, meant in said if package == name and not meant),
            sum(1 for package, _, meant in said if package == name and meant),
        )
        for path, name in zip(files, names, strict=True)
    ]


def _patterns(path: Path) -> list[str]:
    """Give the patterns of remarks.yml. DataError where one has no reason."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    for one in data["remarks"]:
        if not one.get("reason") or not one.get("pattern"):
            raise DataError(f"{path}: a remark has no pattern or no reason", detail=[str(one)])
    return [one["pattern"] for one in data["remarks"]]
