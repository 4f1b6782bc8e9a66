"""The digest of a folder: blind to time and place, sharp on names, modes, contents."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rocm_patch.errors import ArchiveError
from rocm_patch.sources import tree_digest


def plant(root: Path) -> Path:
    (root / "d/e").mkdir(parents=True)
    for folder in ("d", "d/e"):
        (root / folder).chmod(0o755)
    for name in ("a", "d/b"):
        (root / name).write_text(name)
        (root / name).chmod(0o644)
    (root / "l").symlink_to("a")
    return root


def test_it_is_blind_to_time_place_and_order(tmp_path: Path) -> None:
    one = plant(tmp_path / "one")
    two = plant(tmp_path / "two")
    os.utime(two / "a", (1, 1))
    assert tree_digest(one) == tree_digest(two)
    # Fixed: a step's input must have the same name on every machine and in every release.
    assert tree_digest(one) == "7da8c70b4aa11bdfed1e92b2cad84e6b77b483451c278dcf6ede94fb412dcd99"


@pytest.mark.parametrize(
    "change",
    [
        lambda r: (r / "a").write_text("b"),
        lambda r: (r / "a").chmod(0o755),
        lambda r: (r / "a").rename(r / "z"),
        lambda r: (r / "d/e").rmdir(),
        lambda r: (r / "n").touch(),
        lambda r: ((r / "l").unlink(), (r / "l").symlink_to("d/b")),
        lambda r: ((r / "l").unlink(), (r / "l").write_text("a")),
    ],
)
def test_it_sees_every_change(tmp_path: Path, change: Callable[[Path], object]) -> None:
    root = plant(tmp_path / "r")
    before = tree_digest(root)
    change(root)
    assert tree_digest(root) != before


def test_names_and_contents_cannot_be_confused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one/ab").write_text("c")
    (tmp_path / "two/a").write_text("bc")
    assert tree_digest(tmp_path / "one") != tree_digest(tmp_path / "two")


def test_a_fifo_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    with pytest.raises(ArchiveError, match="neither file"):
        tree_digest(tmp_path)
