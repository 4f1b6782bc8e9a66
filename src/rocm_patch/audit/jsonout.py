"""The audit as JSON, written file by file: memory stays bounded however many kernels there are.

The schema is described in docs/audit.md; its version goes up when a field
changes its meaning or goes away. Knows the records of model.py, no file format.
"""

from __future__ import annotations

import json
from typing import IO, Any

from rocm_patch import __version__
from rocm_patch.audit.model import CodeObject, FatBinary, FileReport, Kernel, Report, Totals

SCHEMA = "rocm-patch-audit"
SCHEMA_VERSION = 1


def kernel_record(kernel: Kernel) -> dict[str, Any]:
    """Give one kernel; sizes in bytes, registers per lane (vgprs, agprs) or per wave (sgprs)."""
    occupancy = kernel.occupancy
    return {
        "name": kernel.name,
        "descriptor_offset": kernel.descriptor,
        "wave_size": kernel.wave,
        "vgprs": kernel.vgprs,
        "agprs": kernel.agprs,
        "sgprs": kernel.sgprs,
        "lds_bytes": kernel.lds,
        "scratch_bytes": kernel.scratch,
        "kernarg_bytes": kernel.kernarg,
        "max_workgroup_size": kernel.max_workgroup,
        "vgpr_spills": kernel.vgpr_spills,
        "sgpr_spills": kernel.sgpr_spills,
        "dynamic_stack": kernel.dynamic_stack,
        "wgp_mode": kernel.wgp_mode,
        "code_bytes": kernel.code_size,
        "occupancy": None
        if occupancy is None
        else {"waves_per_simd": occupancy.waves, "limit": occupancy.limit},
        "findings": kernel.findings,
    }


def code_record(code: CodeObject, *, kernels: bool) -> dict[str, Any]:
    """Give one code object, with its kernels where asked for."""
    record: dict[str, Any] = {
        "target": str(code.target),
        "processor": code.target.processor,
        "version": code.version,
        "e_flags": code.flags,
        "size": code.size,
        "kernel_count": len(code.kernels),
    }
    if kernels:
        record["kernels"] = [kernel_record(kernel) for kernel in code.kernels]
    return record


def fat_record(fat: FatBinary, *, kernels: bool) -> dict[str, Any]:
    """Give one fat binary with its entries."""
    return {
        "offset": fat.offset,
        "size": fat.size,
        "section": fat.section,
        "compression": fat.compression or None,
        "compressed_version": fat.compressed_version or None,
        "entries": [
            {
                "id": entry.ident,
                "kind": entry.kind,
                "target": str(entry.target) if entry.target else None,
                "offset": entry.offset,
                "size": entry.size,
                "content": entry.content,
                "code_object": code_record(entry.code, kernels=kernels) if entry.code else None,
            }
            for entry in fat.entries
        ],
    }


def totals_record(totals: dict[str, Totals]) -> dict[str, Any]:
    """Give counts by processor, sizes in bytes."""
    return {
        name: {"code_objects": one.code_objects, "kernels": one.kernels, "bytes": one.size}
        for name, one in sorted(totals.items())
    }


def file_record(file: FileReport, *, kernels: bool) -> dict[str, Any]:
    """Give one file."""
    return {
        "path": file.path,
        "size": file.size,
        "kind": file.kind,
        "fat_binaries": [fat_record(fat, kernels=kernels) for fat in file.fat_binaries],
        "code_objects": [code_record(code, kernels=kernels) for code in file.bare],
        "targets": totals_record(file.totals),
        "missing_kernels": {"count": file.missing_count, "names": file.missing},
        "tensile": {"solutions": file.solutions, "leads_to": file.leads},
        "findings": [
            {
                "rule": finding.rule,
                "severity": finding.severity,
                "source": finding.source,
                "count": finding.count,
                "examples": finding.examples,
            }
            for finding in file.findings.values()
        ],
    }


def summary_record(report: Report) -> dict[str, Any]:
    """Give the counts over all files."""
    summary = report.summary
    return {
        "inputs": summary.inputs,
        "files": summary.files,
        "fat_binaries": summary.fat_binaries,
        "compressed_fat_binaries": summary.compressed,
        "code_objects": summary.code_objects,
        "kernels": summary.kernels,
        "missing_kernels": summary.missing,
        "targets": totals_record(summary.per_target),
        "violations": summary.violations,
        "warnings": summary.warnings,
        "notes": summary.notes,
    }


class JsonWriter:
    """Writes the document piece by piece: `add` each file, `close` with the report at the end."""

    def __init__(self, stream: IO[str], report: Report, *, kernels: bool) -> None:
        """Write the head."""
        self._stream = stream
        self._kernels = kernels
        self._first = True
        head = {
            "schema": SCHEMA,
            "version": SCHEMA_VERSION,
            "tool": __version__,
            "target": report.target,
            "inputs": report.inputs,
        }
        stream.write(json.dumps(head)[:-1] + ', "files": [')

    def add(self, file: FileReport) -> None:
        """Write one file."""
        self._stream.write("\n" if self._first else ",\n")
        self._first = False
        json.dump(file_record(file, kernels=self._kernels), self._stream)

    def close(self, report: Report) -> None:
        """Write what is known only at the end: summary, unmet requirements, unreadable files."""
        tail = {
            "summary": summary_record(report),
            "failures": [{"path": one.path, "reason": one.reason} for one in report.failures],
            "unreadable": [{"path": one.path, "reason": one.reason} for one in report.unreadable],
        }
        self._stream.write("\n], " + json.dumps(tail)[1:] + "\n")
