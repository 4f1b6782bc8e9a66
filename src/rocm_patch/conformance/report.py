"""docs/conformance.md: per binary what was run and how it ended, and each failure with its cause.

Knows records, sets and causes; nothing of how a test is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from rocm_patch.conformance import results
from rocm_patch.conformance.model import Cause, Causes, Suite, SuiteSet
from rocm_patch.conformance.results import BAD, Record
from rocm_patch.sources.store import write_atomic

_HEAD = """\
# Conformance: others' GPU test suites on the virtual gfx1010

Written by `./nox -s conformance`; do not edit by hand. The suites are Debian's packages, pinned by
sha256 in build/conformance/; each program runs unmodified in the sysroot, its gfx1010 code on the
virtual card ([vgpu.md](vgpu.md)). A sample of each program's tests is taken, spread evenly over its
list; limits are seconds of CPU time. Failed includes crashed. What the columns and keys mean is in
[vgpu-conformance.md](vgpu-conformance.md).
"""
_COLUMNS = ("program", "listed", "chosen", "run", "passed", "failed", "timed out", "skipped", "not run yet")


@attrs.frozen
class Page:
    """One set with its records."""

    chosen: SuiteSet
    records: Sequence[Record]


@attrs.frozen
class Failure:
    """A test that did not pass, and why, if that is known."""

    record: Record
    test: str
    result: results.Result
    cause: Cause | None


def write_page(path: Path, pages: Iterable[Page], causes: Causes) -> list[str]:
    """Write the page; give the failures (not time limits) that no cause explains, a line each."""
    text, unexplained = render(pages, causes)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.encode())
    return unexplained


def render(pages: Iterable[Page], causes: Causes) -> tuple[str, list[str]]:
    """Give the page's text, and the failures that no cause explains."""
    parts, unexplained = [_HEAD], []
    for page in pages:
        failures = list(_failures(page, causes))
        unexplained += [
            f"{one.record.suite}/{one.record.binary} {one.test}: {one.result.outcome}"
            for one in failures
            if one.cause is None and one.result.outcome != "timed-out"
        ]
        parts += _set_lines(page, failures)
    return "\n".join(parts).rstrip() + "\n", unexplained


def _failures(page: Page, causes: Causes) -> Iterable[Failure]:
    for record in page.records:
        where = (page.chosen.name, record.suite, record.binary)
        for test, result in record.of_chosen().items():
            if result.outcome in BAD:
                cause = causes.of(where, test, result.outcome, result.text)
                yield Failure(record, test, result, cause)


def _set_lines(page: Page, failures: Sequence[Failure]) -> Iterable[str]:
    yield f"## {page.chosen.title}\n"
    run = sum(len(record.of_chosen()) for record in page.records)
    passed = sum(record.count("passed") for record in page.records)
    bad = Counter(one.result.outcome for one in failures)
    yield (
        f"{run:,} tests of {len(page.records)} programs were run: {passed:,} passed, "
        f"{bad['failed'] + bad['crashed']} failed, {bad['timed-out']} met their time limit. "
        f"Limits: {page.chosen.test_seconds:.0f} s a test where no rule says otherwise.\n"
    )
    for suite in page.chosen.suites:
        records = [record for record in page.records if record.suite == suite.name]
        if records:
            yield from _suite_lines(suite, records)
    if failures:
        yield from _failure_lines(failures)
    again = [line for record in page.records for line in _again_lines(record)]
    if again:
        yield "### Bad in an earlier run, passed when run again\n"
        yield from again
        yield ""


def _again_lines(record: Record) -> Iterable[str]:
    for test, many in record.earlier.items():
        now = record.results.get(test)
        if now is not None and now.outcome == "passed":
            was = ", ".join(f"{one.outcome} in state {one.library}" for one in many)
            yield f"- {record.suite}/{record.binary} `{test}`: {was}; passed in state {now.library}"


def _suite_lines(suite: Suite, records: Sequence[Record]) -> Iterable[str]:
    yield f"### {suite.title}\n"
    yield _row(_COLUMNS)
    yield _row(["---", *(["---:"] * (len(_COLUMNS) - 1))])
    for one in records:
        counts = [one.listed, len(one.chosen), len(one.of_chosen()), one.count("passed")]
        counts += [
            one.count("failed", "crashed"),
            one.count("timed-out"),
            one.count("skipped"),
            len(one.left),
        ]
        yield _row([one.binary, *map(str, counts)])
    yield ""
    for one in records:
        if one.problem:
            yield f"- {one.binary}: {_plain(one.problem)}"
        elif one.listed == 0:
            yield f"- {one.binary}: not part of the sample"
    libraries = sorted({result.library for one in records for result in one.of_chosen().values()})
    if libraries:
        yield f"\nRun by the virtual GPU in state {', '.join(libraries)}.\n"


def _failure_lines(failures: Sequence[Failure]) -> Iterable[str]:
    yield "### Failures and their causes\n"
    yield _row(["kind", "program", "outcome", "tests", "why", "example"])
    yield _row(["---"] * 6)
    grouped: dict[tuple[str, str, str], list[Failure]] = {}
    for one in failures:
        identity = one.cause.id if one.cause else ""
        place = f"{one.record.suite}/{one.record.binary}"
        grouped.setdefault((identity, place, one.result.outcome), []).append(one)
    for (_, place, outcome), group in sorted(grouped.items(), key=lambda item: item[0]):
        cause = group[0].cause
        unknown = "over its time limit" if outcome == "timed-out" else "**not known yet**"
        kind = cause.kind if cause else ("limit" if outcome == "timed-out" else "**open**")
        why = cause.reason if cause else unknown
        yield _row([kind, place, outcome, str(len(group)), _plain(why), f"`{group[0].test}`"])
    yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Put a text on one line of a table."""
    return " ".join(text.split()).replace("|", "\\|")
