"""What an audit finds, as plain records: kernels, code objects, fat binaries, files, the report.

Records only: nothing here reads a file, judges or prints.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from rocm_patch.audit.occupancy import Occupancy
from rocm_patch.audit.targets import TargetId

#: Examples kept of each finding in one file; the rest are counted.
EXAMPLES = 8
#: Names kept of the kernels that a file lacks; the rest are counted.
MISSING_NAMES = 200

SEVERITIES = ("error", "warning", "note")


@attrs.define(eq=False)
class Kernel:
    """One kernel of one code object. Sizes are bytes, registers are per lane or per wave."""

    name: str
    symbol: str
    #: File offset of the 64-byte descriptor within the code object; -1 where there is none.
    descriptor: int = -1
    wave: int = 0
    vgprs: int = 0
    agprs: int = 0
    sgprs: int = 0
    lds: int = 0
    scratch: int = 0
    kernarg: int = 0
    max_workgroup: int = 0
    vgpr_spills: int = 0
    sgpr_spills: int = 0
    dynamic_stack: bool = False
    wgp_mode: bool = False
    code_offset: int = 0
    code_size: int = 0
    occupancy: Occupancy | None = None
    findings: list[str] = attrs.field(factory=list)


@attrs.define(eq=False)
class CodeObject:
    """One AMDGPU ELF file. `where` says which file and which part of it; offsets count from its start."""

    where: str
    size: int
    version: int
    target: TargetId
    flags: int
    metadata_version: tuple[int, ...] = ()
    metadata_target: str = ""
    kernels: list[Kernel] = attrs.field(factory=list)


@attrs.define(eq=False)
class Entry:
    """One entry of a fat binary: `content` is code, bitcode, spirv, host, empty or unknown."""

    ident: str
    kind: str
    target: TargetId | None
    offset: int
    size: int
    content: str
    code: CodeObject | None = None


@attrs.define(eq=False)
class FatBinary:
    """One offload bundle: its place in the file, how it is compressed, and its entries."""

    offset: int
    size: int
    section: str
    compression: str = ""
    compressed_version: int = 0
    entries: list[Entry] = attrs.field(factory=list)

    def processors(self) -> set[str]:
        """Name the processors that this bundle holds device code for."""
        return {e.target.processor for e in self.entries if e.target and e.content == "code"}


@attrs.define(eq=False)
class Finding:
    """One rule's findings in one file: how many, and the first few of them."""

    rule: str
    severity: str
    source: str
    count: int = 0
    examples: list[str] = attrs.field(factory=list)


@attrs.define
class Totals:
    """Counts for one processor."""

    code_objects: int = 0
    kernels: int = 0
    size: int = 0

    def add(self, other: Totals) -> None:
        """Add another count to this one."""
        self.code_objects += other.code_objects
        self.kernels += other.kernels
        self.size += other.size


@attrs.define(eq=False)
class FileReport:
    """What one file (or member of an archive, written `archive!member`) holds."""

    path: str
    size: int
    kind: str
    fat_binaries: list[FatBinary] = attrs.field(factory=list)
    bare: list[CodeObject] = attrs.field(factory=list)
    findings: dict[str, Finding] = attrs.field(factory=dict)
    totals: dict[str, Totals] = attrs.field(factory=dict)
    #: Kernels that other targets of this file have and the audited target lacks: how many, the first names.
    missing_count: int = 0
    missing: list[str] = attrs.field(factory=list)
    #: Solutions of a Tensile library, and the libraries that a lazy one leads to.
    solutions: int = 0
    leads: list[str] = attrs.field(factory=list)

    def code_objects(self) -> Iterator[CodeObject]:
        """Give every code object, bundled or bare."""
        for fat in self.fat_binaries:
            for entry in fat.entries:
                if entry.code is not None:
                    yield entry.code
        yield from self.bare

    def has_device_code(self) -> bool:
        """Tell whether any GPU code or intermediate code for a GPU is inside."""
        return bool(self.bare) or any(
            entry.kind != "host" for fat in self.fat_binaries for entry in fat.entries
        )

    def add(self, rule: str, severity: str, source: str, message: str) -> None:
        """Count a finding, keeping the first few messages."""
        finding = self.findings.setdefault(rule, Finding(rule, severity, source))
        finding.count += 1
        if len(finding.examples) < EXAMPLES:
            finding.examples.append(message)

    def processors(self) -> set[str]:
        """Name the processors that this file holds device code for."""
        return {code.target.processor for code in self.code_objects()}

    def lacks(self, names: set[str]) -> None:
        """Note the kernels that the audited target lacks."""
        self.missing_count = len(names)
        self.missing = sorted(names)[:MISSING_NAMES]

    def drop_kernels(self, keep: set[str] | None = None) -> None:
        """Forget the kernels (of processors not in `keep`), so that long audits stay small."""
        for code in self.code_objects():
            if keep is None or code.target.processor not in keep:
                code.kernels = []


@attrs.define(eq=False)
class Failure:
    """A reason why a requirement is not met, and the file or folder it holds for."""

    path: str
    reason: str


@attrs.define(eq=False)
class Summary:
    """Counts over all files."""

    inputs: int = 0
    files: int = 0
    fat_binaries: int = 0
    compressed: int = 0
    code_objects: int = 0
    kernels: int = 0
    missing: int = 0
    per_target: dict[str, Totals] = attrs.field(factory=dict)
    errors: int = 0
    warnings: int = 0
    notes: int = 0

    @property
    def violations(self) -> int:
        """Give the number of broken rules (findings of severity error)."""
        return self.errors

    def add(self, report: FileReport) -> None:
        """Count one file."""
        self.files += 1
        self.fat_binaries += len(report.fat_binaries)
        self.compressed += sum(1 for fat in report.fat_binaries if fat.compression)
        for processor, totals in report.totals.items():
            self.per_target.setdefault(processor, Totals()).add(totals)
            self.code_objects += totals.code_objects
            self.kernels += totals.kernels
        self.add_folder(report)

    def add_folder(self, report: FileReport) -> None:
        """Count what holds for a folder, which is no file of its own: findings and missing kernels."""
        self.missing += report.missing_count
        for finding in report.findings.values():
            if finding.severity == "error":
                self.errors += finding.count
            elif finding.severity == "warning":
                self.warnings += finding.count
            else:
                self.notes += finding.count


@attrs.define(eq=False)
class Report:
    """A whole audit."""

    target: str
    inputs: list[str] = attrs.field(factory=list)
    files: list[FileReport] = attrs.field(factory=list)
    summary: Summary = attrs.field(factory=Summary)
    failures: list[Failure] = attrs.field(factory=list)
    unreadable: list[Failure] = attrs.field(factory=list)
