"""`rocm-patch vgpu conformance`: run others' GPU test suites on the virtual card and report.

Options and output only; the work is in rocm_patch.conformance.
"""

from __future__ import annotations

from pathlib import Path

import click

from rocm_patch.conformance import results
from rocm_patch.conformance.model import load_causes, load_set
from rocm_patch.conformance.place import conformance_cache
from rocm_patch.conformance.report import Page, write_page
from rocm_patch.conformance.runner import Again, Runner, Wish
from rocm_patch.errors import VgpuError
from rocm_patch.paths import data_root, dist_root
from rocm_patch.sysroot import Sysroot
from rocm_patch.vgpu.library import find_library
from rocm_patch.vgpu.settings import NOTICE, Settings

_MINUTE = 60
_AGAIN: tuple[Again, ...] = ("nothing", "bad", "all")


@click.command("conformance")
@click.option("--set", "name", default="rocm-6.4", show_default=True, help="Which version's suites.")
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Only this one; repeatable.")
@click.option("--binary", "binaries", multiple=True, metavar="PATTERN", help="Only these programs.")
@click.option("--tests", default="*", metavar="FILTER", help="GoogleTest's own: only these of the sample.")
@click.option("--at-most", type=click.IntRange(min=1), metavar="N", help="So many tests a program.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Programs at once.")
@click.option("--minutes", type=float, metavar="N", help="Start nothing more after so long.")
@click.option(
    "--again", type=click.Choice(_AGAIN), default="nothing", show_default=True, help="What to run anew."
)
@click.option("--strict", is_flag=True, help="With the virtual card's checks.")
@click.option("--keep", is_flag=True, help="Leave the suites unpacked (up to 2.5 GB each).")
@click.option("--report-only", is_flag=True, help="Run nothing: write the page from what is there.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page [docs/conformance.md of the project].",
)
def conformance(
    *,
    name: str,
    suites: tuple[str, ...],
    binaries: tuple[str, ...],
    tests: str,
    at_most: int | None,
    jobs: int,
    minutes: float | None,
    again: Again,
    strict: bool,
    keep: bool,
    report_only: bool,
    output: Path | None,
) -> None:
    """Run Debian's GPU test suites for gfx1010; exit 80 where a failure has no known cause."""
    chosen, causes = load_set(name), load_causes()
    if not report_only:
        library = find_library(_say)
        _say(NOTICE)
        wish = Wish(
            suites=suites,
            binaries=binaries or ("*",),
            tests=tests,
            at_most=at_most,
            jobs=jobs,
            again=again,
            seconds=None if minutes is None else minutes * _MINUTE,
            keep=keep,
        )
        runner = Runner(
            chosen=chosen,
            root=Sysroot.open(chosen.sysroot),
            library=library,
            settings=Settings(strict=strict),
            wish=wish,
            say=_say,
        )
        runner.run()
    place = conformance_cache() / "results"
    pages = [Page(load_set(folder.name), results.load_all(folder)) for folder in sorted(place.glob("*"))]
    page = output or _page()
    unexplained = write_page(page, pages, causes)
    _say(f"wrote {page}")
    if unexplained:
        raise VgpuError(
            f"{len(unexplained)} tests failed for no known cause",
            step="find the cause of each; mend it, or describe it in build/conformance/causes.yml",
            detail=unexplained[:20],
        )


def _page() -> Path:
    """Give the documentation's page; an installed rocm-patch has none, and writes among its outputs."""
    docs = data_root() / "docs"
    return (docs if docs.is_dir() else dist_root()) / "conformance.md"


def _say(line: str) -> None:
    click.echo(line, err=True)
