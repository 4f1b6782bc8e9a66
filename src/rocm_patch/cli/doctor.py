"""`rocm-patch doctor`: name the problems of this machine, and the fixes that it can have.

Options and output only; the work is in rocm_patch.doctor.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from rocm_patch.cli import COMMANDS
from rocm_patch.detect.code import add_code
from rocm_patch.detect.place import Place, opened
from rocm_patch.diagnose.bundle import write_report
from rocm_patch.diagnose.catalogue import Catalogue, load_catalogue
from rocm_patch.diagnose.judge import diagnose_stream
from rocm_patch.diagnose.redact import Redactor
from rocm_patch.doctor.checkup import Checkup, check, for_report, machine_of
from rocm_patch.doctor.gather import MOST, Gathered, Text, gather
from rocm_patch.doctor.observe import CODE_MATTERS
from rocm_patch.doctor.show import show
from rocm_patch.errors import UsageError
from rocm_patch.face.standing import about_machine
from rocm_patch.paths import cache_root

#: Width of lines where output is no terminal: nothing is to be wrapped.
PIPE_WIDTH = 400


@click.command()
@click.option("--json", "as_document", is_flag=True, help="Write JSON; docs/doctor.md describes it.")
@click.option(
    "--root",
    type=click.Path(exists=True, path_type=Path),
    help="Examine the tree in this folder, or a machine saved by detect --save. Runs nothing of it.",
)
@click.option(
    "--user", default=None, help="Whose rights to judge. Default: yours; with --root its first user."
)
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="A further text of this machine, such as a kernel log; - is standard input. May be repeated.",
)
@click.option(
    "--boot", default=0, metavar="N", help="Kernel log of which boot: 0 this one, -1 the one before."
)
@click.option("--quick", is_flag=True, help="Do not read which targets the libraries hold code for.")
@click.option("--seconds", default=20.0, show_default=True, help="Limit of time for reading libraries.")
@click.option(
    "--report",
    "report_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write an anonymised bundle and an issue text for upstream into this new folder.",
)
@click.option("--exit-code", is_flag=True, help="Exit 1 where a problem was found.")
def doctor(
    *,
    as_document: bool,
    root: Path | None,
    user: str | None,
    logs: tuple[Path, ...],
    boot: int,
    quick: bool,
    seconds: float,
    report_folder: Path | None,
    exit_code: bool,
) -> None:
    """Name this machine's problems, the evidence, and the fixes that it can have; or say: nothing known.

    Looks at the files that detect reads, at the kernel's log, at DKMS's build logs and at settings.
    Needs neither ROCm nor root, and changes nothing.
    """
    catalogue = load_catalogue()
    with opened(root, user) as place:
        gathered = gather(place, boot=boot)
        gathered.texts += [_read(path) for path in logs]
        if not quick:
            matters = [one for one in gathered.report.libraries if one.name in CODE_MATTERS]
            add_code(place.tree, matters, cache_root() / "detect-targets.json", seconds=seconds)
            gathered.notes = list(dict.fromkeys([*gathered.notes, *place.tree.notes]))
        checkup = check(gathered, catalogue)
        if report_folder is not None:
            _report(report_folder, place, gathered, catalogue)
    _print(checkup, as_document=as_document)
    if exit_code and checkup.diagnosis.findings:
        sys.exit(1)


def _print(checkup: Checkup, *, as_document: bool) -> None:
    if as_document:
        click.echo(json.dumps(checkup.document()))
        return
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    show(checkup, console, plans="plan" in COMMANDS)


def _read(path: Path) -> Text:
    name = "standard input" if str(path) == "-" else str(path)
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read", cause=str(error), step="check the name") from error
    return Text(name, data[-MOST:].decode("utf-8", "replace"))


def _report(folder: Path, place: Place, gathered: Gathered, catalogue: Catalogue) -> None:
    """Write diagnose's bundle over the texts that concern the GPU, and the machine as detect saves it."""
    import io  # noqa: PLC0415  # only here

    from rocm_patch.detect.fixture import save  # noqa: PLC0415  # YAML

    raw = for_report(gathered.texts)
    diagnosis = diagnose_stream(io.BytesIO(raw), catalogue, machine_of(gathered.report))
    about = [f"{name}: {text}" for name, text in about_machine(gathered.report)]
    removed = write_report(folder, raw, diagnosis, command="doctor", machine=about)
    machine = Redactor().redact(save(place.tree, gathered.report, place.environment))
    (folder / "machine.yml").write_text(machine, "utf-8")
    click.echo(f"{folder}: issue.md, text.txt, diagnosis.json, machine.yml", err=True)
    for line in removed:
        click.echo(f"  removed {line}", err=True)
