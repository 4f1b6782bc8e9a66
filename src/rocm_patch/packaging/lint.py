"""lintian and rpmlint over finished packages: nothing may be said that is not explained.

Each remark that is meant has a line with its reason in packaging/deb/*.overrides (they travel inside
the .deb) or packaging/rpm/rpmlint.toml. Knows the two programs' output; nothing of packages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from rocm_patch.packaging import tools
from rocm_patch.paths import data_root

_LINTIAN = re.compile(r"^[EWIPXO]: ")
_RPMLINT = re.compile(r"^\S+: [EW]: \S")
_OVERRIDDEN = "O: "


@attrs.frozen
class Remarks:
    """What a checker says of one package: remarks that stand, and those explained."""

    file: str
    standing: tuple[str, ...]
    explained: int


def lint(files: Sequence[Path]) -> list[Remarks]:
    """Check packages, each by its own format's program. MissingToolError where that is absent."""
    return [_lintian(path) if path.suffix == ".deb" else _rpmlint(path) for path in files]


def _lintian(path: Path) -> Remarks:
    argv = ["lintian", "--show-overrides", "--tag-display-limit", "0", "--allow-root", "--fail-on", "none"]
    out = tools.run([*argv, str(path.resolve())], what=f"lintian {path.name}")
    lines = [line for line in out.splitlines() if _LINTIAN.match(line)]
    standing = tuple(line for line in lines if not line.startswith(_OVERRIDDEN))
    return Remarks(path.name, standing, len(lines) - len(standing))


def _rpmlint(path: Path) -> Remarks:
    config = data_root() / "packaging" / "rpm" / "rpmlint.toml"
    argv = ["rpmlint", "--config", str(config), str(path.resolve())]
    # 64: errors were found; what they are is in the output.
    out = tools.run(argv, what=f"rpmlint {path.name}", codes=(0, 64, 66))
    standing = tuple(line for line in out.splitlines() if _RPMLINT.match(line))
    filtered = re.search(r"(\d+) filtered", out)
    return Remarks(path.name, standing, int(filtered[1]) if filtered else 0)
