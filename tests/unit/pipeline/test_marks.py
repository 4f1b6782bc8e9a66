"""Marks: any damage counts as no mark."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocm_patch.pipeline.digest import DigestIndex
from rocm_patch.pipeline.marks import Mark, judge, observe, read_mark, write_mark


def make(folder: Path) -> Mark:
    (folder / "out").write_bytes(b"bytes")
    (folder / "dir").mkdir(exist_ok=True)
    (folder / "dir" / "file").write_bytes(b"more")
    outputs = observe(folder, ["out", "dir"], DigestIndex(folder / "index"))
    return Mark(
        step="s", key="k", inputs={"a": "1"}, outputs=outputs, usage={"wall_s": 1.0}, facts={"n": 2},
        log="s.log", finished="2026-01-01T00:00:00Z",
    )  # fmt: skip


def verdict_of(folder: Path, *, key: str = "k", inputs: dict[str, str] | None = None) -> tuple[bool, str]:
    verdict = judge(
        folder / "mark", folder, key, inputs or {"a": "1"}, outputs=["out", "dir"], keeps=["kept"],
        index=DigestIndex(folder / "index"),
    )  # fmt: skip
    return verdict.fresh, verdict.reason


def test_round_trip_and_reasons(tmp_path: Path) -> None:
    assert verdict_of(tmp_path) == (False, "not done yet")
    mark = make(tmp_path)
    (tmp_path / "kept").touch()
    write_mark(tmp_path / "mark", mark)
    assert read_mark(tmp_path / "mark") == mark
    assert verdict_of(tmp_path) == (True, "unchanged")
    assert verdict_of(tmp_path, key="other", inputs={"a": "2", "b": "1"}) == (False, "changed: a, b")
    assert verdict_of(tmp_path, key="other") == (False, "changed: the step's definition")
    (tmp_path / "dir" / "file").write_bytes(b"else")
    assert verdict_of(tmp_path) == (False, "output dir was changed or damaged")
    (tmp_path / "out").unlink()
    (tmp_path / "kept").unlink()
    reason = "kept is missing; output out is missing; output dir was changed or damaged"
    assert verdict_of(tmp_path) == (False, reason)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_or_lost_byte_is_no_mark(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "kept").touch()
    mark = make(tmp_path)
    write_mark(tmp_path / "mark", mark)
    content = bytearray((tmp_path / "mark").read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] ^= data.draw(st.integers(1, 255))
    (tmp_path / "mark").write_bytes(content)
    fresh, reason = verdict_of(tmp_path)
    # Space between JSON's words may change: then the mark says the same and stands.
    assert fresh == (reason == "unchanged")
    if fresh:
        assert read_mark(tmp_path / "mark") == mark
    else:
        assert reason == "its mark is damaged"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"body": {}, "sum": ""}', b"\xff"])
def test_what_is_no_mark(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mark").write_bytes(content)
    assert verdict_of(tmp_path) == (False, "its mark is damaged")
