"""`rocm-patch index`: a package index over the wheels of dist/.

Knows the words of the command only; rocm_patch.index does the work.
"""

from __future__ import annotations

from pathlib import Path

import click

from rocm_patch.index import build_index
from rocm_patch.paths import dist_root


@click.command()
@click.argument("dist", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write; DIST/index by default.")
def index(dist: Path | None, out: Path | None) -> None:
    """Make a PEP 503/691 index over the wheels below DIST (by default dist/).

    Serve the folder with any web server and install with
    `pip install --extra-index-url http://HOST/simple/ torch`.
    """
    source = (dist or dist_root()).absolute()
    result = build_index(source, (out or source / "index").absolute())
    figures = f"{result.projects} project(s), {result.files} file(s), {result.bytes / 2**20:.1f} MiB"
    click.echo(f"{result.root}: {figures}")
    click.echo(f"pip: --extra-index-url {(result.root / 'simple').as_uri()}/")
