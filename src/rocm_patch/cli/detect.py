"""`rocm-patch detect`: say what this machine, or another tree, has for the GPU.

Options and output only; the work is in rocm_patch.detect. Heavy libraries are
imported where they are needed, since the command must answer within half a second.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from rocm_patch.detect.machine import examine
from rocm_patch.detect.model import Report
from rocm_patch.detect.place import opened
from rocm_patch.detect.tree import Tree
from rocm_patch.errors import UsageError

_PIPE_WIDTH = 160


@click.command()
@click.option(
    "--root",
    type=click.Path(exists=True, path_type=Path),
    help="Examine the tree in this folder, or a file made by --save. Runs nothing of it.",
)
@click.option(
    "--user", default=None, help="Whose rights to tell. Default: yours; with --root its first user."
)
@click.option("--site", "sites", multiple=True, help="A further site-packages folder. May be given again.")
@click.option("--targets", is_flag=True, help="Read which gfx targets each library holds code for (slow).")
@click.option("--seconds", default=60.0, show_default=True, help="Limit of time for --targets.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON; schemas/detect.schema.json describes it.")
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also save the machine, anonymised, as YAML.",
)
def detect(
    *,
    root: Path | None,
    user: str | None,
    sites: tuple[str, ...],
    targets: bool,
    seconds: float,
    as_json: bool,
    save: Path | None,
) -> None:
    """Say what this machine has: GPUs, driver, ROCm, packages, wheels, rights.

    Reads files only; needs neither ROCm nor root. What cannot be read is listed
    as not known and is no error.
    """
    with opened(root, user) as place:
        tree, environment = place.tree, place.environment
        report = examine(tree, environment=environment, user=place.user, sites=sites)
        report.root = place.name
        if targets:
            from rocm_patch.detect.code import add_code  # noqa: PLC0415  # the audit
            from rocm_patch.paths import cache_root  # noqa: PLC0415

            add_code(tree, report.libraries, cache_root() / "detect-targets.json", seconds=seconds)
        if save is not None:
            _save(save, tree, report, environment)
    _print(report, as_json=as_json)


def _save(place: Path, tree: Tree, report: Report, environment: dict[str, str]) -> None:
    from rocm_patch.detect.fixture import save  # noqa: PLC0415  # YAML

    try:
        place.write_text(save(tree, report, environment), "utf-8")
    except OSError as error:
        raise UsageError(f"{place} cannot be written", cause=str(error), step="give another place") from error


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
        return
    from rich.console import Console  # noqa: PLC0415

    from rocm_patch.detect.show import show  # noqa: PLC0415

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    show(report, console)
