"""The decoder's rules as kernel rules of the audit: what gfx1010 lacks, and its hardware's hazards.

They judge kernels that a gfx1010 runs, no others. Knows the audit's rule protocol and the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import attrs

from rocm_patch.audit.codeobject import Facts, KernelFacts
from rocm_patch.isa.library import CodeReport, Library, load

#: The loader gives code for the generic target to a gfx1010 as well.
TARGETS = ("gfx1010", "gfx10-1-generic")


@attrs.frozen
class CodeRule:
    """One rule of the library in the form that the audit runs."""

    name: str
    severity: str
    source: str
    check: Callable[[KernelFacts, Facts], Iterable[str]]


class Inspector:
    """Audits each kernel's code once and hands its findings to the rules that ask."""

    def __init__(self, library: Library) -> None:
        """Start with nothing inspected."""
        self.library = library
        self._subject: KernelFacts | None = None
        self._report: CodeReport | None = None

    def report(self, subject: KernelFacts) -> CodeReport:
        """Give what is known of a kernel's code. All rules ask for one kernel before the next comes."""
        if self._report is None or self._subject is not subject:
            # A kernel without descriptor has wave size 0; gfx1010's default is 32.
            self._report = self.library.audit(subject.code, subject.kernel.wave or 32)
            self._subject = subject
        return self._report


def kernel_rules(library: Library | None = None) -> tuple[CodeRule, ...]:
    """Give the rules for `Options.kernel_rules`; MissingToolError where the library is not there."""
    inspector = Inspector(library or load())
    return tuple(
        CodeRule(rule.name, "error", f"LLVM {rule.source}", _check(inspector, rule.name))
        for rule in inspector.library.rules()
    )


def _check(inspector: Inspector, name: str) -> Callable[[KernelFacts, Facts], Iterable[str]]:
    def check(subject: KernelFacts, facts: Facts) -> Iterator[str]:
        if facts.code_object.target.processor not in TARGETS or not subject.code:
            return
        for finding in inspector.report(subject).findings:
            if finding.rule == name:
                yield finding.text

    return check
