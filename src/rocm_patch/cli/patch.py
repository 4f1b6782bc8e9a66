"""`rocm-patch patch`: list, apply, refresh, new and check patch series.

Knows words and tables; all work is done by rocm_patch.series.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from rocm_patch import series as work
from rocm_patch.components.buildfile import buildable
from rocm_patch.errors import SeriesError, UsageError
from rocm_patch.paths import data_root
from rocm_patch.series.header import VERIFIED

_TREE = click.option(
    "--tree",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The unpacked source.",
)


@click.group()
def patch() -> None:
    """List, apply, check and refresh patch series."""


@patch.command("list")
@click.argument("component", required=False)
@click.argument("version", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(component: str | None, version: str | None, *, as_json: bool) -> None:
    """Show each patch: what it is for, which versions need it, its state upstream."""
    rows = []
    found = False
    for name, number, folder in work.all_series():
        if component in (None, name) and version in (None, number):
            found = True
            series = work.Series.load(folder)
            rows += [_row(name, number, each) for each in series.patches]
    if component and not found:
        wanted = f"{component} {version}" if version else component
        raise SeriesError(
            f"there is no series for {wanted}", step="`rocm-patch patch list` shows what there is"
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None, header_style="bold")
    for title in ("component", "version", "patch", "purpose", "needed for", "upstream", "verified"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(row[key]) for key in _COLUMNS[:-1]), _state(row["verified"]))
    Console(highlight=False, markup=False).print(table)


_COLUMNS = ("component", "version", "patch", "purpose", "needed_for", "applied_upstream", "verified")


def _row(component: str, version: str, each: work.Patch) -> dict[str, Any]:
    header = each.header
    return {
        "component": component,
        "version": version,
        "patch": each.name,
        "purpose": header.purpose,
        "needed_for": str(header.versions) if header.versions is not None else "",
        "applied_upstream": header.get("Applied-Upstream"),
        "forwarded": header.get("Forwarded"),
        "verified": header.get(VERIFIED),
        "tests": header.tests,
    }


def _state(verified: str) -> str:
    """Show `no (reason)` as what it means."""
    known, _, reason = _plain(verified).partition(" ")
    return f"UNVERIFIED {reason}" if known == "no" else f"{known} {reason}"


def _plain(value: str) -> str:
    return " ".join(value.split()) or "?"


@patch.command()
@click.argument("component")
@click.argument("version")
@_TREE
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--until", metavar="PATCH", help="Stop behind this patch; with --reverse it stays applied.")
@click.option("--reverse", is_flag=True, help="Take the patches off again, last first.")
def apply(
    component: str, version: str, tree: Path, *, dry_run: bool, until: str | None, reverse: bool
) -> None:
    """Apply a series to a tree: all of it, or nothing where a hunk does not fit."""
    series = work.load_series(component, version)
    call = work.unapply if reverse else work.apply_series
    result = call(series, tree, until=until, dry_run=dry_run)
    if result.recovered:
        click.echo(f"an earlier run was cut off: its change was {result.recovered}", err=True)
    sign, verb = ("-", "taken off") if reverse else ("+", "applied")
    for name in result.patches:
        click.echo(f"{sign} {name}")
    start = "dry run, nothing written; " if dry_run else ""
    click.echo(f"{start}patches {verb}: {len(result.patches)}, files changed: {len(result.files)}")


@patch.command()
@click.argument("component")
@click.argument("version")
@click.argument("name", metavar="[PATCH]", required=False)
@_TREE
@click.option("-U", "--context", default=3, show_default=True, type=click.IntRange(0, 100), metavar="LINES")
def refresh(component: str, version: str, name: str | None, tree: Path, *, context: int) -> None:
    """Write a patch anew from a tree; its header is kept.

    An applied patch is taken from the tree's files. One that is not applied is
    carried over to the lines where its hunks now stand, if their content matches.
    """
    series = work.load_series(component, version)
    changed = work.refresh(series, tree, name, context=context)
    for each in changed:
        click.echo(f"rewritten: {each}")
    if not changed:
        click.echo("nothing to rewrite")


@patch.command()
@click.argument("component")
@click.argument("version")
@click.argument("name")
@_TREE
@click.option("--description", default="", help="One line: what the patch is for.")
@click.option("--author", default="", help="Name <address>.")
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="PATH",
    help="A file that will be edited; give it before editing.",
)
def new(
    component: str,
    version: str,
    name: str,
    tree: Path,
    *,
    description: str,
    author: str,
    files: tuple[str, ...],
) -> None:
    """Begin a patch: header, next number, last line of series, applied in the tree."""
    series = work.load_series(component, version)
    path = work.new_patch(
        series,
        tree,
        name,
        description=description,
        author=author,
        versions=f"=={version}",
        files=list(files),
    )
    click.echo(path)


@patch.command()
@click.argument("component")
@click.argument("version")
@click.option(
    "--tree",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Also prove on this source that each patch applies exactly and is needed.",
)
@click.option("--fetch", is_flag=True, help="The same on the pinned source, fetched and unpacked for it.")
def check(component: str, version: str, tree: Path | None, *, fetch: bool) -> None:
    """Prove that each patch is complete, needed and exact."""
    folder = work.series_folder(component, version)
    if fetch and tree is not None:
        raise UsageError("--tree and --fetch name two sources", step="give one of them")
    with tempfile.TemporaryDirectory(prefix="rocm-patch-") as place:
        if fetch:
            tree = _fetched(component, version, Path(place) / "tree")
        findings = work.check(folder, version, root=data_root(), tree=tree)
    if findings:
        raise SeriesError(
            f"patches/{component}/{version} is not in order (findings: {len(findings)})",
            detail=[str(finding) for finding in findings],
            step="correct the patches' headers and content; docs/patches.md explains each rule",
        )
    click.echo(f"{component} {version}: in order" + ("" if tree else " (not applied: no --tree, no --fetch)"))


def _fetched(component: str, version: str, dest: Path) -> Path:
    """Unpack the component's own source as pinned; SourceError says what was tried."""
    from rocm_patch import sources  # noqa: PLC0415 - only here is anything fetched

    items = sources.load_recipe(component).sources.get(version, ())
    item = next((one for one in items if one.name == component), None)
    if item is None:
        raise UsageError(f"recipes/{component} pins no source of {version}", step="give --tree")
    found = sources.fetch_details([item], cache=sources.ObjectStore())[item.name]
    click.echo(f"{component} {version}: {found.origin or found.path}", err=True)
    return sources.unpack(found.path, dest, found.variant.unpack)


@patch.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def matrix(*, as_json: bool) -> None:
    """Show component by ROCm version: which patches a version needs, and which were applied to its source."""
    cells, builds = work.matrix.cells(), buildable()
    if as_json:
        records = [
            {**cell.record(), "build-settings": (cell.component, cell.version) in builds} for cell in cells
        ]
        click.echo(json.dumps(records, indent=2))
        return
    click.echo(work.matrix.markdown(cells, builds), nl=False)
