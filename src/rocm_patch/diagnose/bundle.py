"""Writes a bundle for a bug report: the anonymised text, the diagnosis, an issue text for upstream.

Knows redaction and diagnosis; sends nothing anywhere.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

from rocm_patch import __version__
from rocm_patch.diagnose.judge import Diagnosis
from rocm_patch.diagnose.redact import Redactor
from rocm_patch.diagnose.show import as_json
from rocm_patch.diagnose.text import read_lines
from rocm_patch.errors import UsageError

#: Evidence lines quoted in the issue text.
MOST_QUOTED = 40
#: Lines quoted from the end of a text in which nothing is known.
TAIL = 30


def write_report(
    folder: Path, raw: bytes, diagnosis: Diagnosis, *, command: str = "diagnose", machine: Sequence[str] = ()
) -> list[str]:
    """Write issue.md, text.txt and diagnosis.json into a new folder; give what was removed.

    `machine` is what is known of the machine, where `command` looked at one.

    UsageError if the folder holds something already: nothing is overwritten.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is not empty", cause="a report overwrites nothing", step="name a new folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    redactor = Redactor()
    # Harmless lines, numbered as the diagnosis numbers them.
    lines: list[str] = []
    for line in read_lines(io.BytesIO(raw)):
        lines += [""] * (line.number - len(lines) - 1)
        if line.number > len(lines):
            lines.append(line.text)
    text = redactor.redact("\n".join(lines) + "\n")
    (folder / "text.txt").write_text(text, encoding="utf-8")
    document = json.loads(as_json(diagnosis))
    shown = text.splitlines()
    for entry in document["problems"]:
        entry["evidence"] = [
            shown[number - 1] if 0 < number <= len(shown) else redactor.redact(line)
            for number, line in zip(entry["lines"], entry["evidence"], strict=True)
        ]
    (folder / "diagnosis.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (folder / "issue.md").write_text(_issue(diagnosis, shown, redactor, command, machine), encoding="utf-8")
    return redactor.removed()


def _issue(
    diagnosis: Diagnosis, lines: list[str], redactor: Redactor, command: str, machine: Sequence[str]
) -> str:
    """Write the issue text: what is seen, what is known of it, what the reporter has to add."""
    best = diagnosis.findings[0] if diagnosis.findings else None
    out = [f"# {best.problem.title if best else 'TITLE: what fails, in one line'}", ""]
    out += ["## What happens", "", "<!-- What did you do, what did you expect, what came instead? -->", ""]
    out += ["## Machine", ""]
    out += [f"- GPU targets: {', '.join(diagnosis.facts.gfx) or 'none'}"]
    unknown = "Distribution, kernel, ROCm and PyTorch versions: <!-- fill in -->"
    out += [*(f"- {redactor.redact(line)}" for line in machine or [unknown]), ""]
    out += ["## Lines that matter", "", "```"]
    evidence = [hit for finding in diagnosis.findings for hit in finding.evidence()]
    # What doctor saw on the machine itself has no line.
    out += [redactor.redact(hit.evidence) for hit in evidence if hit.line == 0][:MOST_QUOTED]
    numbers = [hit.line for hit in evidence if hit.line > 0]
    if not evidence:
        numbers = list(range(max(1, len(lines) - TAIL + 1), len(lines) + 1))
    out += [lines[number - 1].replace("```", "'''") for number in sorted(set(numbers))[:MOST_QUOTED]]
    out += ["```", "", "The whole text is attached as text.txt.", "", "## What is known of it", ""]
    for finding in diagnosis.findings:
        out += [f"- `{finding.problem.id}` (confidence {finding.confidence:.2f}): {finding.problem.summary}"]
        out += [f"  - {address}" for address in finding.problem.evidence]
    if not diagnosis.findings:
        out += ["Nothing: no entry of rocm-patch's catalogue fits."]
    out += ["", f"Written by `rocm-patch {command} --report` {__version__}."]
    out += [f"Removed before writing: {'; '.join(redactor.removed()) or 'nothing'}.", ""]
    return "\n".join(out)
