"""From a failure to the known problems behind it: what the test and its process said, read by `diagnose`.

Only what was said while the test ran counts. A traceback also shows lines of the suite's source, and a
source that speaks of an error is not that error. Knows results and diagnoses; not how either is shown.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from rocm_patch.diagnose.catalogue import Catalogue
from rocm_patch.diagnose.judge import Finding, diagnose_stream
from rocm_patch.diagnose.machine import Machine
from rocm_patch.diagnose.show import fix_as_text
from rocm_patch.validate.model import Known, Result, Run

#: Gives the entries that explain a failure, the best first; none where nothing matches.
Explain = Callable[[Result], list[Known]]
#: Pytest's mark of what was raised, beside the source lines that it shows.
RAISED = "E  "
#: Entries kept of one failure.
MOST = 3
#: Lines of evidence kept of one entry.
EVIDENCE = 4


def from_catalogue(catalogue: Catalogue, about: Mapping[str, Any]) -> Explain:
    """Give the way from a failure to entries of `catalogue`, on the GPU that `about` describes."""
    machine = _machine(about)

    def entries(result: Result) -> list[Known]:
        message, log = _said(result)
        stream = io.BytesIO("\n".join([*message, *log]).encode())
        findings = diagnose_stream(stream, catalogue, machine).findings
        return [_known(finding) for finding in findings if _explains(finding, len(message))][:MOST]

    return entries


def explain(run: Run, entries: Explain) -> None:
    """Name the entries that explain each failure of `run`, where there are any."""
    run.results = [
        attrs.evolve(result, known=entries(result)) if result.bad else result for result in run.results
    ]


def _said(result: Result) -> tuple[list[str], list[str]]:
    """Give the lines of the failure's own message, and those that the process left in its log."""
    lines = result.text.splitlines()
    if result.outcome != "failed":
        return [], lines  # of a process that died or hung the text is its log
    raised = [line.removeprefix(RAISED).strip() for line in lines if line.startswith(RAISED)]
    return raised or lines, result.log.splitlines()


def _explains(finding: Finding, message: int) -> bool:
    """Say whether a finding can be the reason: a warning is one only where the failure itself is about it.

    The guard fails a test for a warning, which then stands in the `message` first lines; in a log it
    stands beside every failure of the process.
    """
    return not finding.benign or any(hit.line <= message for hit in finding.evidence())


def _known(finding: Finding) -> Known:
    return Known(
        id=finding.problem.id,
        title=finding.problem.title,
        confidence=finding.confidence,
        evidence=[hit.evidence for hit in finding.evidence()][:EVIDENCE],
        fixes=[fix_as_text(fix) for fix in finding.fixes],
    )


def _machine(about: Mapping[str, Any]) -> Machine:
    """Describe the GPU under test for the choice of entries and fixes."""
    if about.get("cuda"):
        return Machine(facts=frozenset({"nvidia-gpu"}))
    target = str(about.get("arch", "")).partition(":")[0]
    if not target.startswith("gfx"):
        return Machine()
    return Machine(gfx=(target,), facts=frozenset({"amd-gpu"}))
