"""Shows a plan to people: a table, then what to do by hand and why the rest is as it is."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rocm_patch.plan.actions import Packages, in_words
from rocm_patch.plan.model import Item, Plan, State

STYLES: dict[State, str] = {
    "needed": "bold yellow",
    "by-hand": "yellow",
    "right": "green",
    "impossible": "red",
    "optional": "cyan",
    "unknown": "magenta",
}
#: What each state means, for docs and the last line of a table.
MEANING: dict[State, str] = {
    "needed": "rocm-patch apply does it",
    "by-hand": "only you can do it",
    "right": "nothing to do",
    "impossible": "cannot be put right here",
    "optional": "only with --with RULE",
    "unknown": "a fact is missing",
}


#: What finds out a fact that is not known.
FINDS = {"rocblas.code": "rocm-patch plan --seconds 600"}


def plain(text: str) -> str:
    """Take out of a text what could steer a terminal or fake a line."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def show_plan(plan: Plan, console: Console) -> None:
    """Print a plan."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    for head in ("rule", "state", "what"):
        table.add_column(head, overflow="fold")
    for item in plan.items:
        table.add_row(item.rule, f"[{STYLES[item.state]}]{item.state}[/]", escape(plain(item.title)))
    console.print(table)
    for item in plan.items:
        if item.state != "right":
            _show_item(item, console)
    count = len(plan.to_do())
    if not plan.items:
        console.print("No rule concerns this machine.")
    elif count:
        console.print(f"\n{count} item(s) for `sudo rocm-patch apply`; it changes nothing with --dry-run")
        if any(isinstance(action, Packages) for item in plan.to_do() for action in item.actions):
            console.print(
                "It does all or nothing: if a package cannot be had, it says so before it changes anything, "
                "and --exclude RULE does the rest"
            )


def _show_item(item: Item, console: Console) -> None:
    console.print(
        f"\n[{STYLES[item.state]}]{item.rule}[/] ({MEANING[item.state]}): {escape(plain(item.why))}"
    )
    for action in item.actions:
        console.print(f"  does  {escape(plain(in_words(action)))}")
    for command in item.commands:
        console.print(f"  you   {escape(plain(command))}")
    if item.unknown:
        console.print(f"  not known: {', '.join(item.unknown)}")
        for command in (FINDS[name] for name in item.unknown if name in FINDS):
            console.print(f"  you   {command}")
    if item.afterwards and item.state in {"needed", "by-hand", "optional"}:
        console.print(f"  then  {escape(plain(item.afterwards))}")
    if item.problem:
        console.print(f"  page  docs/problems/{item.problem}.md", style="dim")
