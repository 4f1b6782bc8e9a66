"""`rocm-patch --host H... COMMAND`: the commands that can be asked of other machines.

Options and output only; the work is in rocm_patch.fleet. detect, doctor, plan and status need
Python on the other machine and nothing else; apply is done by the rocm-patch that is installed there.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from rocm_patch.errors import HostError, UsageError
from rocm_patch.fleet.answers import NO_PROGRAM, Host, checked_up, planned, ran, received, state_of
from rocm_patch.fleet.probe import SCRIPT, archive
from rocm_patch.fleet.ssh import Answer, ask, checked
from rocm_patch.fleet.table import show

#: Width of lines where output is no terminal.
PIPE_WIDTH = 200
_PROGRAM = (
    f"command -v rocm-patch >/dev/null || {{ echo rocm-patch is not in PATH >&2; exit {NO_PROGRAM}; }}; "
)
#: What changes a machine is done as root: by a login as root, or by a sudo that asks nothing.
_AS_ROOT = 'if [ $(id -u) -eq 0 ]; then s=; else s="sudo -n"; fi; '
#: The plan goes into a file that root alone could write, since apply trusts no other.
_APPLY = (
    '$s sh -c "umask 077; d=\\$(mktemp -d) || exit 1; cat >\\$d/plan.json; '
    'rocm-patch apply \\$d/plan.json {options}; r=\\$?; rm -rf \\$d; exit \\$r"'
)
_LARGEST_PLAN = 4 << 20


@click.command()
@click.option("--json", "as_document", is_flag=True, help="Write JSON; docs/many-machines.md describes it.")
@click.pass_context
def detect(ctx: click.Context, *, as_document: bool) -> None:
    """Say what each machine has."""
    _finish("detect", [received(answer) for answer in _probe(ctx)], as_document=as_document)


@click.command()
@click.option("--json", "as_document", is_flag=True, help="Write JSON; docs/many-machines.md describes it.")
@click.pass_context
def doctor(ctx: click.Context, *, as_document: bool) -> None:
    """Name each machine's problems. What libraries hold code for is not read there."""
    from rocm_patch.diagnose.catalogue import load_catalogue  # noqa: PLC0415  # only doctor needs it

    catalogue = load_catalogue()
    hosts = [received(answer) for answer in _probe(ctx)]
    for host in hosts:
        checked_up(host, catalogue)
    _finish("doctor", hosts, as_document=as_document)


@click.command()
@click.option("--json", "as_document", is_flag=True, help="Write JSON; docs/many-machines.md describes it.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each machine's plan into this folder, as HOST.json, for review and for apply.",
)
@click.pass_context
def plan(ctx: click.Context, *, as_document: bool, out: Path | None) -> None:
    """Make each machine's plan, here, by the rules of this rocm-patch."""
    hosts = [received(answer) for answer in _probe(ctx)]
    for host in hosts:
        planned(host)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for host in hosts:
            if not host.trouble:
                file = out / f"{host.name.replace('/', '_')}.json"
                file.write_text(json.dumps(host.result, indent=2) + "\n", "utf-8")
                click.echo(file, err=True)
    _finish("plan", hosts, as_document=as_document)


@click.command()
@click.option("--json", "as_document", is_flag=True, help="Write JSON; docs/many-machines.md describes it.")
@click.pass_context
def status(ctx: click.Context, *, as_document: bool) -> None:
    """Give what apply did on each machine, as it published it there for all users."""
    hosts = [received(answer) for answer in _probe(ctx)]
    for host in hosts:
        state_of(host)
    _finish("status", hosts, as_document=as_document)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_document", is_flag=True, help="Write JSON; docs/many-machines.md describes it.")
@click.pass_context
def apply(ctx: click.Context, file: Path, *, dry_run: bool, as_document: bool) -> None:
    """Apply the plan in FILE on each machine, as root there (login, or sudo without a question)."""
    data = file.read_bytes()
    if len(data) > _LARGEST_PLAN:
        raise UsageError(f"{file} is no plan", cause=f"it has {len(data)} bytes", step="name a plan's file")
    script = _PROGRAM + _AS_ROOT + _APPLY.format(options="--dry-run" if dry_run else "--yes")
    answers = _ask(ctx, script, data)
    _finish("apply", [ran(answer) for answer in answers], as_document=as_document)


_COMMANDS = {"detect": detect, "doctor": doctor, "plan": plan, "status": status, "apply": apply}


def command_for_hosts(name: str) -> click.Command:
    """Give the command that asks the machines of --host."""
    if name not in _COMMANDS:
        raise UsageError(
            f"{name} is not done over --host",
            cause=f"these are: {', '.join(_COMMANDS)}",
            step=f"run it on that machine: ssh H rocm-patch {name} ...",
        )
    return _COMMANDS[name]


def _probe(ctx: click.Context) -> list[Answer]:
    return _ask(ctx, SCRIPT, archive())


def _ask(ctx: click.Context, script: str, sent: bytes) -> list[Answer]:
    options = ctx.find_root().params
    hosts = checked(options["hosts"])
    waiting = Console(stderr=True, highlight=False)
    with waiting.status("") as line:
        left = list(hosts)

        def done(answer: Answer) -> None:
            left.remove(answer.host)
            line.update(f"waiting for {', '.join(left[:6])}{' ...' if len(left) > 6 else ''}")  # noqa: PLR2004  # a line

        line.update(f"asking {len(hosts)} machines")
        return ask(
            hosts, script, sent, seconds=options["host_seconds"], at_once=options["at_once"], done=done
        )


def _finish(command: str, hosts: list[Host], *, as_document: bool) -> None:
    """Print the answers; HostError if a machine gave none, after the others' are out."""
    if as_document:
        click.echo(json.dumps({"command": command, "hosts": [host.document() for host in hosts]}))
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = PIPE_WIDTH
        show(command, hosts, console)
    failed = [host for host in hosts if host.trouble]
    if failed:
        raise HostError(
            f"{len(failed)} of {len(hosts)} machines failed",
            detail=[f"{host.name}: {host.trouble}" for host in failed],
            step="try one by hand: ssh -o BatchMode=yes HOST true",
        )
