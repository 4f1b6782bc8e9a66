"""What has been run: one JSON file a binary, whole at any moment, so that a killed run goes on.

Each result is a line in a file beside it until the whole is written again: a program of ten thousand
tests would else write its ten thousand results ten thousand times.

Knows outcomes and files; nothing of how a test is run or explained.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Literal

import attrs

Outcome = Literal["passed", "failed", "crashed", "timed-out", "skipped"]
OUTCOMES: tuple[Outcome, ...] = ("passed", "failed", "crashed", "timed-out", "skipped")
BAD: tuple[Outcome, ...] = ("failed", "crashed", "timed-out")
#: What is kept of a failure's text.
TEXT_CHARACTERS = 4000


@attrs.frozen
class Result:
    """How one test ended; `library` is the state of the virtual GPU that ran it."""

    outcome: Outcome
    seconds: float
    library: str
    text: str = ""


@attrs.define
class Record:
    """A binary: the tests that it lists, those that were chosen, and what came of them."""

    suite: str
    binary: str
    #: Names the bytes of the packages: results of others do not count.
    digest: str
    listed: int = 0
    chosen: list[str] = attrs.field(factory=list)
    results: dict[str, Result] = attrs.field(factory=dict)
    #: Why the binary itself could not be used, or nothing.
    problem: str = ""
    #: Bad results that were dropped to run the test again: nothing that failed once is forgotten.
    earlier: dict[str, list[Result]] = attrs.field(factory=dict)

    def count(self, *outcomes: Outcome) -> int:
        """Count the chosen tests that ended so."""
        return sum(one.outcome in outcomes for one in self.of_chosen().values())

    def of_chosen(self) -> dict[str, Result]:
        """Give the results of tests that are chosen now, in the list's order."""
        return {name: self.results[name] for name in self.chosen if name in self.results}

    @property
    def left(self) -> list[str]:
        """Give the chosen tests that have no result yet."""
        return [name for name in self.chosen if name not in self.results]


def record_path(folder: Path, suite: str, binary: str) -> Path:
    """Name a binary's file."""
    return folder / suite / f"{binary}.json"


def _lines(path: Path) -> Path:
    return path.with_suffix(".lines")


def note(path: Path, name: str, result: Result) -> None:
    """Add a result to a record that was saved."""
    with _lines(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps([name, attrs.asdict(result)]) + "\n")


def _noted(path: Path) -> dict[str, Result]:
    """Read what was added since; of a line that a kill cut short there is no result."""
    noted = {}
    with contextlib.suppress(OSError):
        for line in _lines(path).read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, TypeError):
                name, one = json.loads(line)
                noted[str(name)] = Result(**one)
    return noted


def load(path: Path, suite: str, binary: str, digest: str) -> Record:
    """Read a binary's record; an empty one where there is none, it is damaged or of other packages."""
    empty = Record(suite=suite, binary=binary, digest=digest)
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        results = {name: Result(**one) for name, one in data.pop("results").items()}
        earlier = {name: [Result(**one) for one in many] for name, many in data.pop("earlier", {}).items()}
        record = Record(**data, results=results | _noted(path), earlier=earlier)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return empty
    return record if record.digest == digest else empty


def save(path: Path, record: Record) -> None:
    """Write a record; who reads finds the old one or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(attrs.asdict(record), indent=1) + "\n", encoding="utf-8")
    os.replace(new, path)  # noqa: PTH105  the rename that replaces
    _lines(path).unlink(missing_ok=True)


def load_all(folder: Path) -> list[Record]:
    """Read every record below a folder, by suite and binary."""
    records = []
    for path in sorted(folder.glob("*/*.json")):
        try:
            digest = json.loads(path.read_text(encoding="utf-8"))["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        records.append(load(path, path.parent.name, path.stem, digest))
    return records
