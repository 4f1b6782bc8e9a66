"""What a rule is, and the running of them: the place where further rules are hung in.

A rule has a name, the source that says it is one, a severity, and a check that
yields messages. Kernel rules see one kernel with its machine code; object rules see
a whole code object. Rules that need an instruction decoder are handed in by
their caller and stand beside the built-in ones of builtin_rules.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from rocm_patch.audit.codeobject import Facts, KernelFacts
from rocm_patch.audit.model import FileReport


class KernelRule(Protocol):
    """A rule over one kernel; `subject.code` holds the bytes of its instructions."""

    @property
    def name(self) -> str:
        """Name the rule: stable, in lower case with hyphens."""
        ...

    @property
    def source(self) -> str:
        """Say where the rule comes from."""
        ...

    @property
    def severity(self) -> str:
        """Give error, warning or note."""
        ...

    @property
    def check(self) -> Callable[[KernelFacts, Facts], Iterable[str]]:
        """Give one message for each breach."""
        ...


class ObjectRule(Protocol):
    """A rule over one code object."""

    @property
    def name(self) -> str:
        """Name the rule: stable, in lower case with hyphens."""
        ...

    @property
    def source(self) -> str:
        """Say where the rule comes from."""
        ...

    @property
    def severity(self) -> str:
        """Give error, warning or note."""
        ...

    @property
    def check(self) -> Callable[[Facts], Iterable[str]]:
        """Give one message for each breach."""
        ...


def run(
    facts: Facts, report: FileReport, kernel_rules: Sequence[KernelRule], object_rules: Sequence[ObjectRule]
) -> None:
    """Check one code object and count the findings into the file's report."""
    where = facts.code_object.where
    for rule in object_rules:
        for message in rule.check(facts):
            report.add(rule.name, rule.severity, rule.source, f"{where}: {message}")
    for subject in facts.kernels:
        for kernel_rule in kernel_rules:
            for message in kernel_rule.check(subject, facts):
                subject.kernel.findings.append(kernel_rule.name)
                report.add(
                    kernel_rule.name,
                    kernel_rule.severity,
                    kernel_rule.source,
                    f"{where}: {subject.kernel.name}: {message}",
                )
