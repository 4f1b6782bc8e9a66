"""The audit on a terminal: the summary first, then targets, files, findings, kernels.

Knows the records of model.py and rich; prints no more than fits a screen unless asked.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rocm_patch.audit.model import SEVERITIES, FileReport, Kernel, Report

ROWS = 30
#: Columns where the output is no terminal and so has no width of its own.
PIPE_WIDTH = 160
_STYLE = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_UNIT = 1024


def size_text(size: int) -> str:
    """Give bytes in KiB, MiB or GiB."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < _UNIT:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _UNIT
    return f"{value:.2f} GiB"


def show(report: Report, console: Console, *, kernels: bool, required: bool) -> None:
    """Print a whole report."""
    _summary(report, console, required=required)
    if report.summary.per_target:
        _targets(report, console)
        _files(report, console)
    _findings(report, console)
    if kernels and report.target in report.summary.per_target:
        _kernels(report, console)


def _summary(report: Report, console: Console, *, required: bool) -> None:
    summary = report.summary
    line = (
        f"{summary.files} files, {summary.fat_binaries} fat binaries ({summary.compressed} compressed), "
        f"{summary.code_objects} code objects, {summary.kernels} kernels, "
        f"{summary.violations} violations, {summary.warnings} warnings, {summary.notes} notes"
    )
    console.print(Text(line, "bold"), soft_wrap=True)
    own = summary.per_target.get(report.target)
    if own is None:
        console.print(Text(f"no {report.target} code", "bold yellow"))
    else:
        text = f"{report.target}: {own.kernels} kernels in {own.code_objects} code objects"
        console.print(Text(f"{text}; {summary.missing} kernels only other targets have"))
    for failure in report.unreadable:
        console.print(Text(f"unreadable: {failure.path}: {failure.reason}", "bold red"))
    for failure in report.failures if required else []:
        console.print(Text(f"lacks {report.target}: {failure.path}: {failure.reason}", "bold red"))


def _targets(report: Report, console: Console) -> None:
    table = Table("target", title="Targets", title_justify="left")
    for name in ("code objects", "kernels", "size"):
        table.add_column(name, justify="right")
    for name, totals in sorted(report.summary.per_target.items()):
        style = "bold green" if name == report.target else None
        row = (str(totals.code_objects), str(totals.kernels), size_text(totals.size))
        table.add_row(Text(name), *row, style=style)
    console.print(table)


def _files(report: Report, console: Console) -> None:
    table = Table(
        title=f"Files with device code (kernels for {report.target}, and those only other targets have)",
        title_justify="left",
    )
    table.add_column("file", overflow="fold", min_width=20)
    for name in ("fat", "targets", "code", "kernels", "missing"):
        table.add_column(name, justify="right", no_wrap=True)
    with_code = [file for file in report.files if file.has_device_code()]
    for file in with_code[:ROWS]:
        own = file.totals.get(report.target)
        held = sorted(file.totals)
        table.add_row(
            Text(file.path),
            str(len(file.fat_binaries)),
            held[0] if len(held) == 1 else str(len(held)),
            versions(file),
            str(own.kernels) if own else "none",
            str(file.missing_count),
        )
    console.print(table)
    if len(with_code) > ROWS:
        console.print(f"... and {len(with_code) - ROWS} more files (--json and --html list all)")


def versions(file: FileReport) -> str:
    """Give the code object versions in a file, as in `v5` or `v4 v5`."""
    return " ".join(sorted({f"v{code.version}" for code in file.code_objects()}))


def _findings(report: Report, console: Console) -> None:
    found = [(file, finding) for file in report.files for finding in file.findings.values()]
    found.sort(key=lambda pair: SEVERITIES.index(pair[1].severity))
    if not found:
        return
    table = Table(title="Findings", title_justify="left")
    for name in ("severity", "rule", "count"):
        table.add_column(name, justify="right" if name == "count" else "left")
    table.add_column("first of them", overflow="fold")
    for _file, finding in found[:ROWS]:
        style = _STYLE[finding.severity]
        table.add_row(
            Text(finding.severity, style), finding.rule, str(finding.count), Text(finding.examples[0])
        )
    console.print(table)
    if len(found) > ROWS:
        console.print(f"... and {len(found) - ROWS} more (--json and --html list all)")


def kernel_cells(kernel: Kernel) -> list[str]:
    """Give the columns of a kernel after its name, as the terminal and the page show them."""
    occupancy = kernel.occupancy
    return [
        str(kernel.wave),
        str(kernel.vgprs),
        str(kernel.sgprs),
        str(kernel.lds),
        str(kernel.scratch),
        str(kernel.kernarg),
        str(kernel.max_workgroup),
        str(occupancy.waves) if occupancy else "",
        occupancy.limit if occupancy else "",
        " ".join(kernel.findings),
    ]


KERNEL_COLUMNS = (
    "wave",
    "vgprs",
    "sgprs",
    "LDS",
    "scratch",
    "kernarg",
    "workgroup",
    "waves/SIMD",
    "limit",
    "findings",
)


def _kernels(report: Report, console: Console) -> None:
    table = Table(title=f"Kernels for {report.target} (sizes in bytes)", title_justify="left")
    table.add_column("kernel", overflow="fold", min_width=20)
    for name in KERNEL_COLUMNS:
        table.add_column(name, justify="right")
    for file in report.files:
        for code in file.code_objects():
            if code.target.processor == report.target:
                for kernel in code.kernels:
                    table.add_row(Text(kernel.name), *kernel_cells(kernel))
    console.print(table)
