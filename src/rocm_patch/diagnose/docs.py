"""Writes docs/problems/ from the catalogue: one page a problem, and an index.

Knows the catalogue's form and Markdown. The pages are committed; a test compares
them with what this module writes.
"""

from __future__ import annotations

from pathlib import Path

from rocm_patch.diagnose.catalogue import Catalogue
from rocm_patch.diagnose.fixes import conditions_in_words
from rocm_patch.diagnose.schema import AnyOf, Expression, Pattern, Problem, Signature

_NOTICE = "<!-- Written by `rocm-patch diagnose --write-docs` from problems/{name}.yml: change that file. -->"


def pages(catalogue: Catalogue) -> dict[str, str]:
    """Give every page's file name and text."""
    out = {f"{problem.id}.md": _page(problem) for problem in catalogue.problems.values()}
    out["README.md"] = _index(catalogue)
    return out


def write_pages(catalogue: Catalogue, folder: Path) -> list[Path]:
    """Write the pages; remove those of problems that the catalogue no longer has. Gives the changed ones."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages(catalogue)
    changed = []
    for path in folder.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
            changed.append(path)
    for name, text in wanted.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def _page(problem: Problem) -> str:
    out = [_NOTICE.format(name=problem.id), "", f"# {problem.title}", "", problem.summary, ""]
    out += [f"`{problem.id}`, number {problem.number}; way out: {', '.join(problem.kind)}."]
    out += [f"How well founded: {problem.confidence}.", ""]
    out += ["## Who is affected", "", problem.affected, "", f"Versions: {problem.versions}.", ""]
    out += ["## Cause", "", problem.cause, ""]
    out += ["## How it is told apart", "", problem.distinguish, ""]
    out += [f"- Comes before [{rule.problem}]({rule.problem}.md): {rule.why}." for rule in problem.beats]
    out += [""] * bool(problem.beats)
    out += ["## Fixes, best first", ""]
    for number, fix in enumerate(problem.fixes, 1):
        words = conditions_in_words(fix.when)
        out.append(f"{number}. {fix.text}" + (f" ({_escaped(words)})." if words else "."))
        if fix.commands:
            out += ["", *(f"       {command}" for command in fix.commands), ""]
    out += [""] if out[-1] else []
    out += ["## Signs", ""]
    for sign in problem.signatures:
        out += _sign(sign)
    if problem.notes:
        out += ["", "## Notes", "", problem.notes]
    out += ["", "## Evidence", "", *(f"- <{address.split(' ')[0]}>" for address in problem.evidence), ""]
    return "\n".join(out)


def _sign(sign: Signature) -> list[str]:
    """Describe one signature in a list item."""
    extra = [f"only if {name}" for name in sign.needs] + [f"not if {name}" for name in sign.unless]
    if sign.benign:
        extra.append("only a warning")
    out = [f"- {sign.strength}: {sign.means}" + (f" ({', '.join(extra)})" if extra else "")]
    for item in sign.all:
        patterns = item.any if isinstance(item, AnyOf) else [item]
        out.append("  - " + " or ".join(_literal(one) for one in patterns))
    if sign.any:
        out.append("  - " + " or ".join(_literal(one) for one in sign.any))
    return out


def _literal(pattern: Pattern) -> str:
    """Show a pattern as code."""
    return f"`/{pattern.regex}/`" if isinstance(pattern, Expression) else f"`{pattern}`"


def _index(catalogue: Catalogue) -> str:
    out = [_NOTICE.format(name="*"), "", "# Known problems", ""]
    out += ["`rocm-patch diagnose` finds these in any text. One page each, with fixes and evidence.", ""]
    out += ["| | problem | way out | |", "|---|---|---|---|"]
    for problem in catalogue.problems.values():
        kinds = ", ".join(problem.kind)
        out.append(f"| {problem.number} | {problem.title} | {kinds} | [{problem.id}]({problem.id}.md) |")
    out += ["", "## Looks alike, and is none of them", ""]
    out += [f"- **{alike.title}**: {alike.why}" for alike in catalogue.common.lookalikes]
    return "\n".join([*out, ""])


def _escaped(words: str) -> str:
    """Keep the stars of name patterns from being read as emphasis."""
    return words.replace("*", "\\*")
