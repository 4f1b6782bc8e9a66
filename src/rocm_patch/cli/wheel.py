"""`rocm-patch wheel`: what a wheel needs of a system, the rules it keeps, and finishing one by hand.

Options and output only; the work is in rocm_patch.wheel.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from rocm_patch.errors import WheelError
from rocm_patch.pipeline.sdk import Sdk, sdk_of
from rocm_patch.sources import ObjectStore, fetch_all, load_recipe
from rocm_patch.wheel import check as rules
from rocm_patch.wheel import deps, floor, metadata
from rocm_patch.wheel.archive import dist_info, unpack_wheel
from rocm_patch.wheel.finish import Given, finish
from rocm_patch.wheel.inside import Inside
from rocm_patch.wheel.sbom import Subject
from rocm_patch.wheel.table import DEFAULT, Table, load_table
from rocm_patch.wheel.vendor import grafted

_TOOLS = ("auditwheel", "pyelftools", "packaging")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def wheel() -> None:
    """Look at wheels for ROCm: what they need, whether they may be shipped."""


@wheel.command()
@click.argument("file", type=_FILE)
@click.option("--table", "name", default=DEFAULT, help="A table of build/sonames/.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def show(file: Path, *, name: str, as_json: bool) -> None:
    """Print a wheel's floors, the ROCm it needs, what is vendored, and each library's search path."""
    told = _told(file, load_table(name))
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{file.name}[/], {file.stat().st_size:,} bytes")
    for key in ("tags", "floors", "rocm", "vendored"):
        value = told[key]
        lines = [f"{one} {value[one]}" for one in value] if isinstance(value, dict) else value
        console.print(f"[bold]{key}[/]")
        for line in lines or ["none"]:
            console.print(f"  {line}", markup=False)
    console.print("[bold]libraries[/]")
    for library, facts in told["libraries"].items():
        console.print(f"  {library}", markup=False)
        console.print(f"    needs {', '.join(facts['needed'])}", markup=False)
        console.print(f"    finds them in {', '.join(facts['runpath']) or 'the system'}", markup=False)


def _told(file: Path, table: Table) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="rocm-patch-wheel-") as folder:
        tree = Path(folder)
        unpack_wheel(file, tree)
        one = rules.Unpacked(file, tree, table)
        return {
            "tags": metadata.tags_of(dist_info(tree)),
            "floors": one.floors,
            "rocm": sorted(one.rocm),
            "vendored": grafted(tree),
            "libraries": {
                name: {
                    "needed": list(facts.needed),
                    "runpath": list(facts.runpath),
                    "rpath": list(facts.rpath),
                }
                for name, facts in one.files.items()
            },
        }


@wheel.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--table", "name", default=DEFAULT, help="A table of build/sonames/.")
@click.option(
    "--sdk", default=None, help="Also look for unresolved symbols, with this SDK's ROCm (sysroot, host:)."
)
def check(files: tuple[Path, ...], *, name: str, sdk: str | None) -> None:
    """Hold wheels against every rule of what may be shipped; exit 70 where one is broken."""
    table = load_table(name)
    inside = Inside(sdk_of(sdk)) if sdk else None
    root = inside.root if inside else None
    folders = inside.library_folders if inside else rules.LIBRARY_FOLDERS
    broken: list[str] = []
    for file in files:
        found = rules.problems(file, table, root=root, libraries=folders)
        broken += [f"{file.name}: {one}" for one in found]
        if not found:
            click.echo(f"{file.name}: {len(rules.RULES)} rules, none broken")
    if broken:
        raise WheelError(
            "a wheel may not be shipped",
            cause=f"{len(broken)} places break a rule",
            detail=broken,
            step="docs/wheel.md says what each rule asks for",
        )


@wheel.command("finish")
@click.argument("file", type=_FILE)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for it.")
@click.option("--table", "name", default=DEFAULT, help="A table of build/sonames/.")
@click.option("--sdk", "sdk_name", default="sysroot", help="Whose libraries are vendored.")
@click.option("--python", default="python3.13", help="The SDK's program that runs auditwheel.")
@click.option(
    "--cxxflags",
    default="--gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/13",
    show_default=True,
    help="Words for the SDK's clang++, which compiles what an older system lacks.",
)
@click.option("--epoch", default=0, help="The time of every file in it, seconds since 1970.")
@click.option("--licence", required=True, help="The wheel's own licence, as SPDX names it.")
def finish_command(
    file: Path, *, out: Path, name: str, sdk_name: str, python: str, cxxflags: str, epoch: int, licence: str
) -> None:
    """Vendor, describe and pack a wheel that was linked in the SDK (PyTorch's build does it by itself)."""
    sdk = sdk_of(sdk_name)
    recipe = load_recipe("pytorch")
    items = recipe.items(next(iter(recipe.sources)), python=python.removeprefix("python"))
    with tempfile.TemporaryDirectory(prefix="rocm-patch-wheel-") as scratch:
        found = fetch_all([item for item in items if item.name in _TOOLS], cache=ObjectStore())
        tools = [_linked(path, Path(scratch) / f"{tool}.whl") for tool, path in sorted(found.items())]
        inside, table = Inside(sdk, copies=Path(scratch) / "sdk-files"), load_table(name)
        deps.make_stubs(inside, Path(scratch) / "deps", table, flags=cxxflags)
        given = Given(
            subject=_subject(file, Path(scratch) / "look", epoch=epoch, licence=licence, sdk=sdk),
            tag="-".join(file.stem.split("-")[-3:]),
            python=python,
            floor=Path(scratch) / "deps" / "lib" / floor.LIBRARY,
            tools=tools,
        )
        made = finish(file, out, given, inside=inside, table=table, scratch=Path(scratch) / "work")
    click.echo(str(made))


def _linked(path: Path, name: Path) -> Path:
    name.symlink_to(path)
    return name


def _subject(file: Path, look: Path, *, epoch: int, licence: str, sdk: Sdk) -> Subject:
    look.mkdir()
    text = (unpack_wheel(file, look) / "METADATA").read_text(encoding="utf-8")
    name, version = metadata.values(text, "Name"), metadata.values(text, "Version")
    if len(name) != 1 or len(version) != 1:
        raise WheelError(f"{file.name} has no one name and version", step="build it again")
    return Subject(name[0], version[0], licence, epoch, sdk.describe())
