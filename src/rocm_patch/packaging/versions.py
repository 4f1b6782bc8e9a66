"""Version numbers of our packages: above the stock package they belong to, below whatever follows it.

Knows the suffix by a layout's data, and asks dpkg and rpm themselves how two versions compare.
"""

from __future__ import annotations

import re
import subprocess
from typing import Literal

from rocm_patch.errors import PackageError
from rocm_patch.packaging import tools
from rocm_patch.packaging.layout import Format, Layout
from rocm_patch.packaging.model import Relation
from rocm_patch.packaging.stock import Stock

_OURS = re.compile(r"\+0?gfx\d[0-9a-f]+\.\d+$")


def own_revision(stock: Stock, layout: Layout, *, target: str, revision: int) -> str:
    """Give the packager's revision of ours: the stock one with the layout's suffix."""
    if not stock.revision:
        raise PackageError(
            f"{stock.name} {stock.version} has no revision to put a suffix behind",
            step="name the distribution's own package",
        )
    return f"{_OURS.sub('', stock.revision)}{layout.suffix.format(target=target, revision=revision)}"


def same_upstream(stock: Stock, name: str) -> tuple[Relation, Relation]:
    """Give the relations that any packaging of the same upstream version meets, and no other."""
    # `.0~` sorts above the version with any revision and below any longer version.
    return (
        Relation((name,), ">=", stock.upstream),
        Relation((name,), "<", f"{stock.upstream}.0~"),
    )


def compare(left: str, right: str, format_: Format) -> Literal[-1, 0, 1]:
    """Compare two full versions as dpkg or rpm does."""
    if format_ == "rpm":
        return _compare_rpm(left, right)
    tools.need("dpkg")
    for operator, answer in (("lt", -1), ("eq", 0), ("gt", 1)):
        argv = ["dpkg", "--compare-versions", left, operator, right]
        if subprocess.run(argv, check=False, capture_output=True).returncode == 0:
            return answer  # type: ignore[return-value]
    raise PackageError(f"dpkg cannot compare {left} with {right}", step="check the two versions")


def _compare_rpm(left: str, right: str) -> Literal[-1, 0, 1]:
    """Compare version, then release, as rpm does: by its own function."""
    for a, b in zip(left.partition("-")[::2], right.partition("-")[::2], strict=True):
        if a == b:  # both may have no release, which rpm's function refuses
            continue
        if {'"', "\\"} & set(a + b):
            raise PackageError(f"{left} or {right} is no version of rpm's")
        out = tools.run(["rpm", "--eval", f'%{{lua:print(rpm.vercmp("{a}","{b}"))}}'], what="comparing")
        answer = int(out.strip())
        if answer:
            return -1 if answer < 0 else 1
    return 0
