"""`rocm-patch hooks`: the package managers' hooks, and what is done when an update replaces something.

Options and output only; the work is in rocm_patch.hooks and rocm_patch.apply.
"""

from __future__ import annotations

from pathlib import Path

import click

from rocm_patch.cli.apply import ROOT, WAIT, _options

_MANAGERS = click.Choice(["apt", "dnf", "dnf5", "zypper"])


@click.group()
def hooks() -> None:
    """Notice when an update replaces what rocm-patch installed."""


@hooks.command()
@ROOT
@WAIT
@click.option("--manager", type=_MANAGERS, default=None, help="Default: the one that is there.")
@click.option(
    "--command", default=None, metavar="PATH", help="The rocm-patch that the hook calls. Default: this one."
)
def install(*, root: Path, wait: float, manager: str | None, command: str | None) -> None:
    """Put the hook into the package manager; `rocm-patch rollback` takes it away.

    The program that it calls must be one that root alone can write.
    """
    from rocm_patch.apply import engine  # noqa: PLC0415  # pydantic
    from rocm_patch.apply.managers import MANAGERS  # noqa: PLC0415
    from rocm_patch.apply.rootfs import RootFs  # noqa: PLC0415
    from rocm_patch.errors import UsageError  # noqa: PLC0415
    from rocm_patch.hooks.command import command_for  # noqa: PLC0415
    from rocm_patch.hooks.files import hook_of  # noqa: PLC0415
    from rocm_patch.plan.actions import Hook  # noqa: PLC0415
    from rocm_patch.plan.model import digest_of  # noqa: PLC0415

    options = _options(root, wait=wait)
    fs = RootFs(options.root)
    try:
        there = (hook_of(fs, name) for name, kind in MANAGERS.items() if kind.present(fs))
        manager = manager or next(there, None)
        command = command_for(fs, command)
    finally:
        fs.close()
    if manager is None:
        raise UsageError("no package manager was found", step="name one: --manager apt")
    action = Hook.model_validate({"kind": "hook", "manager": manager, "command": command})
    outcome = engine.run(options, "hooks", {}, digest_of(["hooks", manager, command]), [("hooks", action)])
    click.echo(f"{manager} tells {command} of updates (transaction {outcome.tx})")


@hooks.command()
@click.argument("policy", type=click.Choice(["tell", "reapply", "hold"]))
@ROOT
@WAIT
def policy(*, policy: str, root: Path, wait: float) -> None:
    """Choose: `tell` only says so; `reapply` applies again; `hold` holds what is installed from now on."""
    from rocm_patch.apply import engine  # noqa: PLC0415  # pydantic

    with engine.session(_options(root, wait=wait)) as ctx:
        ctx.journal.set("policy", policy)
        engine.publish(ctx)
    click.echo(f"updates: {policy}")


@hooks.command()
@click.argument("manager", type=_MANAGERS)
@ROOT
def notice(*, manager: str, root: Path) -> None:
    """Say what MANAGER replaced; hooks call this. Always ends well."""
    from rocm_patch.hooks.notice import notice as look  # noqa: PLC0415

    for line in look(manager, root):
        click.echo("".join(char if char.isprintable() else "?" for char in line))
