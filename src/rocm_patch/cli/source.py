"""`rocm-patch source`: list, fetch, verify and clear the pinned sources of a component.

Knows the words of the commands and how results are shown; rocm_patch.sources does the work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click
from packaging.version import InvalidVersion, Version
from rich.console import Console
from rich.table import Table

from rocm_patch.errors import SourceError, UsageError
from rocm_patch.sources import (
    ObjectStore,
    RecipeData,
    SourceItem,
    components,
    fetch_details,
    load_recipe,
    plan,
)
from rocm_patch.sources.fetch import cached


@click.group()
def source() -> None:
    """Fetch pinned sources into the cache, and look after it."""


@source.command("list")
@click.argument("component", required=False)
@click.argument("version", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(component: str | None, version: str | None, *, as_json: bool) -> None:
    """Show what each version consists of, and what of it is cached."""
    store = ObjectStore()
    rows: list[dict[str, Any]] = []
    for name in [component] if component else components():
        recipe = load_recipe(name)
        for number in [_version(recipe, version)] if version else list(recipe.sources):
            for item in recipe.items(number):
                rows += [
                    {
                        "component": name,
                        "version": number,
                        "item": item.name,
                        "python": item.python,
                        "layout": variant.layout,
                        "file": variant.file,
                        "size": variant.size,
                        "content": variant.key,
                        "providers": [p.kind for p in variant.providers],
                        "cached": cached(store, variant) is not None,
                    }
                    for variant in item.variants
                ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for heading in dict.fromkeys((row["component"], row["version"]) for row in rows):
        click.echo(" ".join(heading))
        table = Table("cached", "bytes", "file", "from", box=None, padding=(0, 2, 0, 0))
        for row in rows:
            if (row["component"], row["version"]) == heading:
                size = "" if row["size"] is None else f"{row['size']:,}"
                kinds = ", ".join(row["providers"])
                table.add_row("yes" if row["cached"] else "no", size, row["file"], kinds)
        # In a log nothing may be cut to the width of a terminal that is not there.
        console = Console()
        (console if console.is_terminal else Console(width=400)).print(table)


@source.command()
@click.argument("component")
@click.argument("version", required=False)
@click.option("--layout", help="Only this form of sources that have several.")
@click.option("--python", help="Only the wheels for this Python, such as 3.13.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be fetched and stop.")
def fetch(
    component: str, version: str | None, layout: str | None, python: str | None, *, plan_only: bool
) -> None:
    """Fetch a version's sources and wheels; what is cached is not fetched again.

    Without --python, wheels for all Pythons are fetched.
    """
    recipe = load_recipe(component)
    items = recipe.items(_version(recipe, version), python=python)
    store = ObjectStore()
    if plan_only:
        steps = plan(items, cache=store, layout=layout)
        for step in steps:
            size = "size known by git only" if step.bytes is None else f"{step.bytes:,} bytes"
            click.echo(f"{step.item.name}: {'cached' if step.cached else f'to fetch, {size}'}")
        click.echo(f"to fetch: {sum(s.bytes or 0 for s in steps) / 2**20:.1f} MiB")
        return
    for group in _groups(items):
        for name, found in fetch_details(group, cache=store, layout=layout).items():
            click.echo(f"{name} {found.sha256} {found.path}")


@source.command()
@click.argument("component", required=False)
@click.argument("version", required=False)
def verify(component: str | None, version: str | None) -> None:
    """Hash cached files in full: of a component's version, or all; damaged ones are removed."""
    store = ObjectStore()
    digests = list(store.objects()) if component is None else sorted(_digests(store, component, version))
    there = [d for d in digests if store.path(d).exists()]
    bad = store.verify(there)
    click.echo(f"{len(there)} file(s) hashed, {len(bad)} damaged, {len(digests) - len(there)} not cached")
    if bad:
        raise SourceError(
            f"{len(bad)} cached file(s) were damaged and have been removed",
            cause="their content had changed since they were fetched",
            step="they are fetched again on the next use; if it happens again, check the disk",
            detail=bad,
        )


@source.command()
@click.argument("component", required=False)
@click.argument("version", required=False)
@click.option("--days", default=30.0, show_default=True, help="Remove what was not used for so many days.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, remove nothing.")
def gc(component: str | None, version: str | None, days: float, *, dry_run: bool) -> None:
    """Remove cached files that were not used lately: of a component's version, or all that no recipe names.

    Files that a running job uses are never removed.
    """
    store = ObjectStore()
    if component is None:
        pinned = {d for name in components() for d in _digests(store, name, None)}
        result = store.gc(keep=pinned, unused_days=days, dry_run=dry_run)
    else:
        result = store.gc(only=_digests(store, component, version), unused_days=days, dry_run=dry_run)
    verb = "would be removed" if dry_run else "removed"
    click.echo(
        f"{len(result.objects)} file(s) and {len(result.parts)} unfinished download(s) {verb}, "
        f"{result.bytes / 2**20:.1f} MiB; {result.kept} kept, {result.leased} in use by running jobs"
    )


def _digests(store: ObjectStore, component: str, version: str | None) -> set[str]:
    """Name the content of a component's version, or of all its versions."""
    recipe = load_recipe(component)
    if version is not None:
        _version(recipe, version)
    numbers: Iterable[str] = recipe.sources if version is None else [version]
    variants = [v for n in numbers for i in recipe.items(n) for v in i.variants]
    return {d for d in (v.sha256 or store.ref(v.key) for v in variants) if d}


def _version(recipe: RecipeData, wanted: str | None) -> str:
    """Give the version asked for, or the newest. Raises UsageError."""
    if wanted is not None:
        recipe.items(wanted)
        return wanted
    if not recipe.sources:
        raise UsageError("the recipe has no version", step="add one to its conandata.yml")
    return max(recipe.sources, key=_order)


def _order(version: str) -> tuple[int, Version | str]:
    """Order versions as Python does; one it cannot read comes before all others."""
    try:
        return (1, Version(version))
    except InvalidVersion:
        return (0, version)


def _groups(items: tuple[SourceItem, ...]) -> list[list[SourceItem]]:
    """Split items that share a name (one wheel per Python) into calls where each name stands once."""
    groups: list[list[SourceItem]] = []
    for item in items:
        for group in groups:
            if all(other.name != item.name for other in group):
                group.append(item)
                break
        else:
            groups.append([item])
    return groups
