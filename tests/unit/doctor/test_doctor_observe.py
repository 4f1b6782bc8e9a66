"""Doctor on the machines of tests/unit/detect: what it names, and that it names nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.detect import kit

from rocm_patch.detect.model import Device, Gpu, Library, Report, Wheel
from rocm_patch.detect.place import Place
from rocm_patch.diagnose.catalogue import load_catalogue
from rocm_patch.doctor.checkup import Checkup, check
from rocm_patch.doctor.gather import Gathered, Text, gather
from rocm_patch.doctor.observe import OBSERVATIONS, observe

#: machine -> the problems that its file describes (its `about` says why). All others have none.
EXPECTED = {
    "rx5600m-laptop-cezanne": ["igpu-dgpu-both-visible"],
    "rx5600xt-blacklisted": ["amdgpu-module-not-loaded"],
    "rx5600xt-cpu-wheel": ["wrong-torch-build"],
    "rx5600xt-docker-without-kfd": ["container-device-missing"],
    "rx5600xt-fedora-42": ["wrong-torch-build"],
    "rx5600xt-no-atomics": ["pcie-atomics-unsupported"],
    "rx5600xt-not-in-render": ["kfd-permission-denied"],
    "rx5600xt-ubuntu-22.04-amd-6.4": ["rocblas-tensile-missing"],
    "rx5600xt-ubuntu-24.04-mixed": ["apt-mixed-rocm-packages"],
    "rx5600xt-vfio": ["amdgpu-module-not-loaded"],
    "rx5700xt-ubuntu-24.04-amd-6.2-override": ["gfx-override-misuse"],
    "rx5700xt-wsl2": ["wsl2-gpu-not-detected"],
    "rx6700xt-raphael": ["igpu-dgpu-both-visible"],
}


def _checkup(name: str, folder: Path) -> Checkup:
    tree, data = kit.build(name, folder)
    return check(gather(Place(tree, data.get("environment", {}), data.get("user"), name)), load_catalogue())


@pytest.mark.parametrize("name", kit.names())
def test_a_machine_shows_what_is_wrong_with_it_and_nothing_else(name: str, tmp_path: Path) -> None:
    checkup = _checkup(name, tmp_path)
    found = [finding.problem.id for finding in checkup.diagnosis.findings]
    assert found == EXPECTED.get(name, [])
    for finding in checkup.diagnosis.findings:
        assert finding.evidence()
        assert 0.45 <= finding.confidence <= 0.99


def test_the_expected_machines_exist() -> None:
    assert set(EXPECTED) <= set(kit.names())


def test_data_and_code_name_the_same_observations() -> None:
    catalogue = load_catalogue()
    assert set(catalogue.common.observations) == set(OBSERVATIONS)
    used = {sign.fact for problem in catalogue.problems.values() for sign in problem.signatures}
    assert set(OBSERVATIONS) <= used


CARD = Gpu(
    vendor="amd", name="RX 5600 XT", gfx="gfx1010", kind="card", kfd_node=1, pci_address="0000:03:00.0"
)


def test_libraries_without_the_cards_code_are_observed() -> None:
    report = Report(gpus=[CARD])
    report.driver.loaded = True
    report.libraries = [
        Library("torch_hip", "/v/torch/lib/libtorch_hip.so", None, 1, ["gfx900", "gfx1030"]),
        Library("rocsparse", "/opt/rocm/lib/librocsparse.so.1", "1", 1, ["gfx1010"]),
        Library("rocrand", "/opt/rocm/lib/librocrand.so.1", "1", 1, []),
        Library("rocsolver", "/opt/rocm/lib/librocsolver.so.0", "0", 1, None),
    ]
    assert list(observe(report)) == ["torch-lacks-gpu"]
    report.libraries[1].code_for = ["gfx90a"]
    assert list(observe(report)) == ["torch-lacks-gpu", "library-lacks-gpu"]


def test_a_triton_that_hides_the_right_one_is_observed() -> None:
    report = Report(gpus=[CARD])
    report.driver.loaded = True
    report.wheels = [
        Wheel("torch", "2.6.0+rocm6.4", "/v", "rocm"), Wheel("pytorch-triton-rocm", "3.2.0", "/v", "rocm"),
        Wheel("triton", "3.2.0", "/v"),
    ]  # fmt: skip
    assert list(observe(report)) == ["triton-shadowed"]
    report.wheels[2].folder = "/w"
    assert observe(report) == {}


def test_missing_firmware_counts_only_where_the_driver_did_not_start(tmp_path: Path) -> None:
    report = kit.report("rx5600xt-no-rocm", tmp_path)
    report.firmware[0].missing = ["sos"]
    assert "firmware-incomplete" not in observe(report)
    for gpu in report.gpus:
        gpu.kfd_node = None
    assert observe(report)["firmware-incomplete"] == ["/lib/firmware/amdgpu lacks navi10_sos.bin"]


def test_an_empty_report_shows_nothing() -> None:
    assert observe(Report()) == {}


def test_a_next_login_is_told(tmp_path: Path) -> None:
    report = kit.report("rx5600xt-not-in-render", tmp_path)
    report.access.groups_at_next_login = ["render"]
    assert "from the next login ada is also in render" in observe(report)["kfd-refused"]


def test_logs_add_to_what_the_machine_shows_and_keep_their_places() -> None:
    report = Report(gpus=[CARD])
    report.driver.loaded = True
    report.access.devices = [Device("/dev/kfd", exists=True, mode="0660", group="render", usable=True)]
    hang = "[  1.0] quiet\n[ 99.1] amdgpu 0000:03:00.0: amdgpu: GPU reset begin!\n"
    texts = [Text("kernel log (dmesg)", "[ 0.1] docker0: port 1\n" * 700), Text("/var/log/kern.log", hang)]
    checkup = check(Gathered(report, texts), load_catalogue())
    (entry,) = checkup.document()["problems"]
    assert entry["id"] == "gpu-hang-reset"
    assert (entry["sources"], entry["lines"]) == (["/var/log/kern.log"], [2])
    # The log speaks of docker, but this machine is no container.
    assert "container" not in checkup.diagnosis.facts.held


def test_signs_do_not_span_two_texts() -> None:
    first = Text("a", "Direct firmware load for amdgpu/navi10_sos.bin failed with error -2\n")
    second = Text("b", "amdgpu 0000:03:00.0: amdgpu: Fatal error during GPU init\n")
    apart = check(Gathered(Report(gpus=[CARD]), [first, second]), load_catalogue())
    joined = check(Gathered(Report(gpus=[CARD]), [Text("a", first.text + second.text)]), load_catalogue())
    assert "firmware-missing" not in [one.problem.id for one in apart.diagnosis.findings]
    assert "firmware-missing" in [one.problem.id for one in joined.diagnosis.findings]
