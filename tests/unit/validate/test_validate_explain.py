"""A failure leads to the catalogue's entry by what was said when it failed, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from rocm_patch.diagnose.catalogue import load_catalogue
from rocm_patch.validate.explain import explain, from_catalogue
from rocm_patch.validate.model import Known, Result, Run

SUITE = Path(__file__).resolve().parents[2] / "gpu"
CARD = {"arch": "gfx1010:xnack-", "rocm": "6.4.43484", "cuda": ""}
TORCH = """\
    def test_mm(gpu):
>       a @ b

test_products.py:31: RuntimeError
E   RuntimeError: HIP error: invalid device function
E   Compile with `TORCH_USE_HIP_DSA` to enable device-side assertions.
"""
ROCBLAS = (
    "rocBLAS error: Cannot read /opt/rocm/lib/rocblas/library/TensileLibrary.dat: "
    "No such file or directory for GPU arch : gfx1010\n"
)
FOREIGN = "E   AssertionError: 56 of 1600 elements are wrong, the largest error is 3.1 of its tolerance"


def _failed(text: str, log: str = "") -> Result:
    return Result("test_a.py::a", "failed", 0.1, text, log=log)


def _entries(result: Result, about: dict[str, str] = CARD) -> list[Known]:
    return from_catalogue(load_catalogue(), about)(result)


def test_a_message_of_torch_leads_to_its_entry_and_this_cards_fixes() -> None:
    (entry,) = _entries(_failed(TORCH))
    assert (entry.id, entry.title) == ("no-kernel-for-arch", "The program holds no code for this GPU")
    assert entry.evidence == ["RuntimeError: HIP error: invalid device function"]
    assert any("this project builds one" in fix for fix in entry.fixes)
    assert not any("gfx1030's code" in fix for fix in entry.fixes)


@pytest.mark.parametrize("outcome", ["crashed", "hung"])
def test_the_last_words_of_a_process_lead_to_their_entry(outcome: str) -> None:
    text = "the process ended by SIGABRT during this test\n" + ROCBLAS
    known = _entries(Result("test_a.py::a", outcome, 0.1, text))
    assert [entry.id for entry in known] == ["rocblas-tensile-missing"]


def test_the_runtimes_log_counts_beside_the_message() -> None:
    fault = "Memory access fault by GPU node-1 on address 0x7f00. Reason: Page not present."
    assert [entry.id for entry in _entries(_failed(FOREIGN, fault))] == ["gpu-memory-access-fault"]


def test_a_failure_that_no_entry_explains_has_none() -> None:
    assert _entries(_failed(FOREIGN, "MIOpen(HIP): Info [GetFindMode] 5")) == []
    assert _entries(_failed("E   torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB.")) == []


def test_the_source_that_a_traceback_shows_is_no_message() -> None:
    """One file of the suite speaks of `torch.version.hip is None`, a sign of a wrong build where printed."""
    for file in SUITE.glob("test_*.py"):
        assert _entries(_failed(file.read_text(encoding="utf-8") + "\n" + FOREIGN)) == [], file.name


def test_a_warning_explains_only_the_failure_that_is_about_it() -> None:
    warning = (
        "UserWarning: Attempting to use hipBLASLt on an unsupported architecture! It falls back to hipblas"
    )
    assert _entries(_failed(FOREIGN, warning)) == []
    assert _entries(Result("test_a.py::a", "crashed", 0.1, warning)) == []
    guard = "E   suite.guard.LeftTheGpuError: a warning speaks of a fallback: " + warning
    assert [entry.id for entry in _entries(_failed(guard))] == ["hipblaslt-unsupported-arch"]


def test_on_another_makers_gpu_no_problem_of_rocm_is_named() -> None:
    text = "E   RuntimeError: no kernel image is available for execution on the device"
    assert [entry.id for entry in _entries(_failed(text))] == ["no-kernel-for-arch"]
    assert _entries(_failed(text), {"arch": "sm_90", "rocm": "", "cuda": "12.6"}) == []


def test_only_failures_are_explained() -> None:
    run = Run({}, {}, "", [_failed(TORCH), Result("test_a.py::b", "skipped", 0.0, TORCH)])
    explain(run, from_catalogue(load_catalogue(), CARD))
    assert [[entry.id for entry in result.known] for result in run.results] == [["no-kernel-for-arch"], []]
