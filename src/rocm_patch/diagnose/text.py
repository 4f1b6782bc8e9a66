"""Reads any bytes as numbered, harmless lines: a stream, in bounded memory.

Knows encodings, line ends and terminal sequences; nothing of problems. What
comes out holds no control character, no escape sequence and no character that
turns the direction of writing, so it may be shown on a terminal as it is.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from typing import BinaryIO

import attrs

#: Bytes read at once.
CHUNK = 1 << 18
#: Characters of a line that are looked at together; a longer one is taken in overlapping pieces.
MAX_LINE = 4096
#: Characters by which the pieces of an overlong line overlap: more than the longest pattern.
OVERLAP = 400

# Every repetition is bounded, or of a class that its follower is not in: linear time.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]?"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]{0,2048}(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS
    r"|\x1b[ -/]{0,4}[0-~]?"
)
_QUOTES = {"‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " "}  # noqa: RUF001


class _Harmless(dict[int, str | None]):
    """A translation table that fills itself: what may not be shown maps to nothing."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        new: str | None = _QUOTES.get(char, char)
        # Cc: controls, Cf: invisible and direction marks, Cs: lone surrogates, Zl, Zp: separators.
        if char != "\t" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            new = None
        self[code] = new
        return new


_HARMLESS = _Harmless()


@attrs.frozen
class Line:
    """A line or a piece of one: its number as an editor counts, from 1, and its harmless text."""

    number: int
    text: str


def harmless(text: str) -> str:
    """Take out escape sequences and whatever else a terminal would act on."""
    if "\x1b" in text or "\x9b" in text or "\x9d" in text or "\x90" in text:
        text = _ESCAPES.sub("", text)
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_HARMLESS)


def read_lines(stream: BinaryIO) -> Iterator[Line]:
    """Give the lines of a stream that may hold anything; UTF-16 is known by its mark, all else is UTF-8."""
    number = 1
    rest = ""
    for text in _decoded(stream):
        lines = (rest + text).split("\n")
        rest = lines.pop()
        for line in lines:
            yield from _pieces(number, line)
            number += 1
        # A file without line ends: hand on what is there, keep what a pattern may still need.
        while len(rest) > 2 * MAX_LINE:
            yield from _pieces(number, rest[:MAX_LINE])
            rest = rest[MAX_LINE - OVERLAP :]
    if rest:
        yield from _pieces(number, rest)


def _decoded(stream: BinaryIO) -> Iterator[str]:
    """Decode in chunks; what is no text becomes replacement characters."""
    first = stream.read(CHUNK)
    encoding = "utf-8-sig"
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    chunk = first
    while chunk:
        yield decoder.decode(chunk)
        chunk = stream.read(CHUNK)
    yield decoder.decode(b"", final=True)


def _pieces(number: int, line: str) -> Iterator[Line]:
    """Split at carriage returns (progress bars redraw a line with them) and into pieces of bounded length."""
    for part in line.split("\r") if "\r" in line else (line,):
        clean = harmless(part)
        start = 0
        while len(clean) - start > MAX_LINE:
            yield Line(number, clean[start : start + MAX_LINE])
            start += MAX_LINE - OVERLAP
        if clean[start:].strip():
            yield Line(number, clean[start:].strip())
