"""The records of a validation run: tests, their outcomes, the whole.

Plain data that turns into JSON and back; knows nothing of how tests are run or shown.
"""

from __future__ import annotations

from typing import Any

import attrs

#: How a test may end. `crashed`: its process died; `hung`: it was ended after its time limit.
OUTCOMES = ("passed", "failed", "crashed", "hung", "skipped")
BAD = ("failed", "crashed", "hung")


@attrs.frozen
class Test:
    """A collected test: pytest's id and its marks."""

    id: str
    marks: tuple[str, ...] = ()

    @property
    def exclusive(self) -> bool:
        """Whether the test needs the device for itself."""
        return "exclusive" in self.marks


@attrs.frozen
class Known:
    """An entry of the catalogue of problems that explains a failure: what showed it, and what to do."""

    id: str
    title: str
    #: From 0 to 1, diagnose's.
    confidence: float
    evidence: list[str] = attrs.field(factory=list)
    #: Best first, those that fit the GPU under test.
    fixes: list[str] = attrs.field(factory=list)


@attrs.frozen
class Result:
    """One test's outcome; `text` is the failure or the reason of a skip, `seconds` its time."""

    id: str
    outcome: str
    seconds: float
    text: str = ""
    #: What the suite recorded: errors against tolerances, curves, values (tests/gpu/suite/record.py).
    errors: list[dict[str, Any]] = attrs.field(factory=list)
    curves: dict[str, list[float]] = attrs.field(factory=dict)
    values: dict[str, Any] = attrs.field(factory=dict)
    #: How many results were compared with the reference.
    compared: int = 0
    #: What the process wrote past pytest while a failed test ran: the runtime's own messages.
    log: str = ""
    #: The catalogue's entries that explain a failure, the best first.
    known: list[Known] = attrs.field(factory=list)

    @property
    def bad(self) -> bool:
        """Whether the test speaks against the build."""
        return self.outcome in BAD

    @property
    def group(self) -> str:
        """The suite's file, without ending: the part that the test belongs to."""
        return self.id.partition("::")[0].rpartition("/")[2].removesuffix(".py").removeprefix("test_")


@attrs.define
class Run:
    """A whole run: what was tested, with which settings, and every result in order of ending."""

    about: dict[str, Any]
    settings: dict[str, Any]
    started: str
    results: list[Result] = attrs.field(factory=list)
    seconds: float = 0.0
    #: The benchmark's comparison with its history (history.py), empty without --bench.
    verdicts: list[dict[str, Any]] = attrs.field(factory=list)
    #: Processes that were started: one more than the workers for each crash or hang.
    processes: int = 0

    def count(self, outcome: str) -> int:
        """Give the number of tests with that outcome."""
        return sum(result.outcome == outcome for result in self.results)

    @property
    def bad(self) -> list[Result]:
        """Give the results that speak against the build."""
        return [result for result in self.results if result.bad]

    @property
    def passed(self) -> bool:
        """Whether something ran and nothing failed; a slower benchmark fails as well."""
        return self.count("passed") > 0 and not self.bad and not any(v["regressed"] for v in self.verdicts)

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Give what one step of each benchmark executes on the virtual card, where that was asked for.

        Wave instructions in all, of these the vector ALU's (`valu`), of these fused multiply-adds (`fma`),
        and the latter's share of all.
        """
        found = [result.values["step"] for result in self.results if "step" in result.values]
        return [{**step, "fma_share": step["fma"] / step["instructions"]} for step in found]

    @property
    def compared(self) -> int:
        """Give the number of comparisons with the reference."""
        return sum(result.compared for result in self.results)


def result_of(message: dict[str, Any], log: str = "") -> Result:
    """Make a result of the suite's `finished` message and of what the process logged meanwhile."""
    record = message.get("data", {}).get("record", {})
    return Result(
        id=message["id"],
        outcome=message["outcome"],
        seconds=message["seconds"],
        text=message.get("text", ""),
        errors=record.get("errors", []),
        curves=record.get("curves", {}),
        values=record.get("values", {}),
        compared=record.get("compared", 0),
        log=log if message["outcome"] == "failed" else "",
    )
