"""From what was gathered of a machine to its ranked problems: observations and texts, judged together.

Knows the judge and the observations; nothing of how a machine is read or how results are shown.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import attrs

from rocm_patch.detect.model import Report
from rocm_patch.diagnose.catalogue import Catalogue
from rocm_patch.diagnose.judge import Diagnosis, diagnose_lines
from rocm_patch.diagnose.machine import Machine
from rocm_patch.diagnose.matcher import Hit
from rocm_patch.diagnose.show import entry
from rocm_patch.diagnose.text import Line, harmless, read_lines
from rocm_patch.doctor.gather import Gathered, Text
from rocm_patch.doctor.observe import observe

#: Lines of a kernel's log that are about GPUs, their bus or their firmware; others stay out of a report.
GPU_LINE = re.compile(
    r"(?i)amdgpu|\bkfd\b|\bdrm\b|radeon|iommu|amd-vi|firmware|pcie|microcode|secure ?boot|"
    r"module verification|\bdkms\b|nomodeset|vfio|^Linux version"
)


@attrs.define
class Checkup:
    """The diagnosis of one machine; `starts` tells which text a line comes from."""

    diagnosis: Diagnosis
    report: Report
    notes: list[str]
    #: First line, counted through all texts, and the name of each text.
    starts: list[tuple[int, str]]

    def source(self, hit: Hit) -> tuple[str, int]:
        """Say where a hit comes from: the text's name and the line in it, or `machine` and 0."""
        if hit.line == 0:
            return "machine", 0
        base, name = self.starts[bisect_right(self.starts, (hit.line, "\uffff")) - 1]
        return name, hit.line - base + 1

    def document(self) -> dict[str, Any]:
        """Give what `--json` writes: diagnose's form, with the source of each evidence line."""
        problems = []
        for finding in self.diagnosis.findings:
            sources = [self.source(hit) for hit in finding.evidence()]
            lines = {"lines": [line for _, line in sources], "sources": [name for name, _ in sources]}
            problems.append(entry(finding) | lines)
        notes = [harmless(note) for note in self.notes]
        return {"problems": problems, "gfx": self.diagnosis.facts.gfx, "notes": notes}


def check(gathered: Gathered, catalogue: Catalogue) -> Checkup:
    """Judge a machine. Never raises for what its texts hold."""
    starts: list[tuple[int, str]] = []
    machine = machine_of(gathered.report)
    diagnosis = diagnose_lines(_lines(gathered.texts, starts), catalogue, machine)
    return Checkup(diagnosis, gathered.report, gathered.notes, starts)


def machine_of(report: Report) -> Machine:
    """Describe the machine for the judge: targets, distribution, what is and is not so, observations."""
    amd = [gpu for gpu in report.gpus if gpu.vendor == "amd"]
    system = report.os
    states = {
        # Under WSL2 the bus shows no GPU, so its absence there says nothing.
        "amd-gpu": bool(amd) or None if system.wsl else bool(amd),
        "nvidia-gpu": any(gpu.vendor == "nvidia" for gpu in report.gpus),
        "wsl": system.wsl,
        "container": system.in_container,
    }
    distribution = [system.id, f"{system.id}-{system.version}" if system.version else None]
    return Machine(
        gfx=tuple(dict.fromkeys(gpu.gfx for gpu in amd if gpu.gfx)),
        distribution=tuple(one.lower() for one in distribution if one and system.id),
        facts=frozenset(name for name, state in states.items() if state),
        absent=frozenset(name for name, state in states.items() if state is False),
        observed=tuple(
            (name, tuple(harmless(line) for line in lines)) for name, lines in observe(report).items()
        ),
        own_text=True,
    )


def _lines(texts: list[Text], starts: list[tuple[int, str]]) -> Iterator[Line]:
    """Give the lines of all texts, numbered through, with a gap that no signature spans."""
    base = 1
    for text in texts:
        starts.append((base, text.name))
        last = 0
        for line in read_lines(io.BytesIO(text.text.encode("utf-8", "replace"))):
            last = line.number
            yield Line(base + line.number - 1, line.text)
        base += last + 1000


def for_report(texts: list[Text]) -> bytes:
    """Join the texts for a bug report: of a kernel's log only what concerns the GPU."""
    out = []
    for text in texts:
        lines = [line.text for line in read_lines(io.BytesIO(text.text.encode("utf-8", "replace")))]
        if "log" in text.name or "dmesg" in text.name:
            lines = [line for line in lines if GPU_LINE.search(line)]
        out += [f"== {text.name}", *lines, ""]
    return "\n".join([*out, ""]).encode("utf-8", "replace")
