"""`rocm-patch plan`: say what this machine needs, and write it down as a file.

Options and output only; the work is in rocm_patch.plan.
"""

from __future__ import annotations

from pathlib import Path

import click

from rocm_patch.cli.progress import progress
from rocm_patch.errors import UsageError

_PIPE_WIDTH = 140


@click.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default=Path("/"),
    help="Plan for the tree in this folder, or for a file of detect --save.",
)
@click.option(
    "--user",
    default=None,
    help="Whose rights count. Default: yours, behind sudo too; with --root its first user.",
)
@click.option(
    "--targets/--no-targets",
    default=True,
    show_default=True,
    help="Read which targets librocblas holds code for, where an answer hangs on it (slow once).",
)
@click.option("--seconds", default=60.0, show_default=True, help="Limit of time for that reading.")
@click.option(
    "--json", "as_json", is_flag=True, help="Write the plan as JSON; schemas/plan.schema.json describes it."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the plan into this file, for review and for apply.",
)
@click.option(
    "--sign",
    "key",
    default=None,
    metavar="KEY",
    help="With --out: have gpg sign the file with this key of yours.",
)
def plan(
    *,
    root: Path,
    user: str | None,
    targets: bool,
    seconds: float,
    as_json: bool,
    out: Path | None,
    key: str | None,
) -> None:
    """Say what this machine needs and why, what is right already, and what cannot be put right.

    Changes nothing and needs no root.
    """
    from rocm_patch.plan.file import plan_text, sign, write_plan  # noqa: PLC0415  # pydantic
    from rocm_patch.plan.machine import plan_for  # noqa: PLC0415

    if key and out is None:
        raise UsageError(
            "--sign needs --out",
            cause="a signature belongs to a file",
            step="rocm-patch plan --out FILE --sign KEY",
        )
    made, _ = plan_for(root, user=user, targets=seconds if targets else 0.0, progress=progress())
    if out is not None:
        try:
            write_plan(made, out)
        except OSError as error:
            raise UsageError(
                f"{out} cannot be written", cause=str(error), step="give another place"
            ) from error
        signature = sign(out, key) if key else None
        click.echo(f"{out}{f', {signature}' if signature else ''}", err=True)
    if as_json:
        click.echo(plan_text(made), nl=False)
        return
    from rich.console import Console  # noqa: PLC0415

    from rocm_patch.plan.show import show_plan  # noqa: PLC0415

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    show_plan(made, console)
