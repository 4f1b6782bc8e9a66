"""Reading anything: bounded, numbered, and harmless to a terminal."""

from __future__ import annotations

import io
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from rocm_patch.diagnose.text import MAX_LINE, Line, harmless, read_lines


def _read(raw: bytes) -> list[Line]:
    return list(read_lines(io.BytesIO(raw)))


def test_line_numbers_are_an_editors() -> None:
    assert _read(b"a\r\n\r\nb\n10%\r20%\nend") == [
        Line(1, "a"),
        Line(3, "b"),
        Line(4, "10%"),
        Line(4, "20%"),
        Line(5, "end"),
    ]


def test_utf16_of_a_powershell_redirect() -> None:
    assert _read("ROCk\r\nmodule\r\n".encode("utf-16")) == [Line(1, "ROCk"), Line(2, "module")]


def test_utf8_mark_is_no_text() -> None:
    assert _read(b"\xef\xbb\xbfhip\n") == [Line(1, "hip")]


def test_colours_titles_and_controls_are_gone() -> None:
    raw = "\x1b[31;1mHIP\x1b[0m er\x08ror\x1b]0;rm -rf\x07 \x9b2Jdone\x00\x1b(B"
    assert harmless(raw) == "HIP error done"


def test_direction_and_invisible_marks_are_gone() -> None:
    assert harmless("HIP\u202eerror\u200b\u2066!") == "HIPerror!"


def test_typographic_quotes_become_plain() -> None:
    assert harmless("no member named \u2018date\u2019") == "no member named 'date'"


def test_a_line_without_end_comes_in_overlapping_pieces() -> None:
    lines = _read(b"x" * 100_000 + b"HIP error: invalid device function" + b"y" * 100_000)
    assert all(len(line.text) <= 2 * MAX_LINE for line in lines)
    assert {line.number for line in lines} == {1}
    assert any("HIP error: invalid device function" in line.text for line in lines)


@given(st.binary(max_size=4000))
def test_nothing_that_a_terminal_acts_on_comes_out(raw: bytes) -> None:
    for line in _read(raw):
        assert all(
            char == "\t" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
            for char in line.text
        )


@given(st.text(max_size=2000))
def test_harmless_is_final(text: str) -> None:
    assert harmless(harmless(text)) == harmless(text)


@given(
    st.lists(
        st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=30), max_size=40
    )
)
def test_plain_lines_survive(lines: list[str]) -> None:
    assert [line.text for line in _read("\n".join(lines).encode())] == lines
