"""`rocm-patch package`: .deb and .rpm from finished builds; the decision, versions and checks by hand.

Options and output only; the work is in rocm_patch.packaging.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import cast

import click
from rich.console import Console
from rich.table import Table

from rocm_patch.errors import PackageError, SysrootError, UsageError
from rocm_patch.packaging.build import Order, Outcome, package_all
from rocm_patch.packaging.decide import decide as choose
from rocm_patch.packaging.layout import FORMATS, Format, layout_of, load_layouts
from rocm_patch.packaging.lint import Remarks
from rocm_patch.packaging.lint import lint as check
from rocm_patch.packaging.stock import read_stock
from rocm_patch.packaging.versions import compare
from rocm_patch.paths import dist_root
from rocm_patch.sysroot import Sysroot

_PATH = click.Path(path_type=Path, exists=True)
_SIGNS = {-1: "<", 0: "=", 1: ">"}


@click.group()
def package() -> None:
    """Make .deb and .rpm packages of what was built; docs/packages.md."""


@package.command("all")
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Folder of what was built.")
@click.option(
    "--stock", "stocks", multiple=True, type=_PATH,
    help="A stock .deb or .rpm, or an installed system's root. The sysroot's Debian packages by default.",
)  # fmt: skip
@click.option("--layout", "layouts", multiple=True, help="debian or amd; both by default.")
@click.option("--format", "formats", multiple=True, type=click.Choice(FORMATS), help="Both by default.")
@click.option("--only", multiple=True, help="A file name of an archive or wheel, or a folder of products/.")
@click.option("--target", default="gfx1010", show_default=True, help="The gfx target.")
@click.option("--revision", default=1, show_default=True, help="The last number of our version suffix.")
@click.option("--divert", is_flag=True, help="Replacing .debs put stock files aside, under a name of ours.")
@click.option("--lint/--no-lint", "with_lint", default=True, help="Run lintian and rpmlint over the result.")
def all_command(
    *,
    dist: Path | None,
    stocks: tuple[Path, ...],
    layouts: tuple[str, ...],
    formats: tuple[str, ...],
    only: tuple[str, ...],
    target: str,
    revision: int,
    divert: bool,
    with_lint: bool,
) -> None:
    """Package every product and wheel of dist/ into dist/packages/LAYOUT/FORMAT/."""
    order = Order(
        dist=(dist or dist_root()).absolute(),
        stocks=stocks or _sysroot(),
        layouts=layouts or tuple(load_layouts().layouts),
        formats=cast("tuple[Format, ...]", formats) or FORMATS,
        target=target,
        revision=revision,
        divert=divert,
        only=only,
    )
    console = Console(highlight=False, soft_wrap=True, stderr=True)
    outcome = package_all(order, say=lambda line: console.print(line, markup=False))
    remarks = {one.file: one for one in check([made.path for made in outcome.made])} if with_lint else {}
    _show(outcome, remarks)
    for line in outcome.left_out:
        console.print(f"left out: {line}", markup=False)
    _refuse(list(remarks.values()))
    if not outcome.made:
        raise PackageError("nothing was packaged", detail=outcome.left_out, step="name what is missing above")


def _sysroot() -> tuple[Path, ...]:
    """Give the sysroot, whose Debian packages are the stock ones; nothing where none is made."""
    try:
        return (Sysroot.open().path,)
    except SysrootError:
        return ()


def _show(outcome: Outcome, remarks: dict[str, Remarks]) -> None:
    table = Table(box=None, pad_edge=False)
    for head in ("layout", "package", "bytes", "sha256", "kind", "remarks"):
        table.add_column(head, no_wrap=True, justify="right" if head == "bytes" else "left")
    for one in outcome.made:
        said = remarks.get(one.path.name)
        text = f"{len(said.standing)} ({said.explained} explained)" if said else "not checked"
        kind = one.decision.kind if one.decision else ""
        table.add_row(one.layout, one.path.name, f"{one.path.stat().st_size:,}", one.sha256, kind, text)
    Console(highlight=False, soft_wrap=True, width=250).print(table)


def _refuse(remarks: list[Remarks]) -> None:
    standing = [line for one in remarks for line in one.standing]
    if standing:
        raise PackageError(
            "a package has remarks that nobody explained",
            detail=standing,
            step="mend the package, or explain the remark in packaging/deb/*.overrides "
            "or packaging/rpm/remarks.yml",
        )


@package.command()
@click.argument("files", nargs=-1, required=True, type=_PATH)
def lint(files: tuple[Path, ...]) -> None:
    """Run lintian and rpmlint; exit 71 where a remark has no reason in our override files."""
    remarks = check(files)
    for one in remarks:
        click.echo(f"{one.file}: {len(one.standing)} remarks, {one.explained} explained")
    _refuse(remarks)


@package.command()
@click.argument("stock", type=_PATH)
@click.option("--component", default="rocblas", show_default=True, help="rocblas or miopen.")
@click.option("--layout", default="debian", show_default=True, help="debian or amd.")
@click.option("--target", default="gfx1010", show_default=True, help="The gfx target.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def decide(stock: Path, *, component: str, layout: str, target: str, as_json: bool) -> None:
    """Say whether a stock package needs kernels added, or its library replaced, and why."""
    found = read_stock(stock, layout_of(layout).component(component))
    decision = choose(found, target)
    if as_json:
        facts = {
            "stock": f"{found.name} {found.version}",
            "kind": decision.kind,
            "reason": decision.reason,
            "has-kernels": decision.has_kernels,
            "library": sorted(found.library_targets),
            "kernels": found.kernels,
        }
        click.echo(json.dumps(facts, indent=1))
        return
    click.echo(f"{decision.kind}: {decision.reason}")


@package.command("compare")
@click.argument("format_", metavar="FORMAT", type=click.Choice(FORMATS))
@click.argument("versions", nargs=-1, required=True)
def compare_command(format_: str, versions: tuple[str, ...]) -> None:
    """Say how dpkg or rpm orders versions, each with the next."""
    if len(versions) < 2:  # noqa: PLR2004  a comparison has two sides
        raise UsageError("two versions are needed", step="rocm-patch package compare deb 1.0-1 1.0-2")
    for left, right in itertools.pairwise(versions):
        click.echo(f"{left} {_SIGNS[compare(left, right, cast('Format', format_))]} {right}")
