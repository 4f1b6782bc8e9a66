"""`rocm-patch --host H... COMMAND`: the commands that can be asked of other machines.

Options and output only; the work is in rocm_patch.fleet. detect, doctor, plan and status need
Python on the other machine and nothing else; apply is done by the rocm-patch that is installed there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from rocm_patch.errors import HostError, UsageError
from rocm_patch.fleet.ansible import write as write_collection
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
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,60}")


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
@click.option(
    "--ansible",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write an Ansible collection that applies the plans into this new folder.",
)
@click.pass_context
def plan(ctx: click.Context, *, as_document: bool, out: Path | None, ansible: Path | None) -> None:
    """Make each machine's plan, here, by the rules of this rocm-patch."""
    hosts = [received(answer) for answer in _probe(ctx)]
    for host in hosts:
        planned(host)
    if ansible is not None:
        write_collection(ansible, {host.name: host.result for host in hosts if not host.trouble})
        click.echo(ansible, err=True)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for host in hosts:
            if not host.trouble:
                file = plan_file(out, host.name)
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
@click.argument("place", type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--only", multiple=True, metavar="RULE", help="Only this item of the plan. May be repeated.")
@click.option("--exclude", multiple=True, metavar="RULE", help="Not this item. May be repeated.")
@click.option("--with", "extra", multiple=True, metavar="RULE", help="This optional item too.")
@click.option("--user", metavar="NAME", help="Who is put into groups there.")
@click.option("--json", "as_document", is_flag=True, help="Write JSON; docs/many-machines.md describes it.")
@click.pass_context
def apply(
    ctx: click.Context,
    place: Path,
    *,
    dry_run: bool,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    extra: tuple[str, ...],
    user: str | None,
    as_document: bool,
) -> None:
    """Apply the plan in PLACE on each machine, as root there (login, or sudo without a question).

    PLACE is a plan's file, or the folder that plan --out wrote: then each machine gets its own.
    """
    plans = {host: _plan_of(place, host) for host in checked(ctx.find_root().params["hosts"])}
    words = ["--dry-run" if dry_run else "--yes"]
    named = {"--only": only, "--exclude": exclude, "--with": extra, "--user": (user,) if user else ()}
    for option, names in named.items():
        for name in names:
            if not _WORD.fullmatch(name):
                raise UsageError(
                    f"{name!r} does not fit {option}", step="give the name of a rule, or of a user"
                )
            words += [option, name]
    script = _PROGRAM + _AS_ROOT + _APPLY.format(options=" ".join(words))
    answers = _ask(ctx, script, plans.__getitem__)
    _finish("apply", [ran(answer) for answer in answers], as_document=as_document)


def plan_file(folder: Path, host: str) -> Path:
    """Name a machine's plan in a folder of plans."""
    return folder / f"{host}.json"


def _plan_of(place: Path, host: str) -> bytes:
    file = plan_file(place, host) if place.is_dir() else place
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read",
            cause=str(error),
            step=f"make it: rocm-patch --host {host} plan --out {place}",
        ) from error
    if len(data) > _LARGEST_PLAN:
        raise UsageError(f"{file} is no plan", cause=f"it has {len(data)} bytes", step="name a plan's file")
    return data


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
    return _ask(ctx, SCRIPT, lambda host: archive())  # noqa: ARG005  # the same for all


def _ask(ctx: click.Context, script: str, sent: Callable[[str], bytes]) -> list[Answer]:
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
            step="mend what is said of each; ssh alone is tried by: ssh -o BatchMode=yes HOST true",
        )
