"""Finds patterns in a stream of lines, in linear time, over line wraps and in any case of letters.

Knows patterns and lines; nothing of what a pattern means. White space is left out
on both sides of each comparison: a text that a terminal or a mail program wrapped
in the middle of a word is the same text, and so is one with other indentation.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs

from rocm_patch.diagnose.schema import Expression, Pattern
from rocm_patch.diagnose.text import Line

#: Squeezed characters that are searched at once.
BLOCK = 1 << 16
#: A pattern shorter than this (squeezed) must lie in one line: over a wrap it would match by chance.
SHORTEST_WRAPPED = 12
#: Lines over which one pattern may be wrapped, besides its first.
WRAPS = 2
#: Lines with an expression's literal, but without a match, for which wrapping is considered.
WRAP_TRIES = 200
#: Characters of evidence shown around a hit.
EVIDENCE = 300


@attrs.frozen(order=True)
class Hit:
    """Pattern number `pattern` stands in the text at `line`; `evidence` is what to show of it."""

    line: int
    pattern: int
    evidence: str = attrs.field(order=False)


@attrs.frozen
class _Block:
    """Lines, squeezed into one text: `starts[i]` is where line i begins. The last block had `old` of them."""

    lines: list[Line]
    text: str
    starts: list[int]
    old: int

    def row(self, offset: int) -> int:
        """Give the index of the line that holds an offset."""
        return bisect_right(self.starts, offset) - 1


def squeeze(text: str) -> str:
    """Leave out white space, and fold the case of letters."""
    return "".join(text.lower().split())


class Matcher:
    """A set of patterns, prepared once; `run` reports each place where one is found."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Prepare the literals and expressions; equal literals are searched once."""
        self.patterns = list(patterns)
        self._regexes = [
            re.compile(one.regex, re.IGNORECASE) if isinstance(one, Expression) else None for one in patterns
        ]
        self._literals: dict[str, list[int]] = {}
        for number, one in enumerate(patterns):
            for literal in one.literals() if isinstance(one, Expression) else [one]:
                self._literals.setdefault(squeeze(literal), []).append(number)
        self._misses = [0] * len(self.patterns)

    def run(self, lines: Iterable[Line], found: Callable[[Hit], None], wanted: set[int]) -> None:
        """Report hits in the order of lines. Patterns outside `wanted` are not looked for; it may shrink."""
        for block in _blocks(lines):
            hits: list[Hit] = []
            for literal, numbers in self._literals.items():
                live = [number for number in numbers if number in wanted]
                if live and literal in block.text:
                    hits += self._locate(block, literal, live)
            for hit in sorted(hits):
                if hit.pattern in wanted:
                    found(hit)

    def _locate(self, block: _Block, literal: str, numbers: list[int]) -> Iterator[Hit]:
        """Give the lines of one literal's occurrences, each line once for each pattern."""
        last = -1
        at = block.text.find(literal)
        while at >= 0:
            row, end = block.row(at), block.row(at + len(literal) - 1)
            # After a hit go on in the next line: a line counts once.
            following = block.starts[end + 1] if end + 1 < len(block.starts) else len(block.text)
            jump = following if row == end else at + 1
            if end >= block.old and end != last and _may_wrap(literal, end - row):
                last = end
                for number in numbers:
                    hit = self._hit(block, row, end, number)
                    if hit is not None:
                        yield hit
            at = block.text.find(literal, jump)

    def _hit(self, block: _Block, row: int, end: int, number: int) -> Hit | None:
        """Try the expression, if the pattern is one, on the line and on what wrapping may have parted."""
        regex = self._regexes[number]
        here = [line.text for line in block.lines[row : end + 1]]
        if regex is None:
            return Hit(block.lines[row].number, number, _cut(here, self.patterns[number]))
        beyond = block.lines[max(0, row - 1)].text[-EVIDENCE:] if row else ""
        after = block.lines[end + 1].text[:EVIDENCE] if end + 1 < len(block.lines) else ""
        whole = "".join(here)
        texts = [whole]
        if self._misses[number] < WRAP_TRIES:
            texts += [" ".join(here), whole + after, f"{whole} {after}", beyond + whole]
        for text in texts:
            match = regex.search(text)
            if match:
                return Hit(block.lines[row].number, number, _around(text, match.start()))
        self._misses[number] += 1
        return None


def _may_wrap(literal: str, wraps: int) -> bool:
    return wraps == 0 or (len(literal) >= SHORTEST_WRAPPED and wraps <= WRAPS)


def _blocks(lines: Iterable[Line]) -> Iterator[_Block]:
    """Gather lines into blocks; each begins with the last lines of the one before it."""
    rows: list[Line] = []
    parts: list[str] = []
    size = old = 0
    for line in lines:
        part = squeeze(line.text)
        rows.append(line)
        parts.append(part)
        size += len(part)
        if size >= BLOCK:
            yield _block(rows, parts, old)
            rows, parts = rows[-WRAPS:], parts[-WRAPS:]
            old, size = len(rows), 0
    if len(rows) > old:
        yield _block(rows, parts, old)


def _block(rows: list[Line], parts: list[str], old: int) -> _Block:
    starts, offset = [], 0
    for part in parts:
        starts.append(offset)
        offset += len(part)
    return _Block(list(rows), "".join(parts), starts, old)


def _cut(lines: list[str], pattern: Pattern) -> str:
    """Show a hit of a fixed text; of a long line only the surroundings."""
    text = " ".join(lines)
    if len(text) <= EVIDENCE:
        return text
    word = str(pattern).split()[0].lower()
    return _around(text, max(0, text.lower().find(word)))


def _around(text: str, at: int) -> str:
    """Cut the surroundings of a place out of a long text."""
    if len(text) <= EVIDENCE:
        return text.strip()
    start = max(0, min(at - 60, len(text) - EVIDENCE))
    return text[start : start + EVIDENCE].strip()
