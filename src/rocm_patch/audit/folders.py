"""What holds between files: folders of loose code objects, and the requirement of a target.

Works on finished file reports; opens nothing. A library that is loaded by
architecture (rocBLAS, MIOpen) keeps one file a target, so those are judged as a folder.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterator

import attrs

from rocm_patch.audit import tensile
from rocm_patch.audit.model import Failure, FileReport

_SOURCE = "Tensile: one index, libraries and code objects per architecture"


@attrs.define(eq=False)
class _Folder:
    #: name of a loose file -> processors of its code.
    files: dict[str, set[str]] = attrs.field(factory=dict)
    #: names of Tensile libraries -> the libraries they lead to.
    libraries: dict[str, list[str]] = attrs.field(factory=dict)
    #: file name without its target -> processor -> kernels.
    families: dict[str, dict[str, set[str]]] = attrs.field(factory=dict)


class Gathering:
    """Collects the file reports of one input, then judges folders and the requirement."""

    def __init__(self, root: str, target: str) -> None:
        """Start for the input `root` and the audited target."""
        self.root = root
        self.target = target
        self.failures: list[Failure] = []
        self.any_device_code = False
        self._folders: dict[str, _Folder] = {}

    def add(self, report: FileReport) -> None:
        """Take in one file, before its kernels are dropped."""
        head, name = posixpath.split(report.path)
        if "!" in name:  # a member at the top of an archive
            head, name = report.path.rsplit("!", 1)
        if report.kind == "tensile-library":
            self._folders.setdefault(head, _Folder()).libraries[name] = report.leads
            return
        if not report.has_device_code():
            return
        self.any_device_code = True
        named = tensile.target_in_name(name)
        if report.kind == "code-object" or (report.kind == "bundle" and named):
            self._loose(self._folders.setdefault(head, _Folder()), name, named, report)
            return
        lacking = [
            fat for fat in report.fat_binaries if not self._has_target(fat.processors(), report, fat.offset)
        ]
        if lacking:
            first = lacking[0]
            held = ", ".join(sorted(first.processors())) or "no code object"
            self.failures.append(
                Failure(
                    report.path,
                    f"{len(lacking)} of {len(report.fat_binaries)} fat binaries have no {self.target} code"
                    f" (the first, at {first.offset}, has {held})",
                )
            )

    def _has_target(self, processors: set[str], report: FileReport, offset: int) -> bool:
        if self.target not in processors:
            return False
        fat = next(fat for fat in report.fat_binaries if fat.offset == offset)
        codes = [entry.code for entry in fat.entries if entry.code is not None]
        own = sum(len(code.kernels) for code in codes if code.target.processor == self.target)
        # A code object without kernels, where others have some, is no code for the card.
        return bool(own) or not any(code.kernels for code in codes)

    def _loose(self, folder: _Folder, name: str, named: str, report: FileReport) -> None:
        processors = report.processors()
        folder.files[name] = processors
        if named and processors and named not in processors:
            message = f"{report.path}: its code is for {', '.join(sorted(processors))}"
            report.add("name-target", "error", _SOURCE, message)
        family = folder.families.setdefault(tensile.family(name), {})
        for code in report.code_objects():
            names = family.setdefault(code.target.processor, set())
            # The same names recur for every target: interned, they are held once.
            names.update(sys.intern(kernel.name) for kernel in code.kernels)

    def finish(self) -> Iterator[FileReport]:
        """Give a report for each folder of loose code objects, and complete `failures`."""
        for path, folder in self._folders.items():
            if not folder.files:
                continue
            report = FileReport(path=path, size=0, kind="kernel-folder")
            self._index(path, folder, report)
            lacking = set()
            for kernels in folder.families.values():
                if self.target in kernels:
                    others = set().union(*(names for p, names in kernels.items() if p != self.target))
                    lacking |= others - kernels[self.target]
            report.lacks(lacking)
            held = set().union(*folder.files.values())
            if self.target not in held:
                files = f"{len(folder.files)} code object file{'s' if len(folder.files) > 1 else ''}"
                self.failures.append(
                    Failure(
                        path, f"{files} for {', '.join(sorted(held)) or 'no target'}, none for {self.target}"
                    )
                )
            yield report
        if not self.any_device_code:
            self.failures.append(Failure(self.root, "holds no device code at all"))

    def _index(self, path: str, folder: _Folder, report: FileReport) -> None:
        """Check that each target with Tensile code has its index, and that indexes lead to files."""
        have: dict[str, set[str]] = {}
        for name, processors in folder.files.items():
            have.setdefault(tensile.family(posixpath.splitext(name)[0]), set()).update(processors)
        targets = {p for n, ps in folder.files.items() if n.startswith("TensileLibrary") for p in ps}
        for target in sorted(targets):
            names = (f"TensileLibrary_lazy_{target}", f"TensileLibrary_{target}", "TensileLibrary")
            if not any(f"{name}.dat" in folder.libraries for name in names):
                message = f"{path}: code for {target}, but no TensileLibrary_lazy_{target}.dat leads to it"
                report.add("tensile-index", "error", _SOURCE, message)
        for name, leads in folder.libraries.items():
            target = tensile.target_in_name(name)
            for lead in leads:
                key = tensile.family(lead) if tensile.target_in_name(lead) else f"{lead}_*"
                if f"{lead}.dat" not in folder.libraries:
                    report.add("tensile-lead", "error", _SOURCE, f"{path}/{name}: {lead}.dat is not there")
                elif target and target not in have.get(key, set()):
                    message = f"{path}/{name}: no code object of {lead} for {target}"
                    report.add("tensile-lead", "error", _SOURCE, message)
