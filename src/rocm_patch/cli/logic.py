"""`rocm-patch logic`: derive tuned GEMM logic for a card from a relative's.

Options and output only; the work is in rocm_patch.logic.
"""

from __future__ import annotations

from pathlib import Path

import click

from rocm_patch.errors import UsageError
from rocm_patch.logic import derive as derive_files
from rocm_patch.logic import load_rules


@click.group()
def logic() -> None:
    """Derive tuned GEMM logic for a card from a relative's."""


@logic.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--target", default="gfx1010", show_default=True, help="GPU architecture.")
def derive(source: Path, dest: Path, *, target: str) -> None:
    """Write a target's logic into the new folder DEST, from the folder SOURCE of the card it is derived from.

    SOURCE is in rocBLAS's source: library/src/blas3/Tensile/Logic/asm_full/navi21.
    """
    if dest.exists():
        raise UsageError(f"{dest} exists", step="name a new folder")
    results = derive_files(source, dest, load_rules(target))
    for one in results:
        click.echo(f"{one.source}: {one.name or f'left out: {one.reason}'} ({one.solutions} solutions)")
    kept = [one for one in results if one.name]
    click.echo(f"{len(kept)} of {len(results)} files, {sum(one.solutions for one in kept)} solutions")
