"""Rules of precedence, company of signs, wraps, machines, hostile input, linear time."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.diagnose.helpers import diagnose, ids

from rocm_patch.diagnose.facts import family_of
from rocm_patch.diagnose.machine import Machine, gfx_of_number
from rocm_patch.diagnose.matcher import BLOCK

FAULT = (
    "Memory access fault by GPU node-1 on address 0x7f. Reason: Page not present or supervisor privilege.\n"
)
RDNA1 = "Marketing Name: AMD Radeon RX 5700 XT\n"
NO_BINARY = '"hipErrorNoBinaryForGpu: Unable to find code object for all current devices!"\n'


def test_rule_1_a_foreign_override_explains_faults_and_hangs() -> None:
    text = f"HSA_OVERRIDE_GFX_VERSION=10.3.0\n{RDNA1}{FAULT}amdgpu 0000:0b:00.0: amdgpu: GPU reset begin!\n"
    found = ids(text)
    assert found[0] == "gfx-override-misuse"
    assert set(found) == {"gfx-override-misuse", "gpu-memory-access-fault", "gpu-hang-reset"}


@pytest.mark.parametrize("value", ["10.3.0", "9.0.0", "11.0.0"])
@pytest.mark.parametrize(
    "form",
    ["HSA_OVERRIDE_GFX_VERSION={}", "ENV HSA_OVERRIDE_GFX_VERSION {}", "HSA_OVERRIDE_GFX_VERSION: '{}'"],
)
def test_foreign_override_on_gfx1010_is_refused(value: str, form: str) -> None:
    assert ids(form.format(value) + "\n" + RDNA1) == ["gfx-override-misuse"]


@pytest.mark.parametrize(
    "text",
    [
        "HSA_OVERRIDE_GFX_VERSION=10.1.0\nMarketing Name: Navi 14 [Radeon RX 5500 XT]\n",
        "HSA_OVERRIDE_GFX_VERSION=10.3.0\nRadeon RX 6600\n",
        "HSA_OVERRIDE_GFX_VERSION=11.0.0\nRadeon RX 7600\n",
        "HSA_OVERRIDE_GFX_VERSION=10.3.0\n",
    ],
)
def test_override_inside_the_family_or_of_an_unknown_card_is_no_problem(text: str) -> None:
    assert ids(text) == []


def test_the_machines_card_outweighs_what_an_overridden_rocminfo_says() -> None:
    text = "HSA_OVERRIDE_GFX_VERSION=10.3.0\n  Name:                    gfx1030\n"
    assert ids(text) == []
    assert ids(text, Machine(gfx=("gfx1010",))) == ["gfx-override-misuse"]


def test_rule_2_a_warning_never_comes_before_a_failure() -> None:
    text = "UserWarning: Attempting to use hipBLASLt on an unsupported architecture!\n" + FAULT
    assert ids(text) == ["gpu-memory-access-fault", "hipblaslt-unsupported-arch"]


def test_rule_3_code_found_for_the_card_is_no_missing_kernel() -> None:
    devices = " amdgcn-amd-amdhsa--gfx1100 - [Found]\n amdgcn-amd-amdhsa--gfx1036 - [Not Found]\n"
    text = f"{NO_BINARY} Devices:\n{devices}"
    assert ids(text) == ["igpu-dgpu-both-visible"]
    assert ids(f"{NO_BINARY} amdgcn-amd-amdhsa--gfx1010:xnack- - [Not Found]\n") == ["no-kernel-for-arch"]


@pytest.mark.parametrize(
    "sign", ["5.15.167.4-microsoft-standard-WSL2", "WSL environment detected.", "ROCR: unsupported GPU"]
)
def test_rule_4_wsl_comes_before_a_module_that_is_not_loaded(sign: str) -> None:
    assert ids(f"{sign}\nROCk module is NOT loaded, possibly no GPU devices\n")[0] == "wsl2-gpu-not-detected"


@pytest.mark.parametrize(
    ("errno", "around", "expected"),
    [
        ("Permission denied", "", ["kfd-permission-denied"]),
        ("No such file or directory", "$ docker run it\n", ["container-device-missing"]),
        ("No such file or directory", "", ["amdgpu-module-not-loaded"]),
        ("Invalid argument", "", []),
        ("Cannot allocate memory", "", []),
        ("Operation not permitted", "", []),
    ],
)
def test_rule_5_the_errno_decides(errno: str, around: str, expected: list[str]) -> None:
    found = diagnose(f"{around}ROCk module is loaded\nUnable to open /dev/kfd read-write: {errno}\n")
    assert [one.problem.id for one in found.findings] == expected
    assert bool(found.lookalikes) == (not expected)


def test_rule_6_only_amdgpus_dkms_and_only_rocms_dependencies() -> None:
    dkms = "Bad return status for module build on kernel: 6.11.0\nConsult /var/lib/dkms/{}/1/build/make.log\n"
    assert ids(dkms.format("amdgpu")) == ["amdgpu-dkms-build-failure"]
    assert ids(dkms.format("nvidia")) == []
    needs = " {} : Depends: libtinfo5 but it is not installable\n"
    assert ids(needs.format("rocm-llvm")) == ["apt-wrong-release-deps"]
    assert ids(needs.format("nsight-systems-2023.3.3")) == []


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("RuntimeError: Found no NVIDIA driver on your system.", "wrong-torch-build"),
        ("AssertionError: Torch not compiled with CUDA enabled", "wrong-torch-build"),
        ("ptxas fatal   : Value 'sm_110' is not defined", "triton-unsupported-arch"),
        ("RuntimeError: CUDA error: no kernel image is available for execution", "no-kernel-for-arch"),
    ],
)
def test_signs_that_need_an_amd_gpu(line: str, needed: str) -> None:
    assert ids(line) == []
    assert ids(line + "\nNVIDIA GeForce RTX 3070, AMD Radeon Graphics\n") == []
    assert ids(line + "\nRadeon RX 5700 XT\n") == [needed]
    assert ids(line, Machine(gfx=("gfx1010",), facts=frozenset({"amd-gpu"}))) == [needed]


def test_two_problems_in_one_text_are_both_named() -> None:
    text = "rocBLAS error: Cannot read /x/TensileLibrary.dat: Illegal seek for GPU arch : gfx1010\n" * 2
    text += "\n" * 500 + "kfd kfd: amdgpu: skipped device 1002:731f, PCI rejects atomics 123<145\n"
    assert set(ids(text)) == {"rocblas-tensile-missing", "pcie-atomics-unsupported"}


@pytest.mark.parametrize("width", [28, 40, 61, 80])
def test_wrapped_lines_are_the_same_text(width: int) -> None:
    line = "/src/ck/utility.hpp:32:48: error: use of undeclared identifier 'CK_BUFFER_RESOURCE_3RD_DWORD'"
    wrapped = "\n".join(line[start : start + width] for start in range(0, len(line), width))
    assert ids(wrapped) == ["ck-buffer-resource-undeclared"]


def test_signs_over_the_seam_of_two_blocks_are_found() -> None:
    sign = "use of undeclared identifier 'CK_BUFFER_RESOURCE_3RD_DWORD'"
    for before in range(BLOCK - 90, BLOCK + 10, 7):
        text = "x" * 4000 + "\n"
        filler = text * (before // 4000) + "x" * (before % 4000)
        assert ids(f"{filler}\nerror: {sign[:30]}\n{sign[30:]}\n") == ["ck-buffer-resource-undeclared"], (
            before
        )


def test_confidence_is_a_probability_and_grows_with_witnesses() -> None:
    alone = diagnose("gfx1010_18.kdb Performance may degrade\n").findings[0]
    both = diagnose("Missing system database file: gfx1010_18.kdb Performance may degrade\n").findings[0]
    assert 0 < alone.confidence < both.confidence <= 1


def test_fixes_follow_the_machine() -> None:
    line = "rocBLAS error: Cannot read /x/TensileLibrary.dat: Illegal seek for GPU arch : {}\n"
    rdna2 = diagnose(line.format("gfx1032")).findings[0]
    assert any("10.3.0" in command for fix in rdna2.fixes for command in fix.commands)
    rdna1 = diagnose(line.format("gfx1010")).findings[0]
    assert not any("OVERRIDE" in command for fix in rdna1.fixes for command in fix.commands)
    assert rdna1.fixes
    unknown = diagnose(line.format("")).findings[0]
    assert not any("OVERRIDE" in command for fix in unknown.fixes for command in fix.commands)
    dkms = "dpkg: error processing package amdgpu-dkms (--configure):\n"
    fedora = diagnose(dkms, Machine(distribution=("fedora", "fedora-42"))).findings[0]
    assert not any("apt" in command for fix in fedora.fixes for command in fix.commands)


def test_the_processors_gpu_beside_a_card_decides_on_no_fix() -> None:
    both = Machine(gfx=("gfx1010", "gfx90c"), facts=frozenset({"amd-gpu"}))
    found = diagnose("AssertionError: Torch not compiled with CUDA enabled\n", both)
    assert found.facts.gfx == ["gfx1010"]
    assert not any("whl/rocm" in command for fix in found.findings[0].fixes for command in fix.commands)


def test_families() -> None:
    assert [family_of(one) for one in ("gfx1010", "gfx90a", "gfx1103", "gfx906", "gfx1201")] == [
        (10, 1),
        (9, 0),
        (11, 0),
        (9, 0),
        (12, 0),
    ]
    assert [gfx_of_number(one) for one in (100100, 90010, 110501)] == ["gfx1010", "gfx90a", "gfx1151"]


HOSTILE = "\x1b]0;pwned\x07\x1b[2J\x1b[31mHIP out of memory. Tried to allocate\x1b[0m \u202e 2 GiB \x1b]8;;http://x\x07here\n"


def test_escape_sequences_never_reach_the_evidence() -> None:
    finding = diagnose(HOSTILE).findings[0]
    assert finding.problem.id == "hip-out-of-memory"
    assert [hit.evidence for hit in finding.evidence()] == [
        "HIP out of memory. Tried to allocate  2 GiB here"
    ]


SIGNS = [
    "HIP error: invalid device function", "Radeon RX 5700 XT", "HSA_OVERRIDE_GFX_VERSION=10.3.0", "[Found]",
    "amdgcn-amd-amdhsa--gfx1036 - [Not Found]", "Name: gfx1010", "\x1b[31m", "\r", "\n", "\u202e", "/dev/kfd",
    "amdgpu", "Unable to open /dev/kfd read-write: ", "Direct firmware load for amdgpu/", "docker",
    "NCCL INFO", "é", "\x00",
]  # fmt: skip


@given(st.lists(st.one_of(st.sampled_from(SIGNS), st.text(max_size=20)), max_size=60))
@example(["Name: gfx"] * 40)
@settings(max_examples=150, deadline=None)
def test_any_text_is_judged_soberly(parts: list[str]) -> None:
    text = "".join(parts)
    found = diagnose(text.encode("utf-8", "surrogatepass"))
    confidences = [finding.confidence for finding in found.findings]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 < one <= 1 for one in confidences)
    for finding in found.findings:
        for hit in finding.evidence():
            assert 1 <= hit.line <= text.count("\n") + 1
            kinds = {unicodedata.category(char) for char in hit.evidence if char != "\t"}
            assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.binary(max_size=5000))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read(raw: bytes) -> None:
    assert diagnose(raw).findings == []


def _seconds(text: bytes) -> float:
    best = 1e9
    for _ in range(2):
        start = time.process_time()
        diagnose(text)
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize(
    "line",
    [
        b"[  12.345678] usb 1-2: new high-speed USB device number 4 using xhci_hcd at bus 1 of the host\n",
        b"amdgpu radeon gfx /dev/kfd [not found] depends: rocm ( lib name: override docker\n",
        b"hsa_override_gfx_version" + b" " * 40 + b"rx 5 rx 6 rx 7 gfx1 navi name: device torch memory 15.\n",
        b"x" * 1_000 + b" ",
        b"a ",
    ],
)
def test_time_is_linear(line: bytes) -> None:
    small = _seconds(line * (60_000 // len(line)))
    large = _seconds(line * (480_000 // len(line)))
    # Eight times the text: twice that for noise, where a square would need 64 times.
    assert large < 16 * max(small, 0.01)
