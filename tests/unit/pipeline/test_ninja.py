"""Ninja's texts: status, log, time left."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocm_patch.pipeline.ninja import Edge, Progress, clock, new_entries, parse_log, parse_status


def test_status_line() -> None:
    edge = parse_status("@rp 12 1704 @ Building CXX object caffe2/CMakeFiles/torch_cpu.dir/a.cpp.o")
    assert edge == Edge(
        done=12, total=1704, text="Building CXX object caffe2/CMakeFiles/torch_cpu.dir/a.cpp.o"
    )
    assert edge.output == "caffe2/CMakeFiles/torch_cpu.dir/a.cpp.o"
    assert parse_status("a.cpp:3: error: @rp 1 2 @ x") is None


@given(st.text())
def test_status_reads_anything(line: str) -> None:
    edge = parse_status(line)
    assert edge is None or line.startswith("@rp ")


@given(st.integers(0, 99999), st.integers(0, 99999), st.text(st.characters(exclude_characters="\n\r")))
def test_status_round_trip(done: int, total: int, text: str) -> None:
    assert parse_status(f"@rp {done} {total} @ {text}") == (None if "\n" in text else Edge(done, total, text))


LOG = """\
# ninja log v6
0\t1500\t111\ta.o\taaaa
1500\t1600\t112\tlibx.so\tbbbb
1500\t1600\t112\tlibx.so.1\tbbbb
10\t2010\t113\ta.o\tcccc
70\t30\t1\tbackwards.o\tdddd
5\tx\t1\tbroken.o\teeee
torn li"""


def test_log_takes_the_last_entry_and_counts_a_command_once() -> None:
    assert parse_log(LOG) == {"a.o": 2.0, "libx.so": 0.1, "libx.so.1": 0.0}


@given(st.text(st.sampled_from("0123456789\t\nabc#.o "), max_size=300))
def test_log_reads_any_damage(content: str) -> None:
    assert all(seconds >= 0 for seconds in parse_log(content).values())


def test_new_entries_are_those_after_the_offset_unless_ninja_rewrote_the_log(tmp_path: Path) -> None:
    log = tmp_path / ".ninja_log"
    assert new_entries(log, 0) == {}
    log.write_text("# ninja log v6\n0\t1000\t1\told.o\taa\n")
    offset = log.stat().st_size
    with log.open("a") as stream:
        stream.write("0\t3000\t1\tnew.o\tbb\n")
    assert new_entries(log, offset) == {"new.o": 3.0}
    assert set(new_entries(log, offset + 1000)) == {"old.o", "new.o"}
    assert set(new_entries(log, offset - 3)) == {"old.o", "new.o"}


def test_time_left_starts_with_the_rates_and_moves_to_what_is_seen() -> None:
    now = [0.0]
    expected = {f"Building CXX object {n}.o": 10.0 for n in range(99)} | {"Linking x": 10.0}
    progress = Progress(expected, 2, now=lambda: now[0])
    assert progress.left_s == 500.0  # 1000 core seconds on two jobs
    for number in range(50):
        progress.finish(Edge(number + 1, 100, f"Building CXX object {number}.o"))
    now[0] = 5.0  # a warm cache: 100 core seconds a second
    early = progress.left_s
    assert 5.0 < early < 250.0
    now[0] = 60.0
    assert progress.left_s == pytest.approx(60.0)  # half in a minute: as long again
    assert progress.share == 0.5
    assert progress.line() == "50/100   50%  elapsed 0:01:00  left about 0:01:00  49.o"


def test_share_is_by_seconds_not_by_count() -> None:
    progress = Progress({"big a.o": 90.0, "small b.o": 10.0}, 1, now=lambda: 0.0)
    progress.finish(Edge(1, 2, "small b.o"))
    assert progress.share == pytest.approx(0.1)


def test_nothing_to_do() -> None:
    progress = Progress({}, 1, now=lambda: 0.0)
    assert progress.share == 1.0
    assert progress.left_s == 0.0


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (3661.4, "1:01:01"), (-5, "0:00:00")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
