"""The audit over paths: a stream of file reports, the whole report, and the quick list of targets.

The part's programming interface. Holds one file's kernels at a time unless asked to keep them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rocm_patch.audit.folders import Gathering
from rocm_patch.audit.members import Limits, members, walk
from rocm_patch.audit.model import Failure, FileReport, Report
from rocm_patch.audit.scan import Options, scan
from rocm_patch.errors import AuditError


class Audit:
    """One run: iterate `files()`, then look at `report` (summary, failures, unreadable)."""

    def __init__(
        self, paths: Iterable[Path], *, options: Options | None = None, limits: Limits | None = None
    ) -> None:
        """Prepare a run over files and folders."""
        self.options = options or Options()
        self.limits = limits or Limits()
        self.paths = list(paths)
        self.report = Report(target=self.options.target, inputs=[str(path) for path in self.paths])

    def files(self) -> Iterator[FileReport]:
        """Give each file's report as it is done; damaged files are noted and passed over."""
        for path in self.paths:
            self.report.summary.inputs += 1
            gathering = Gathering(str(path), self.options.target)
            yield from self._input(path, gathering)
            for folder in gathering.finish():
                self.report.summary.add_folder(folder)
                yield folder
            self.report.failures += gathering.failures

    def _input(self, path: Path, gathering: Gathering) -> Iterator[FileReport]:
        try:
            for file in walk(path):
                yield from self._file(file, gathering)
        except AuditError as error:
            self._unreadable(str(path), error, None)

    def _file(self, path: Path, gathering: Gathering) -> Iterator[FileReport]:
        try:
            for member in members(path, self.limits):
                report = FileReport(path=member.path, size=len(member.view), kind=member.kind)
                try:
                    scan(member, self.options, report)
                except AuditError as error:
                    self._unreadable(member.path, error, report)
                gathering.add(report)
                self.report.summary.add(report)
                yield report
        except AuditError as error:
            # The rest of a damaged archive is lost; the other files of a folder are not.
            self._unreadable(str(path), error, None)

    def _unreadable(self, path: str, error: AuditError, report: FileReport | None) -> None:
        reason = f"{error.what}: {error.cause}"
        self.report.unreadable.append(Failure(path, reason))
        if report is not None:
            report.add("malformed", "error", "the format's definition", reason)


def audit_paths(
    paths: Iterable[Path],
    *,
    options: Options | None = None,
    limits: Limits | None = None,
    keep_kernels: bool = True,
) -> Report:
    """Audit files, packages and folders.

    Files that cannot be read are listed in the report's `unreadable`, not raised.
    With `keep_kernels` off, only the audited target's kernels stay in the report.
    """
    run = Audit(paths, options=options, limits=limits)
    for file in run.files():
        if not keep_kernels:
            file.drop_kernels({run.options.target})
        run.report.files.append(file)
    return run.report


def targets_in(path: Path) -> set[str]:
    """Name the processors that a file, package or folder holds code for, reading headers only.

    Raises AuditError where it cannot be read.
    """
    found: set[str] = set()
    options = Options(quick=True)
    for file in walk(path):
        for member in members(file):
            report = FileReport(path=member.path, size=len(member.view), kind=member.kind)
            scan(member, options, report)
            found |= report.processors()
    return found
