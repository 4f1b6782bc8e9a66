"""`rocm-patch vgpu`: run programs on a virtual gfx1010 card, and say what that card is.

Reads words and starts processes; the virtual GPU itself is vgpu/ (C++).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from rocm_patch.cli.bench import bench
from rocm_patch.cli.conformance import conformance
from rocm_patch.errors import VgpuError
from rocm_patch.sysroot import Bind, Sysroot
from rocm_patch.vgpu.demo import Outcome, run_demo
from rocm_patch.vgpu.launch import host_environment, sysroot_view
from rocm_patch.vgpu.library import find_library
from rocm_patch.vgpu.probe import probe
from rocm_patch.vgpu.settings import INJECTIONS, MAX_DEVICES, NOTICE, PROFILES, Settings

_WORK = "/work"
_TABLE_WIDTH = 110

PROFILE = click.option(
    "--profile", type=click.Choice(PROFILES), default=PROFILES[0], show_default=True, help="Which card."
)
DEVICES = click.option(
    "--devices", type=click.IntRange(1, MAX_DEVICES), default=1, show_default=True, help="How many cards."
)


@click.group()
def vgpu() -> None:
    """Run programs on a virtual gfx1010 card: a test instrument, not a way to train."""


vgpu.add_command(conformance)
vgpu.add_command(bench)


@vgpu.command("run")
@PROFILE
@DEVICES
@click.option("--strict", is_flag=True, help="Report uninitialised reads, races, red zones, hazards.")
@click.option(
    "--stats",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Instructions by kernel: a table, or JSON.",
)
@click.option("--trace", is_flag=False, flag_value="-", metavar="[FILE]", help="Every instruction executed.")
@click.option("--inject", metavar="DEFECT", help=f"Plant one: {', '.join(INJECTIONS)}:NAME.")
@click.option(
    "--log", is_flag=False, flag_value="1", metavar="[FILE]", help="Queues, launches, declined calls."
)
@click.option(
    "--sysroot", "inside", is_flag=True, help="Run inside the sysroot, the current folder at /work."
)
@click.option(
    "--bind", "binds", multiple=True, metavar="SRC:DST[:ro]", help="Show a folder inside (--sysroot)."
)
@click.option(
    "--env", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable inside (--sysroot)."
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    *,
    profile: str,
    devices: int,
    strict: bool,
    stats: str | None,
    trace: str | None,
    inject: str | None,
    log: str | None,
    inside: bool,
    binds: tuple[str, ...],
    variables: tuple[str, ...],
    command: tuple[str, ...],
) -> None:
    """Run COMMAND with virtual cards in place of real ones; its exit code is given on."""
    settings = Settings(
        profile=profile, devices=devices, strict=strict, stats=stats, trace=trace, inject=inject, log=log
    )
    library = find_library(_say)
    _say(NOTICE)
    if inside:
        raise SystemExit(_run_inside(command, library, settings, binds, variables))
    program = shutil.which(command[0])
    if program is None:
        raise VgpuError(
            f"there is no program {command[0]}", step="give its path, or --sysroot if it is there"
        )
    # In place of this process: signals, terminal and exit code are the program's own.
    os.execve(program, list(command), host_environment(library, settings, os.environ))  # noqa: S606


def _run_inside(
    command: tuple[str, ...],
    library: Path,
    settings: Settings,
    binds: tuple[str, ...],
    variables: tuple[str, ...],
) -> int:
    with tempfile.TemporaryDirectory(prefix="rocm-patch-vgpu-") as scratch:
        view = sysroot_view(
            library, settings, scratch=Path(scratch), env=dict(_pair(one) for one in variables)
        )
        own = [Bind(Path.cwd(), _WORK), *(Bind.parse(one) for one in binds)]
        return Sysroot.open().call(command, binds=[*view.binds, *own], env=view.env, cwd=_WORK)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--env")
    return name, value


@vgpu.command("info")
@PROFILE
@DEVICES
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def info(*, profile: str, devices: int, as_json: bool) -> None:
    """Say what the virtual cards are, in their own words."""
    library = find_library(_say)
    cards = probe(library, Settings(profile=profile, devices=devices))
    if as_json:
        click.echo(json.dumps({"library": str(library), "cards": cards}, indent=2))
        return
    table = Table(title=NOTICE.partition(": ")[2], title_justify="left", show_header=False)
    for index, card in enumerate(cards):
        for key, value in card.items():
            shown = f"{value:#x}" if key == "chip" else str(value)
            table.add_row(f"{index} {key}", shown)
    table.add_row("library", str(library))
    Console(highlight=False).print(table)


@vgpu.command("library")
def library_command() -> None:
    """Print the path of the library, building it if need be."""
    click.echo(str(find_library(_say)))


@vgpu.command("demo")
@PROFILE
@click.option(
    "--size", type=click.IntRange(16, 4096), default=512, show_default=True, help="Of the matrices in sgemm."
)
def demo(*, profile: str, size: int) -> None:
    """Execute HIP kernels and a rocBLAS sgemm for gfx1010, check their values, show what they executed."""
    library = find_library(_say)
    _say(NOTICE)
    outcome = run_demo(Sysroot.open(), library, Settings(profile=profile), size=size, report=_say)
    click.echo(outcome.text, nl=False)
    # Narrower than this, the figures would be cut.
    width = max(_TABLE_WIDTH, shutil.get_terminal_size().columns)
    Console(highlight=False, width=width).print(_kernel_table(outcome))


def _kernel_table(outcome: Outcome) -> Table:
    table = Table(title="instructions executed, by kernel", title_justify="left")
    for heading in (
        "kernel",
        "launches",
        "waves",
        "instructions",
        "VALU",
        "of it FMA",
        "LDS",
        "memory",
        "M/s",
    ):
        table.add_column(heading, justify="left" if heading == "kernel" else "right", overflow="ellipsis")
    table.columns[0].max_width = 30
    table.columns[0].no_wrap = True
    for one in outcome.kernels:
        whole = max(one.instructions, 1)
        table.add_row(
            one.name,
            str(one.launches),
            str(one.waves),
            f"{one.instructions:,}",
            f"{one.valu / whole:.0%}",
            f"{one.fma / max(one.valu, 1):.0%}",
            f"{one.lds / whole:.0%}",
            f"{one.vmem / whole:.0%}",
            f"{one.instructions / max(one.seconds, 1e-9) / 1e6:.0f}",
        )
    return table


def _say(line: str) -> None:
    click.echo(line, err=True)
