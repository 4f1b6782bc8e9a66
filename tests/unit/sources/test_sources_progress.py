"""Progress: plain lines for logs, a bar for terminals."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rocm_patch.sources import Lines, Silent, Ui
from rocm_patch.sources.progress import Bar, default_ui


def drive(ui: Ui, count: int = 2) -> None:
    ui.start(4 << 20, count)
    ui.advance(1 << 20)
    ui.note("a [provider] failed")
    ui.advance(3 << 20)
    for number in range(count):
        ui.done(f"item{number}", "cached")
    ui.stop()


def test_lines_say_what_comes_where_it_stands_and_what_was_done() -> None:
    stream = io.StringIO()
    drive(Lines(stream, every=0))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "fetching 2 file(s), 4.0 MiB"
    assert "1.0 MiB of 4.0 MiB at" in lines[1]
    assert "s left" in lines[1]
    assert lines[2] == "  a [provider] failed"
    assert "  item1: cached" in lines
    assert lines[-1].startswith("fetched 2 file(s), 4.0 MiB in ")


def test_many_items_do_not_hide_what_matters() -> None:
    stream = io.StringIO()
    drive(Lines(stream, every=60), count=600)
    assert len(stream.getvalue().splitlines()) == 3


def test_the_bar_counts_items_and_keeps_brackets() -> None:
    stream = io.StringIO()
    drive(Bar(Console(file=stream, force_terminal=True, width=120)))
    assert "fetching 2/2" in stream.getvalue()
    assert "a [provider] failed" in stream.getvalue()


def test_nothing_is_printed_when_nothing_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    drive(Silent())
    assert capsys.readouterr() == ("", "")


def test_a_pipe_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    ui = default_ui()
    assert isinstance(ui, Lines)
    drive(ui)
    assert "fetching 2 file(s)" in capsys.readouterr().err
