"""The machine-readable reports: JSON with everything, and JUnit for build servers.

Knows the records; the page for people is page.py's.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import attrs

from rocm_patch import __version__
from rocm_patch.validate.model import OUTCOMES, Known, Result, Run

#: Version of the JSON report's form. 2: `known` of a result is a list of entries.
FORM = 2
#: What XML 1.0 cannot hold.
_CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_json(run: Run) -> dict[str, Any]:
    """Give the whole run as plain data."""
    return {
        "form": FORM,
        "tool": f"rocm-patch {__version__}",
        "started": run.started,
        "seconds": round(run.seconds, 1),
        "passed": run.passed,
        "counts": {outcome: run.count(outcome) for outcome in OUTCOMES},
        "compared": run.compared,
        "processes": run.processes,
        "about": run.about,
        "settings": run.settings,
        "benchmark": run.verdicts,
        "steps": run.steps,
        "results": [attrs.asdict(result) for result in run.results],
    }


def write_json(run: Run, path: Path) -> None:
    """Write the JSON report."""
    path.write_text(json.dumps(as_json(run), indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Run:
    """Read a JSON report back."""
    data = json.loads(path.read_text(encoding="utf-8"))
    for result in data["results"]:
        result["known"] = [Known(**entry) for entry in result["known"]]
    return Run(
        about=data["about"],
        settings=data["settings"],
        started=data["started"],
        results=[Result(**result) for result in data["results"]],
        seconds=data["seconds"],
        verdicts=data["benchmark"],
        processes=data["processes"],
    )


def write_junit(run: Run, path: Path) -> None:
    """Write JUnit's XML: one suite, one case a test; crashes and hangs are errors."""
    bad = {"failures": run.count("failed"), "errors": run.count("crashed") + run.count("hung")}
    counts = {name: str(count) for name, count in {**bad, "skipped": run.count("skipped")}.items()}
    root = ET.Element("testsuites")
    suite = ET.SubElement(
        root,
        "testsuite",
        name="gpu",
        tests=str(len(run.results)),
        time=f"{run.seconds:.3f}",
        timestamp=run.started,
    )
    for name, count in counts.items():
        suite.set(name, count)
    properties = ET.SubElement(suite, "properties")
    for name, value in run.about.items():
        ET.SubElement(properties, "property", name=name, value=_clean(str(value)))
    for result in run.results:
        _, _, name = result.id.partition("::")
        case = ET.SubElement(
            suite, "testcase", classname=result.group, name=_clean(name), time=f"{result.seconds:.3f}"
        )
        kind = {"failed": "failure", "crashed": "error", "hung": "error", "skipped": "skipped"}.get(
            result.outcome
        )
        if kind is not None:
            first = result.text.strip().splitlines()[-1:] or [result.outcome]
            ET.SubElement(case, kind, type=result.outcome, message=_clean(first[0])).text = _clean(
                result.text
            )
        said = [f"known problem: {entry.id}, {entry.title}" for entry in result.known]
        if said or result.log:
            ET.SubElement(case, "system-err").text = _clean("\n".join([*said, result.log]))
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    return _CONTROL.sub("?", text)
