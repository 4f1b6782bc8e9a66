"""What GoogleTest prints and writes: the list of tests, the progress, the JSON result.

Pure functions on text. Knows GoogleTest; nothing of processes or of what is tested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import attrs

Outcome = Literal["passed", "failed", "skipped"]

_RUN = re.compile(r"\[ RUN +\] (?P<name>\S+)")
_END = re.compile(r"\[ +(?P<what>OK|FAILED|SKIPPED) +\] (?P<name>[^\s,]+).* \((?P<ms>\d+) ms\)\s*$")
_PLAIN_END = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}
#: Longest filter that is put on one command line (the kernel's limit for a word is 128 KiB).
FILTER_BYTES = 60_000


@attrs.frozen
class Begin:
    """A test has begun."""

    name: str


@attrs.frozen
class End:
    """A test has ended."""

    name: str
    outcome: Outcome
    seconds: float


def read_list(text: str) -> list[str]:
    """Read `--gtest_list_tests`: whole names in order, disabled tests left out."""
    names: list[str] = []
    group = ""
    for raw in text.splitlines():
        line = raw.partition("#")[0].rstrip()
        if not line:
            continue
        if not line.startswith("  "):
            # Programs print of their own before the list; a group's name ends with a dot.
            group = line if re.fullmatch(r"\S+\.", line) else ""
        elif group and re.fullmatch(r"  \S+", line):
            name = f"{group}{line.strip()}"
            if not is_disabled(name):
                names.append(name)
    return names


def is_disabled(name: str) -> bool:
    """Say whether GoogleTest leaves the test out by its name."""
    return any(part.startswith("DISABLED_") for part in re.split(r"[./]", name))


def read_line(line: str) -> Begin | End | None:
    """Read one line of progress; None where it is something else.

    Tests print of their own without ending the line, so the mark may stand anywhere in it.
    """
    end = _END.search(line)
    if end is not None:
        outcome: Any = _PLAIN_END[end["what"]]
        return End(end["name"], outcome, int(end["ms"]) / 1000)
    begin = _RUN.search(line)
    return None if begin is None else Begin(begin["name"])


def read_json(text: str) -> dict[str, tuple[Outcome, float, str]]:
    """Read `--gtest_output=json`: outcome, seconds and failure text by whole name.

    Tests that were not run are left out. ValueError where the text is not that.
    """
    data = json.loads(text)
    if not isinstance(data, dict) or not isinstance(data.get("testsuites"), list):
        raise ValueError("no testsuites in it")  # noqa: TRY004  the text is wrong, not its type
    found: dict[str, tuple[Outcome, float, str]] = {}
    for suite in data["testsuites"]:
        for test in suite.get("testsuite", ()):
            if test.get("status") != "RUN":
                continue
            failures = [str(one.get("failure", "")) for one in test.get("failures", ())]
            outcome: Outcome = "passed"
            if failures:
                outcome = "failed"
            elif test.get("result") == "SKIPPED":
                outcome = "skipped"
            seconds = float(str(test.get("time", "0")).rstrip("s") or 0)
            found[f"{suite['name']}.{test['name']}"] = (outcome, seconds, "\n".join(failures))
    return found


def filter_word(name: str) -> str:
    """Give a filter that takes the test of this name; what filters give a meaning to is masked."""
    return re.sub(r"[-:*]", "?", name)


def batches(names: Sequence[str], limit: int = FILTER_BYTES) -> Iterator[tuple[list[str], str]]:
    """Cut a list of tests into runs whose filter fits a command line; give names and filter of each."""
    chosen: list[str] = []
    length = 0
    for name in names:
        cost = len(name.encode()) + 1
        if chosen and length + cost > limit:
            yield chosen, ":".join(map(filter_word, chosen))
            chosen, length = [], 0
        chosen.append(name)
        length += cost
    if chosen:
        yield chosen, ":".join(map(filter_word, chosen))


def takes(pattern: str, name: str) -> bool:
    """Say whether a GoogleTest filter takes a name: positives, and after a minus what is left out."""
    positive, _, negative = pattern.partition("-")
    return _any(positive or "*", name) and not (negative and _any(negative, name))


def _any(patterns: str, name: str) -> bool:
    return any(_expression(one).fullmatch(name) for one in patterns.split(":"))


def _expression(pattern: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts))


def sample(names: Iterable[str], pattern: str, at_most: int | None) -> list[str]:
    """Choose tests: those that the filter takes, evenly spread where they are too many."""
    fitting = [name for name in names if takes(pattern, name)]
    if at_most is None or len(fitting) <= at_most:
        return fitting
    return [fitting[index * len(fitting) // at_most] for index in range(at_most)]
