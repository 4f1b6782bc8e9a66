"""Wish lists: read, checked, and at one with the lock that stands beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rocm_patch.errors import DataError
from rocm_patch.sysroot.lock import load_lock
from rocm_patch.sysroot.resolve import paragraphs
from rocm_patch.sysroot.wishes import load_wishes, parse_wishes

GOOD = """
name: mini
suite: sid
component: main
architecture: amd64
base: [apt]
exclude: [/usr/share/doc/*]
packages:
  b: [zlib1g-dev, cmake]
  a: [cmake]
"""


def test_groups_do_not_matter() -> None:
    assert parse_wishes(GOOD, origin="x").wanted() == ("apt", "cmake", "zlib1g-dev")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("suite: sid", "suit: sid"),
        ("[zlib1g-dev, cmake]", "[Zlib1g]"),
        ("[zlib1g-dev, cmake]", "cmake"),
        ("/usr/share/doc/*", "usr/share"),
        ("/usr/share/doc/*", "/usr/share/do c"),
        ("name: mini", "name: ["),
        ("name: mini\n", ""),
    ],
)
def test_a_broken_list_is_named(old: str, new: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_wishes(GOOD.replace(old, new), origin="x.yml")
    assert "x.yml" in caught.value.what


def test_an_unknown_list_names_the_known_ones() -> None:
    with pytest.raises(DataError) as caught:
        load_wishes("nothing")
    assert "rocm-6.4" in caught.value.step


def test_the_lock_meets_every_wish() -> None:
    wishes, digest = load_wishes("rocm-6.4")
    lock = load_lock("rocm-6.4")
    assert set(wishes.wanted()) <= {package.name for package in lock.packages}
    assert lock.header["wishes-sha256"] == digest, "the wish list changed: run rocm-patch sysroot update-lock"
    assert lock.exclude == wishes.exclude


def test_an_index_is_read_without_its_continuation_lines(tmp_path: Path) -> None:
    index = tmp_path / "Packages"
    index.write_text(
        "Package: aa\nVersion: 1\nTag: x,\n y: z\nEssential: yes\n\n\nPackage: bb\nVersion: 2:3-1\n",
        encoding="utf-8",
    )
    assert list(paragraphs(index)) == [
        ("aa", {"Package": "aa", "Version": "1", "Tag": "x,", "Essential": "yes"}),
        ("bb", {"Package": "bb", "Version": "2:3-1"}),
    ]
