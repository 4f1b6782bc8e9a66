"""Turns the probe's answers into what detect, doctor and plan work on, and rows for one table.

What another machine sent is checked against the model before anything uses it.
Knows answers and the judge; nothing of ssh's workings or of printing.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import attrs
from pydantic import TypeAdapter, ValidationError

from rocm_patch.detect.model import Report
from rocm_patch.diagnose.catalogue import Catalogue
from rocm_patch.diagnose.text import harmless
from rocm_patch.doctor.checkup import Checkup, check
from rocm_patch.doctor.gather import Gathered, Text
from rocm_patch.errors import RocmPatchError
from rocm_patch.fleet.probe import NO_PYTHON
from rocm_patch.fleet.ssh import Answer
from rocm_patch.plan.machine import plan_for

_REPORT: TypeAdapter[Report] = TypeAdapter(Report)
_MOST_TEXTS, _MOST_NOTES = 64, 500
_DEEP = 12
#: Exit code of the shell line where rocm-patch is not installed.
NO_PROGRAM = 98


@attrs.define
class Host:
    """One machine's part: what it sent, or why there is nothing. `result` is the command's JSON of it."""

    name: str
    seconds: float
    trouble: str = ""
    gathered: Gathered | None = None
    #: The machine as detect --save writes it, for plans.
    machine: str = ""
    #: What apply published there, as it was read; empty where it never ran.
    status: str = ""
    checkup: Checkup | None = None
    result: Any = None

    def document(self) -> dict[str, Any]:
        """Give the machine's entry in the JSON of all."""
        ok = not self.trouble
        return {"host": self.name, "ok": ok, "seconds": self.seconds, "error": self.trouble or None,
                "result": self.result if ok else None}  # fmt: skip


def received(answer: Answer) -> Host:
    """Read a probe's answer. What does not fit the model is the machine's trouble, never ours."""
    host = Host(answer.host, answer.seconds, answer.trouble)
    if host.trouble:
        return host
    if answer.code == NO_PYTHON:
        host.trouble = "it has no Python 3.10 or newer; install one, or run rocm-patch there"
        return host
    if answer.code != 0:
        last = "".join(_lines(answer.errors.strip())[-1:])
        host.trouble = f"the probe ended with exit code {answer.code}{f': {last}' if last else ''}"
        return host
    try:
        # A login script may print before; the document is the last line.
        line = answer.output.decode("utf-8").strip().split("\n")[-1]
        data = _harmless(json.loads(line))
        report = _REPORT.validate_python(data["report"])
        texts = [Text(str(one["name"]), str(one["text"])) for one in data["texts"][:_MOST_TEXTS]]
        notes = [str(note) for note in data["notes"][:_MOST_NOTES]]
        host.machine, host.status = str(data["machine"]), str(data["status"] or "")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        kind = "does not fit the model" if isinstance(error, ValidationError) else str(error)
        host.trouble = f"its answer is none of rocm-patch's: {harmless(kind)[:200]}"
        return host
    report.root = answer.host
    host.gathered = Gathered(report, texts, notes)
    host.result = asdict(report)
    return host


def checked_up(host: Host, catalogue: Catalogue) -> None:
    """Let doctor judge what a machine sent."""
    if host.gathered is not None:
        host.checkup = check(host.gathered, catalogue)
        host.result = host.checkup.document()


def planned(host: Host) -> None:
    """Make the plan of what a machine sent, by the rules of this machine's rocm-patch."""
    if host.gathered is None:
        return
    with tempfile.TemporaryDirectory(prefix="rocm-patch-plan-") as folder:
        file = Path(folder) / "machine.yml"
        file.write_text(host.machine, "utf-8")
        try:
            plan, _ = plan_for(file)
        except RocmPatchError as error:
            host.trouble = f"no plan: {error.what}{f' ({error.cause})' if error.cause else ''}"
            return
    host.result = plan.model_dump(mode="json")


def state_of(host: Host) -> None:
    """Give what apply published on a machine; `known` is false where it never ran."""
    if host.gathered is None:
        return
    try:
        # A document inside the document: what its escapes stand for was not looked at before.
        found = _harmless(json.loads(host.status)) if host.status else {"known": False}
    except (ValueError, RecursionError):
        host.trouble = "its /var/lib/rocm-patch/status.json is damaged; run rocm-patch status there as root"
        return
    host.result = found if isinstance(found, dict) else {"known": False}


def ran(answer: Answer) -> Host:
    """Read the answer of a rocm-patch that is installed there: its words."""
    host = Host(answer.host, answer.seconds, answer.trouble)
    if host.trouble:
        return host
    words = "\n".join(_lines(answer.output.decode("utf-8", "replace")))
    if answer.code == NO_PROGRAM:
        host.trouble = "rocm-patch is not installed there (not in PATH)"
    elif answer.code != 0:
        said = [line for line in [*words.splitlines(), *_lines(answer.errors)] if line.strip()]
        host.trouble = f"exit code {answer.code}: {' / '.join(said[-4:])[:600] or 'no word'}"
    else:
        host.result = words
    return host


def _lines(text: str) -> list[str]:
    return [harmless(line) for line in text.splitlines()]


def _harmless(value: Any, deep: int = 0) -> Any:
    """Take out of every string what a terminal would act on; line ends stay."""
    if deep > _DEEP:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return "\n".join(harmless(line) for line in value.split("\n"))
    if isinstance(value, list):
        return [_harmless(one, deep + 1) for one in value]
    if isinstance(value, dict):
        return {harmless(str(key)): _harmless(one, deep + 1) for key, one in value.items()}
    return value
