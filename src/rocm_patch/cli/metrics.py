"""`rocm-patch metrics`: this machine's state in Prometheus' text format."""

from __future__ import annotations

from pathlib import Path

import click

from rocm_patch.detect.place import opened
from rocm_patch.diagnose.catalogue import load_catalogue
from rocm_patch.doctor.gather import gather
from rocm_patch.errors import UsageError
from rocm_patch.machine_state import machine_state
from rocm_patch.metrics.collect import collect
from rocm_patch.metrics.textfile import text, write
from rocm_patch.paths import log_root


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Replace this file at once, such as one that node_exporter reads. Default: standard output.",
)
def metrics(*, output: Path | None) -> None:
    """Write this machine's state for Prometheus: GPUs, faults, GPU errors, what was applied, last runs.

    Meant for a timer and node_exporter's textfile collector; docs/logging.md lists the metrics.
    """
    with opened(None, None) as place:
        gathered = gather(place)
    content = text(collect(gathered, load_catalogue(), log_root(), machine_state()))
    if output is None:
        click.echo(content, nl=False)
        return
    try:
        write(output, content)
    except OSError as error:
        raise UsageError(
            f"{output} cannot be written", cause=str(error), step="make its folder, or give another place"
        ) from error
