"""The `rocm-patch` command: a table of subcommands, each imported only when it is called.

Knows no part's logic. A subcommand lives in a module of this package as a click
command or group; `COMMANDS` names it, with the one line that `--help` shows.
"""

from __future__ import annotations

import importlib
import sys

import click
from rich.console import Console

from rocm_patch import __version__
from rocm_patch.errors import RocmPatchError

#: subcommand -> (module:attribute, short help). Kept sorted by the flow of the work.
COMMANDS: dict[str, tuple[str, str]] = {
    "detect": ("rocm_patch.cli.detect:detect", "Say what this machine has: GPUs, driver, ROCm, rights."),
    "source": ("rocm_patch.cli.source:source", "Fetch pinned sources into the cache."),
    "patch": ("rocm_patch.cli.patch:patch", "List, apply, check and refresh patch series."),
    "logic": ("rocm_patch.cli.logic:logic", "Derive tuned GEMM logic for a card from a relative's."),
    "sysroot": ("rocm_patch.cli.sysroot:sysroot", "Make and enter the locked build environment."),
    "build": ("rocm_patch.cli.build:build", "Build a component for a gfx target."),
    "audit": ("rocm_patch.cli.audit:audit", "Say which GPU code a file really holds."),
    "validate": ("rocm_patch.cli.validate:validate", "Run the GPU training suite and report on it."),
    "vgpu": ("rocm_patch.cli.vgpu:vgpu", "Run programs on a virtual gfx1010 card."),
    "isa": ("rocm_patch.cli.isa:isa", "Decode gfx1010 kernels: instruction mix, loops, hazards."),
    "wheel": ("rocm_patch.cli.wheel:wheel", "Say what a wheel needs; finish and check it."),
    "index": ("rocm_patch.cli.index:index", "Make a PEP 503/691 index over finished wheels."),
    "diagnose": (
        "rocm_patch.cli.diagnose:diagnose",
        "Name the problem that an error text shows, and its fix.",
    ),
    "new-problem": ("rocm_patch.cli.new_problem:new_problem", "Begin a catalogue entry from a bug report."),
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported on use, so that `--help` costs no heavy import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of the work."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one subcommand."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry[0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry[0]} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table from `COMMANDS`, importing nothing."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rocm-patch")
def root() -> None:
    """Make a gfx1010 card (Radeon RX 5600 XT and kin) train with PyTorch."""


def main() -> None:
    """Run the command line; an explained error becomes its text and its exit code."""
    try:
        root(prog_name="rocm-patch")
    except RocmPatchError as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[bold red]error:[/] {_escape(error.what)}")
        if error.cause:
            console.print(f"[bold]cause:[/] {_escape(error.cause)}")
        for line in error.detail:
            console.print(f"  {_escape(line)}")
        if error.step:
            console.print(f"[bold]next:[/]  {_escape(error.step)}")
        sys.exit(error.exit_code)


def _escape(text: str) -> str:
    """Keep brackets in paths and messages from being read as rich markup."""
    return text.replace("[", r"\[")
