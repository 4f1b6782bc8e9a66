"""Digests, their index, atomic writes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocm_patch.pipeline import digest
from rocm_patch.pipeline.digest import DigestIndex, Files, Named, Text, atomic_write, text_digest, tree_stat


@given(st.dictionaries(st.text(), st.integers()))
def test_order_of_keys_does_not_count(value: dict[str, int]) -> None:
    assert text_digest(value) == text_digest(dict(reversed(list(value.items()))))


def _aged(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    old = time.time_ns() - 10_000_000_000
    os.utime(path, ns=(old, old))
    return path


def test_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _aged(tmp_path / "data", b"one")
    store = tmp_path / "index.json"
    index = DigestIndex(store)
    first = index.file(path)
    index.save()
    monkeypatch.setattr(digest, "read_digest", lambda path: pytest.fail(f"read {path} again"))
    assert DigestIndex(store).file(path) == first
    monkeypatch.undo()
    _aged(path, b"two")
    assert DigestIndex(store).file(path) != first


def test_file_written_this_moment_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"one")
    index = DigestIndex(tmp_path / "index.json")
    index.file(path)
    index.save()
    assert not (tmp_path / "index.json").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"/x": [1]}', b"\xff\xfe"])
def test_damaged_index_only_costs_reading(tmp_path: Path, content: bytes) -> None:
    store = tmp_path / "index.json"
    store.write_bytes(content)
    path = _aged(tmp_path / "data", b"one")
    assert DigestIndex(store).file(path) == digest.read_digest(path)


def test_index_forgets_files_that_are_gone(tmp_path: Path) -> None:
    gone, stays = _aged(tmp_path / "gone", b"1"), _aged(tmp_path / "stays", b"2")
    index = DigestIndex(tmp_path / "index.json")
    index.file(gone)
    index.file(stays)
    gone.unlink()
    index.save()
    text = (tmp_path / "index.json").read_text()
    assert "stays" in text
    assert "gone" not in text


def test_tree_digest_sees_bytes_modes_links_and_names(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a").write_text("a")
    (root / "link").symlink_to("sub/a")
    index = DigestIndex(tmp_path / "index.json")
    seen = {index.tree(root)}
    for change in (
        lambda: (root / "sub" / "a").write_text("b"),
        lambda: (root / "sub" / "a").chmod(0o755),
        (root / "link").unlink,
        lambda: (root / "link").symlink_to("elsewhere"),
        lambda: (root / "sub" / "a").rename(root / "a"),
    ):
        change()
        seen.add(index.tree(root))
    assert len(seen) == 6


def test_tree_stat_changes_with_a_write(tmp_path: Path) -> None:
    path = _aged(tmp_path / "a", b"x")
    before = tree_stat(tmp_path)
    os.utime(path)
    assert tree_stat(tmp_path) != before


def test_inputs(tmp_path: Path) -> None:
    index = DigestIndex(tmp_path / "index.json")
    path = _aged(tmp_path / "a", b"x")
    assert Named("abc").digest(index) == "abc"
    assert Text([1]).digest(index) != Text([2]).digest(index)
    before = Files((path, tmp_path / "none")).digest(index)
    (tmp_path / "none").write_text("now there is")
    assert Files((path, tmp_path / "none")).digest(index) != before


def test_atomic_write_leaves_the_old_bytes_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    atomic_write(path, b"old")

    def full(descriptor: int) -> None:
        del descriptor
        raise OSError(28, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
