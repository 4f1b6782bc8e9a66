"""The `rocm-patch` command: a table of subcommands, each imported only when it is called.

Knows no part's logic. A subcommand lives in a module of this package as a click
command or group; `COMMANDS` names it, with the one line that `--help` shows.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from rocm_patch.errors import RocmPatchError, UsageError
from rocm_patch.logbook.book import begin, end
from rocm_patch.paths import log_root

#: subcommand -> (module:attribute, short help). Kept sorted by the flow of the work.
COMMANDS: dict[str, tuple[str, str]] = {
    "doctor": ("rocm_patch.cli.doctor:doctor", "Name this machine's problems and the fixes it can have."),
    "detect": ("rocm_patch.cli.detect:detect", "Say what this machine has: GPUs, driver, ROCm, rights."),
    "plan": ("rocm_patch.cli.plan:plan", "Say what this machine needs, and why."),
    "apply": ("rocm_patch.cli.apply:apply", "Do what the plan says, as one transaction."),
    "rollback": ("rocm_patch.cli.apply:rollback", "Take a transaction back."),
    "status": ("rocm_patch.cli.apply:status", "Say what is applied, cut off, or replaced by an update."),
    "history": ("rocm_patch.cli.apply:history", "List transactions and what happened in them."),
    "verify": ("rocm_patch.cli.apply:verify", "See whether what was applied is as it was left."),
    "hold": ("rocm_patch.cli.apply:hold", "Keep packages at their version."),
    "unhold": ("rocm_patch.cli.apply:unhold", "Let packages be updated again."),
    "hooks": ("rocm_patch.cli.hooks:hooks", "Notice when an update replaces what was applied."),
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
    "package": ("rocm_patch.cli.package:package", "Make .deb and .rpm packages of what was built."),
    "repo": ("rocm_patch.cli.repo:repo", "Make signed apt and rpm repositories and serve them."),
    "index": ("rocm_patch.cli.index:index", "Make a PEP 503/691 index over finished wheels."),
    "diagnose": (
        "rocm_patch.cli.diagnose:diagnose",
        "Name the problem that an error text shows, and its fix.",
    ),
    "metrics": ("rocm_patch.cli.metrics:metrics", "Write this machine's state for Prometheus."),
    "completion": ("rocm_patch.cli.completion:completion", "Print the completion script of a shell."),
    "man": ("rocm_patch.cli.man:man", "Write the manual pages."),
    "new-problem": ("rocm_patch.cli.new_problem:new_problem", "Begin a catalogue entry from a bug report."),
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported on use, so that `--help` costs no heavy import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of the work."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one subcommand; with --host, that of many machines in its place."""
        if ctx.params.get("hosts"):
            from rocm_patch.cli.fleet import command_for_hosts  # noqa: PLC0415  # as every subcommand

            return command_for_hosts(cmd_name)
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


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001  # click's
    del param
    if value and not ctx.resilient_parsing:
        from rocm_patch import __version__  # noqa: PLC0415  # its look-up is slow

        click.echo(f"rocm-patch {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show the version and exit.",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="H",
    help="Do it on this machine over your ssh: detect, plan, doctor, status, apply. May be repeated.",
)
@click.option("--host-seconds", default=120.0, show_default=True, help="Limit of time for each --host.")
@click.option("--at-once", default=8, show_default=True, help="Machines of --host that are asked at once.")
@click.pass_context
def root(ctx: click.Context, *, hosts: tuple[str, ...], host_seconds: float, at_once: int) -> None:
    """Make a gfx1010 card (Radeon RX 5600 XT and kin) train with PyTorch.

    Without a command: where this machine stands, in ten lines.
    """
    del host_seconds, at_once  # the many-machines command reads them from the context
    if ctx.invoked_subcommand is None:
        if hosts:
            raise UsageError("--host needs a command", step="name one: rocm-patch --host H doctor")
        from rocm_patch.cli.standing import standing  # noqa: PLC0415  # as every subcommand

        standing()


def main() -> None:
    """Run the command line; an explained error becomes its text and its exit code."""
    words = sys.argv[1:]
    # Shells ask for completions at each key; asking for help is no event either.
    quiet = "_ROCM_PATCH_COMPLETE" in os.environ or {"-h", "--help", "--version"}.intersection(words)
    book = None if quiet or os.environ.get("ROCM_PATCH_LOG") == "off" else begin(log_root())
    started = time.monotonic()
    if book:
        book.write("start", argv=["rocm-patch", *words], folder=str(Path.cwd()))
    failure: dict[str, Any] = {}
    code: Any = 0
    try:
        root(prog_name="rocm-patch")
    except RocmPatchError as error:
        failure = {"error": error.what, "cause": error.cause, "detail": error.detail[-50:]}
        code = error.exit_code
        _explain(error)
    except SystemExit as error:
        code = error.code
    except BaseException as error:
        failure, code = {"error": f"{type(error).__name__}: {error}"}, 1
        raise
    finally:
        if book:
            book.write("end", exit=code or 0, seconds=round(time.monotonic() - started, 3), **failure)
            end()
    sys.exit(code)


def _explain(error: RocmPatchError) -> None:
    from rich.console import Console  # noqa: PLC0415  # a tenth of a second that only a failure needs

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold red]error:[/] {_escape(error.what)}")
    if error.cause:
        console.print(f"[bold]cause:[/] {_escape(error.cause)}")
    for line in error.detail:
        console.print(f"  {_escape(line)}")
    if error.step:
        console.print(f"[bold]next:[/]  {_escape(error.step)}")


def _escape(text: str) -> str:
    """Keep brackets in paths and messages from being read as rich markup."""
    return text.replace("[", r"\[")
