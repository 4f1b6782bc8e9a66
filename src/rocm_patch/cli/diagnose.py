"""`rocm-patch diagnose`: name the problem that a text shows, and the fix that this machine can have.

Options and output only; the work is in rocm_patch.diagnose.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click
from rich.console import Console

from rocm_patch.diagnose.bundle import write_report
from rocm_patch.diagnose.catalogue import Catalogue, load_catalogue
from rocm_patch.diagnose.docs import write_pages
from rocm_patch.diagnose.judge import Diagnosis, diagnose_stream
from rocm_patch.diagnose.machine import Machine, read_machine
from rocm_patch.diagnose.show import as_json, show
from rocm_patch.errors import UsageError
from rocm_patch.paths import data_root

#: Width of lines where output is no terminal: nothing is to be wrapped.
PIPE_WIDTH = 400


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--json", "as_document", is_flag=True, help="Write JSON; docs/diagnose.md describes it.")
@click.option(
    "--machine",
    "machine_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON of the machine that the text comes from (`rocm-patch detect --json`).",
)
@click.option(
    "--report",
    "report_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write an anonymised copy of the text and an issue text for upstream into this new folder.",
)
@click.option("--exit-code", is_flag=True, help="Exit 1 where no problem is known, as grep does.")
@click.option("--write-docs", is_flag=True, help="Write docs/problems/ from the catalogue, and end.")
def diagnose(
    file: Path | None,
    *,
    as_document: bool,
    machine_file: Path | None,
    report_folder: Path | None,
    exit_code: bool,
    write_docs: bool,
) -> None:
    """Name the problem in FILE (or standard input: `-` or none), its evidence and its fixes.

    Exits 0 whether something is known or not: an empty list of problems means not
    known; with --exit-code that is 1. 2 where FILE or the machine's description cannot be read.
    """
    catalogue = load_catalogue()
    if write_docs:
        _write_docs(catalogue)
        return
    machine = read_machine(machine_file) if machine_file else Machine()
    if file is None and sys.stdin.isatty():
        raise UsageError("no text was given", step="give a FILE, or pipe a text: dmesg | rocm-patch diagnose")
    if str(file) == "-":
        file = None
    raw = _read(file) if report_folder else None
    diagnosis = _diagnose(file, raw, catalogue, machine)
    if as_document:
        click.echo(as_json(diagnosis))
    else:
        console = Console(highlight=False, soft_wrap=True)
        if not console.is_terminal:
            console.width = PIPE_WIDTH
        show(diagnosis, console)
    if report_folder is not None and raw is not None:
        removed = write_report(report_folder, raw, diagnosis)
        click.echo(f"{report_folder}: issue.md, text.txt, diagnosis.json", err=True)
        for line in removed:
            click.echo(f"  removed {line}", err=True)
    if exit_code and not diagnosis.findings:
        sys.exit(1)


def _write_docs(catalogue: Catalogue) -> None:
    docs = data_root() / "docs"
    if not docs.is_dir():
        raise UsageError(
            "there is no documentation to write into",
            cause=f"{data_root()} is an installed copy",
            step="run rocm-patch from a checkout",
        )
    for path in write_pages(catalogue, docs / "problems"):
        click.echo(path.name)


def _read(file: Path | None) -> bytes:
    """Read a text that is needed twice; no file means standard input."""
    try:
        return file.read_bytes() if file else sys.stdin.buffer.read()
    except OSError as error:
        raise UsageError(f"{file} cannot be read", cause=str(error), step="check the name") from error


def _diagnose(file: Path | None, raw: bytes | None, catalogue: Catalogue, machine: Machine) -> Diagnosis:
    """Diagnose what was read already, or the text as it flows."""
    if raw is not None:
        return diagnose_stream(io.BytesIO(raw), catalogue, machine)
    if file is None:
        return diagnose_stream(sys.stdin.buffer, catalogue, machine)
    try:
        with file.open("rb") as stream:
            return diagnose_stream(stream, catalogue, machine)
    except OSError as error:
        raise UsageError(f"{file} cannot be read", cause=str(error), step="check the name") from error
