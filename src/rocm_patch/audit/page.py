"""The audit as one HTML page that needs nothing besides itself.

Fills report.html.j2, whose text is escaped by jinja2; knows the records of model.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jinja2

from rocm_patch import __version__
from rocm_patch.audit.model import SEVERITIES, Finding, Report
from rocm_patch.audit.terminal import KERNEL_COLUMNS, kernel_cells, size_text, versions
from rocm_patch.errors import UsageError

#: Kernels listed in one page; a browser sorts this many without delay.
KERNEL_ROWS = 20_000


def write_page(report: Report, path: Path) -> None:
    """Write the page; rows are rendered as they are written, never all at once."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rocm_patch.audit", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["size"] = size_text
    environment.filters["versions"] = versions
    own = report.summary.per_target.get(report.target)
    total = own.kernels if own else 0
    stream = environment.get_template("report.html.j2").stream(
        report=report,
        tool=__version__,
        columns=KERNEL_COLUMNS,
        kernels=_kernel_rows(report),
        kernels_left_out=max(0, total - KERNEL_ROWS),
        findings=_findings(report),
        files=[file for file in report.files if file.has_device_code() or file.missing_count],
    )
    stream.enable_buffering(200)
    try:
        stream.dump(str(path), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written",
            cause=str(error),
            step="name a file in a folder that you may write to",
        ) from error


def _kernel_rows(report: Report) -> Iterator[tuple[str, str, list[str]]]:
    left = KERNEL_ROWS
    for file in report.files:
        for code in file.code_objects():
            if code.target.processor != report.target:
                continue
            for kernel in code.kernels:
                if not left:
                    return
                left -= 1
                yield kernel.name, file.path, kernel_cells(kernel)


def _findings(report: Report) -> list[tuple[str, Finding]]:
    found = [(file.path, finding) for file in report.files for finding in file.findings.values()]
    return sorted(found, key=lambda pair: SEVERITIES.index(pair[1].severity))
