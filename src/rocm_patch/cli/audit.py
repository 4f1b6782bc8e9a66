"""`rocm-patch audit`: say which GPU code files really hold, and fail where a target is required and absent.

Options and output only; the work is in rocm_patch.audit.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from rocm_patch.audit.audit import Audit
from rocm_patch.audit.builtin_rules import KERNEL_RULES
from rocm_patch.audit.jsonout import JsonWriter
from rocm_patch.audit.page import write_page
from rocm_patch.audit.scan import Options
from rocm_patch.audit.targets import machines
from rocm_patch.audit.terminal import PIPE_WIDTH, show
from rocm_patch.errors import AuditError, UsageError
from rocm_patch.isa.rules import kernel_rules


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--target", default=None, help="The gfx target to look for. Default: gfx1010.")
@click.option(
    "--require", "required", default=None, metavar="TARGET", help="Exit 1 where TARGET's code is absent."
)
@click.option(
    "--kernels", is_flag=True, help="List every kernel of the target (with --json: of all targets)."
)
@click.option(
    "--code", is_flag=True, help="Also decode gfx1010's kernels: unknown instructions, hardware hazards."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Write JSON to standard output; docs/audit.md has its schema."
)
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Also write one self-contained page."
)
def audit(
    files: tuple[Path, ...],
    *,
    target: str | None,
    required: str | None,
    kernels: bool,
    code: bool,
    as_json: bool,
    html: Path | None,
) -> None:
    """Say which GPU code FILES hold: wheels, .so, .o, .a, .hsaco, .co, .deb, .rpm, Tensile .dat, folders.

    Exits 0 where nothing is wrong, 1 where a required target is absent or a rule
    is broken under --require, 50 where a file cannot be read.
    """
    rules = (*KERNEL_RULES, *kernel_rules()) if code else KERNEL_RULES
    run = Audit(files, options=Options(target=_target(target, required), kernel_rules=rules))
    writer = JsonWriter(sys.stdout, run.report, kernels=kernels) if as_json else None
    for file in run.files():
        if writer is not None:
            writer.add(file)
        file.drop_kernels({run.options.target} if html or (kernels and not as_json) else None)
        run.report.files.append(file)
    report = run.report
    if writer is not None:
        writer.close(report)
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = PIPE_WIDTH
        show(report, console, kernels=kernels, required=required is not None)
    if html is not None:
        write_page(report, html)
    if report.unreadable:
        raise AuditError(
            f"{len(report.unreadable)} files cannot be read",
            detail=[f"{one.path}: {one.reason}" for one in report.unreadable],
            step="fetch or build them again",
        )
    if required is not None and (report.failures or report.summary.violations):
        sys.exit(1)


def _target(target: str | None, required: str | None) -> str:
    """Choose the audited target and check that it is one."""
    if target and required and target != required:
        raise UsageError(
            f"--target {target} and --require {required} differ",
            cause="a requirement is checked for the audited target",
            step="give one of them",
        )
    chosen = required or target or "gfx1010"
    if chosen not in {machine.name for machine in machines().values()}:
        raise UsageError(
            f"{chosen} is no gfx target",
            cause="build/targets/machines.yml does not list it",
            step="check the name",
        )
    return chosen
