"""`rocm-patch new-problem`: from a bug report, the beginning of an entry of the catalogue.

Options and output only; the work is in rocm_patch.diagnose.scaffold.
"""

from __future__ import annotations

from pathlib import Path

import click

from rocm_patch.diagnose.catalogue import load_catalogue
from rocm_patch.diagnose.judge import diagnose_stream
from rocm_patch.diagnose.scaffold import SIGNS, plan
from rocm_patch.errors import UsageError
from rocm_patch.paths import data_root


@click.command("new-problem")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--id", "name", required=True, help="Id of the problem: words joined by hyphens.")
@click.option("--title", required=True, help="What is wrong, in one line.")
@click.option("--series", metavar="COMPONENT/VERSION", help="Also begin a patch in this series.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Checkout to write into. Default: the one that rocm-patch runs from.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written; write nothing.")
def new_problem(
    file: Path, *, name: str, title: str, series: str | None, root: Path | None, dry_run: bool
) -> None:
    """Begin a catalogue entry from FILE: data, anonymised fixture, a test that fails until all is filled in.

    Signature candidates are parts of FILE's lines, ranked by how rare they are
    among the catalogue's and in logs at large. Exits 2 where FILE holds none.
    """
    root = root or data_root()
    if not (root / "pyproject.toml").is_file() or not (root / "problems").is_dir():
        raise UsageError(
            f"{root} is no checkout of rocm-patch",
            cause="an entry consists of files in problems/ and tests/",
            step="give --root",
        )
    try:
        raw = file.read_bytes()
        with file.open("rb") as stream:
            known = diagnose_stream(stream, load_catalogue(root / "problems"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read", cause=str(error), step="check the name") from error
    for finding in known.findings:
        click.echo(f"known already: {finding.problem.id} (confidence {finding.confidence:.2f})", err=True)
    scaffold = plan(
        raw,
        name=name,
        title=title,
        catalogue=load_catalogue(root / "problems"),
        root=root,
        series=series,
    )
    click.echo("candidates, rarest first:")
    for count, one in enumerate(scaffold.candidates):
        click.echo(f"  {'*' if count < SIGNS else ' '} {one.score:6.2f}  line {one.line}: {one.text}")
    for what, found in scaffold.versions.items():
        click.echo(f"{what}: {', '.join(found)}")
    for line in scaffold.removed:
        click.echo(f"removed {line}")
    if dry_run:
        for planned in (*scaffold.files, *scaffold.appended):
            click.echo(f"would write {planned}")
        return
    for path in scaffold.write(root):
        click.echo(f"wrote {path.relative_to(root)}")
    click.echo("next: fill in what is marked, then `rocm-patch diagnose --write-docs` and the tests")
