"""`rocm-patch man FOLDER`: write the manual pages."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from rocm_patch import __version__
from rocm_patch.errors import UsageError
from rocm_patch.face.manpages import pages


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_context
def man(ctx: click.Context, folder: Path) -> None:
    """Write the manual pages into FOLDER, such as ~/.local/share/man/man1.

    The date is that of SOURCE_DATE_EPOCH where it is set, so that packages can be made again alike.
    """
    root = ctx.find_root().command
    if not isinstance(root, click.Group):
        raise UsageError("the pages are those of the whole command", step="call it as rocm-patch man")
    when = float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(when))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages(root, version=__version__, date=date).items():
            (folder / name).write_text(text, "utf-8")
            click.echo(name)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written", cause=str(error), step="name another folder"
        ) from error
