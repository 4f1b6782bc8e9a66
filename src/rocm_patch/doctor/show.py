"""What doctor prints for people. Knows a finished check-up and rich; judges nothing."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from rocm_patch.diagnose.matcher import Hit
from rocm_patch.diagnose.show import show_finding
from rocm_patch.diagnose.text import harmless
from rocm_patch.doctor.checkup import Checkup

_NOTES = 8


def show(checkup: Checkup, console: Console, *, plans: bool = False) -> None:
    """Write the problems of the machine, or that none is known, and what was not looked at.

    `plans` says whether this rocm-patch makes plans.
    """

    def place(hit: Hit) -> str:
        name, line = checkup.source(hit)
        return f"{name}, line {line}" if line else name

    names = ", ".join(f"{gpu.name or gpu.pci_id} ({gpu.gfx or '?'})" for gpu in checkup.report.gpus)
    console.print(Text(f"GPUs: {harmless(names) or 'none found'}", style="dim"))
    findings = checkup.diagnosis.findings
    for rank, finding in enumerate(findings, 1):
        show_finding(finding, rank, checkup.diagnosis, console, place)
    if not findings:
        console.print("nothing: no known problem shows on this machine")
    elif plans:
        console.print("\n[bold]next:[/] rocm-patch plan shows which of this rocm-patch can do itself")
    looked = ", ".join(name for _, name in checkup.starts) or "no text"
    console.print(Text(f"\nlooked at: the machine's files, {looked}", style="dim"))
    for note in checkup.notes[:_NOTES]:
        console.print(Text(f"not known: {harmless(note)}", style="yellow"))
    if len(checkup.notes) > _NOTES:
        console.print(Text(f"not known: {len(checkup.notes) - _NOTES} more; --json has all", style="yellow"))
    if not findings:
        console.print(
            Text(
                "what a program prints is not on the machine: PROGRAM 2>&1 | rocm-patch diagnose", style="dim"
            )
        )
