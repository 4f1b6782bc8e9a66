"""Our versions sort above stock and below what can follow: asked of dpkg and rpm themselves."""

from __future__ import annotations

import itertools

import pytest

from rocm_patch.errors import PackageError
from rocm_patch.packaging.layout import Format, layout_of
from rocm_patch.packaging.stock import Stock
from rocm_patch.packaging.versions import compare, own_revision, same_upstream

#: format, layout, stock, what may follow it in the distribution.
TABLE: list[tuple[Format, str, str, list[str]]] = [
    (
        "deb", "amd", "4.4.0.60400-47~24.04",
        ["4.4.0.60400-48~24.04", "4.4.0.60401-83~24.04", "4.4.1.60402-120~24.04", "5.0.0.70000-38~24.04"],
    ),
    ("deb", "amd", "4.1.2.60101-119~22.04", ["4.1.2.60102-139~22.04", "4.2.0.60200-66~22.04"]),
    ("deb", "amd", "3.1.0.50701-98~22.04", ["3.1.0.50703-116~22.04", "4.0.0.60000-91~22.04"]),
    (
        "deb", "debian", "6.4.4-4",
        ["6.4.4-4+b1", "6.4.4-4+deb14u1", "6.4.4-4.1", "6.4.4-5", "6.4.5-1", "7.1.1-1"],
    ),
    ("deb", "debian", "6.4.3+dfsg-1+b1", ["6.4.3+dfsg-1+b2", "6.4.3+dfsg-2", "7.1.1-1~exp1"]),
    ("deb", "debian", "5.5.1+dfsg-6ubuntu1", ["5.5.1+dfsg-6ubuntu1.1", "5.5.1+dfsg-6ubuntu2"]),
    (
        "rpm", "amd", "4.4.0.60400-47.el9",
        ["4.4.0.60400-48.el9", "4.4.0.60401-83.el9", "4.4.1.60402-120.el9", "5.0.0.70000-38.el9"],
    ),
    ("rpm", "amd", "4.4.0.60400-sles156.47", ["4.4.0.60400-sles156.48", "4.4.0.60401-sles156.83"]),
    ("rpm", "amd", "3.1.0.50701-98.el9", ["3.1.0.50703-116.el9", "4.0.0.60000-91.el9"]),
]  # fmt: skip


def stock_of(format_: Format, version: str) -> Stock:
    none: frozenset[str] = frozenset()
    return Stock(format_, "rocblas", version, (), (), (), none, none, None)


@pytest.mark.parametrize(("format_", "layout", "version", "later"), TABLE)
def test_above_stock_and_below_the_next(format_: Format, layout: str, version: str, later: list[str]) -> None:
    stock = stock_of(format_, version)
    ours = [
        f"{stock.upstream}-{own_revision(stock, layout_of(layout), target='gfx1010', revision=number)}"
        for number in (1, 2, 10)
    ]
    rising = [version, *ours, *later]
    found = [compare(a, b, format_) for a, b in itertools.pairwise(rising)]
    assert found[: len(ours)] == [-1] * len(ours)
    assert [compare(ours[-1], one, format_) for one in later] == [-1] * len(later)


def test_a_plain_suffix_would_outlive_debians_own_updates() -> None:
    # Why the layout `debian` has `+0`: with `+gfx1010.1` a rebuild or security update would not be taken.
    assert compare("6.4.4-4+gfx1010.1", "6.4.4-4+deb14u1", "deb") == 1
    assert compare("6.4.4-4+0gfx1010.1", "6.4.4-4+deb14u1", "deb") == -1


def test_ours_is_not_suffixed_twice() -> None:
    for layout, version in (("amd", "4.4.0.60400-47~24.04"), ("debian", "6.4.4-4")):
        first = own_revision(stock_of("deb", version), layout_of(layout), target="gfx1010", revision=1)
        again = stock_of("deb", f"1.0-{first}")
        assert own_revision(again, layout_of(layout), target="gfx1010", revision=2) == first[:-1] + "2"


@pytest.mark.parametrize(
    ("format_", "version", "met", "not_met"),
    [
        ("deb", "4.4.0.60400-47~24.04", ["4.4.0.60400-48~24.04"], ["4.4.0.60401-1", "4.4.0.60399-9"]),
        ("deb", "6.4.4-4", ["6.4.4-4+b1", "6.4.4-5"], ["6.4.5-1", "6.4.3-9", "6.4.4.1-1"]),
        ("rpm", "4.4.0.60400-47.el9", ["4.4.0.60400-48.el9"], ["4.4.0.60401-1", "4.4.0.60399-9"]),
    ],
)  # fmt: skip
def test_a_pack_fits_every_packaging_of_its_version_alone(
    format_: Format, version: str, met: list[str], not_met: list[str]
) -> None:
    low, high = same_upstream(stock_of(format_, version), "rocblas")

    def fits(other: str) -> bool:
        # rpm compares a need without a release by the version alone.
        number = other.partition("-")[0] if format_ == "rpm" else other
        return compare(number, low.version, format_) >= 0 and compare(number, high.version, format_) < 0

    assert all(fits(one) for one in [version, *met])
    assert not any(fits(one) for one in not_met)


def test_a_stock_version_without_revision_is_refused() -> None:
    with pytest.raises(PackageError, match="no revision"):
        own_revision(stock_of("deb", "6.4.4"), layout_of("amd"), target="gfx1010", revision=1)
