"""The decoder's rules inside the audit: which kernels they judge, and that each is decoded once."""

from __future__ import annotations

from typing import cast

import pytest
from tests.unit.audit.make import K, code_object

from rocm_patch.audit import codeobject
from rocm_patch.audit.model import FileReport
from rocm_patch.audit.rules import run
from rocm_patch.isa.library import CodeReport, Finding, Library, RuleInfo
from rocm_patch.isa.rules import kernel_rules

GENERIC_10_1 = 0x52


class FakeLibrary:
    """Answers as the library would for code in which one rule is broken twice and another once."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def rules(self) -> tuple[RuleInfo, ...]:
        return tuple(RuleInfo(name, f"File.cpp, {name}", name) for name in ("first", "second", "third"))

    def audit(self, code: bytes | memoryview, wave: int = 32) -> CodeReport:
        self.asked.append((len(bytes(code)), wave))
        found = (Finding("first", 4, "a"), Finding("third", 8, "b"), Finding("first", 12, "c"))
        return CodeReport(3, 0, {}, found, ())


def judged(data: bytes) -> tuple[FakeLibrary, FileReport]:
    library = FakeLibrary()
    report = FileReport(path="x.so", size=len(data), kind="code-object")
    facts = codeobject.read(memoryview(data), "x.so")
    run(facts, report, kernel_rules(cast("Library", library)), ())
    return library, report


def test_each_kernel_is_decoded_once_with_its_wave_size() -> None:
    library, report = judged(code_object(K("one", wave=32), K("two", wave=64)))
    assert [wave for _size, wave in library.asked] == [32, 64]
    assert {name: found.count for name, found in report.findings.items()} == {"first": 4, "third": 2}
    assert report.findings["first"].source == "LLVM File.cpp, first"
    assert report.findings["first"].severity == "error"
    assert "one: a" in report.findings["first"].examples[0]


@pytest.mark.parametrize(("mach", "asked"), [(0x33, 1), (0x36, 0), (0x2C, 0)])
def test_only_code_that_a_gfx1010_runs_is_judged(mach: int, asked: int) -> None:
    library, report = judged(code_object(K("one"), mach=mach, features=0))
    assert len(library.asked) == asked
    assert bool(report.findings) is bool(asked)
