"""What is printed of a diagnosis: JSON for programs, words for people.

Knows a finished diagnosis and rich; judges nothing. Evidence lines were made
harmless when they were read, and are never parsed as markup.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from rocm_patch.diagnose.fixes import conditions_in_words
from rocm_patch.diagnose.judge import Diagnosis, Finding
from rocm_patch.diagnose.matcher import Hit
from rocm_patch.diagnose.schema import Fix, Strength

#: Evidence lines shown of one problem.
MOST_LINES = 12
#: From these on, confidence is called so.
SURE, LIKELY = 0.9, 0.7
_OVERRIDE_FACT = "override-on-gfx101x"
_WEIGHT_WORDS: dict[Strength, str] = {
    "certain": "only this problem prints it",
    "strong": "rarely printed by another problem",
    "medium": "printed by other problems too",
    "weak": "weak on its own",
}


def as_json(diagnosis: Diagnosis) -> str:
    """Give the document that docs/diagnose.md describes; pure ASCII, one line."""
    return json.dumps({"problems": [entry(finding) for finding in diagnosis.findings]})


def entry(finding: Finding) -> dict[str, Any]:
    """Give what the document says of one problem."""
    evidence = finding.evidence()
    return {
        "id": finding.problem.id,
        "title": finding.problem.title,
        "confidence": finding.confidence,
        "evidence": [hit.evidence for hit in evidence],
        "lines": [hit.line for hit in evidence],
        "fixes": [fix_as_text(fix) for fix in finding.fixes],
        "commands": [list(fix.commands) for fix in finding.fixes],
        "remarks": finding.remarks,
    }


def fix_as_text(fix: Fix) -> str:
    """Give a fix as one sentence, with the machines it is for."""
    words = conditions_in_words(fix.when)
    return f"{fix.text} ({words})" if words else fix.text


def show(diagnosis: Diagnosis, console: Console) -> None:
    """Write the findings for a reader: what it is, how one knows, why not another, what to do."""
    if diagnosis.findings:
        for rank, finding in enumerate(diagnosis.findings, 1):
            show_finding(finding, rank, diagnosis, console)
    else:
        console.print("not known: no problem of the catalogue shows in this text")
        console.print(
            "[dim]`rocm-patch diagnose --report DIR` makes a bundle for a bug report, "
            "`rocm-patch new-problem FILE` a new entry[/]"
        )
    named = {name for finding in diagnosis.findings for name in (finding.problem.id,)}
    for alike, hit in diagnosis.lookalikes:
        if not named.intersection(alike.resembles):
            console.print(f"\n[bold]looks alike, but is none of them:[/] line {hit.line}")
            console.print(Text(f"  {alike.title}. {alike.why}"))
    if diagnosis.facts.gfx and diagnosis.findings:
        console.print(Text(f"\nfixes chosen for {', '.join(diagnosis.facts.gfx)}", style="dim"))


def _line(hit: Hit) -> str:
    return f"line {hit.line}"


def show_finding(
    finding: Finding, rank: int, diagnosis: Diagnosis, console: Console, place: Callable[[Hit], str] = _line
) -> None:
    """Write one problem: its evidence with the place of each line, its cause and this machine's fixes."""
    problem = finding.problem
    if rank > 1:
        console.print()
    console.print(Text.assemble((f"{rank}. {problem.title}", "bold"), f"  [{problem.id}]"))
    console.print(Text(f"   {_in_words(finding.confidence)} (confidence {finding.confidence:.2f})"))
    console.print(Text(f"   {problem.summary}"))
    console.print("   evidence:")
    for hit in finding.evidence()[:MOST_LINES]:
        console.print(Text(f"     {place(hit)}: {hit.evidence}"))
    for sign in finding.signs:
        weight = _WEIGHT_WORDS[sign.signature.strength]
        console.print(Text(f"     - {sign.signature.means} ({weight})", style="dim"))
    console.print(Text(f"   cause: {problem.cause}"))
    console.print(Text(f"   not to be mistaken: {problem.distinguish}"))
    for remark in finding.remarks:
        console.print(Text(f"   note: {remark}"))
    if _OVERRIDE_FACT in diagnosis.facts.held and any(
        sign.signature.fact == _OVERRIDE_FACT for sign in finding.signs
    ):
        console.print("   [bold]refused:[/] rocm-patch sets no foreign HSA_OVERRIDE_GFX_VERSION on gfx101x")
    console.print("   what this machine can do, best first:")
    for number, fix in enumerate(finding.fixes, 1):
        console.print(Text(f"     {number}. {fix_as_text(fix)}"))
        for command in fix.commands:
            console.print(Text(f"          {command}"))
    if not finding.fixes:
        console.print("     no known fix fits this machine")


def _in_words(confidence: float) -> str:
    return "sure" if confidence >= SURE else "likely" if confidence >= LIKELY else "possible"
