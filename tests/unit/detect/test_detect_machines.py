"""What detect says of whole machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest
from pydantic import TypeAdapter
from tests.unit.detect import kit, matrix

from rocm_patch.detect.model import Report

Machine = Callable[[str], Report]


def test_there_are_enough_machines() -> None:
    assert len(kit.names()) >= 25


def test_matrix_is_current(machine: Machine) -> None:
    assert matrix.text(machine) == matrix.PLACE.read_text("utf-8"), "run python -m tests.unit.detect.matrix"


@pytest.mark.parametrize("name", kit.names())
def test_every_gpu_has_a_name_a_target_and_a_kind(machine: Machine, name: str) -> None:
    report = machine(name)
    TypeAdapter(Report).validate_python(asdict(report), strict=False)
    assert len(report.gpus) == len(kit.source(name)["gpus"])
    for gpu in report.gpus:
        if gpu.vendor == "amd":
            assert gpu.name
            assert gpu.name.startswith("AMD ")
            assert gpu.gfx
            assert gpu.kind != "unknown"
            assert gpu.vram_bytes or gpu.driver != "amdgpu"


def test_a_gfx1010_card_in_full(machine: Machine) -> None:
    (gpu,) = machine("rx5600xt-ubuntu-22.04-amd-6.4").gpus
    assert (gpu.gfx, gpu.gfx_source, gpu.kind) == ("gfx1010", "kfd", "card")
    assert (gpu.name, gpu.pci_address, gpu.pci_id) == ("AMD Radeon RX 5600 XT", "0000:03:00.0", "1002:731f")
    assert (gpu.vram_bytes, gpu.compute_units, gpu.simds, gpu.wave_size) == (6425673728, 36, 72, 32)
    assert (gpu.xnack, gpu.pcie_atomics, gpu.render_node) == ("off", True, "/dev/dri/renderD128")


def test_cards_that_share_a_pci_id_are_told_apart_by_revision(machine: Machine) -> None:
    names = [gpu.name for gpu in machine("rx5600xt-two-cards").gpus]
    assert names == ["AMD Radeon RX 5600 XT", "AMD Radeon RX 5700 XT"]
    ids = [gpu.unique_id for gpu in machine("rx5600xt-two-cards").gpus]
    assert ids == [f"{11111:016x}", f"{22222:016x}"]


def test_processor_graphics_are_told_from_cards(machine: Machine) -> None:
    assert [gpu.kind for gpu in machine("rx6700xt-raphael").gpus] == ["card", "integrated"]
    assert [gpu.kind for gpu in machine("rx5600m-laptop-cezanne").gpus] == ["card", "integrated"]
    assert [gpu.kind for gpu in machine("radeon-780m-laptop").gpus] == ["integrated"]


def test_xnack(machine: Machine) -> None:
    assert [gpu.xnack for gpu in machine("rx5600m-laptop-cezanne").gpus] == ["off", "on"]
    assert {gpu.xnack for gpu in machine("mi300x-x8").gpus} == {"per-process"}
    assert {gpu.xnack for gpu in machine("nvidia-only").gpus} == {"unknown"}


def test_dies_of_one_board_share_a_hive(machine: Machine) -> None:
    gpus = machine("mi250-sles-15").gpus
    assert len({gpu.pci_address for gpu in gpus}) == 2
    assert {gpu.hive_id for gpu in gpus} == {f"{77:016x}"}
    assert {gpu.compute_units for gpu in gpus} == {104}


def test_a_gpu_that_kfd_does_not_have(machine: Machine) -> None:
    card, refused = machine("rx5600xt-no-atomics").gpus
    assert card.pcie_atomics is False
    assert (refused.kfd_node, refused.driver, refused.gfx, refused.gfx_source) == (
        None,
        "amdgpu",
        "gfx803",
        "table",
    )
    passed, _ = machine("rx5600xt-vfio").gpus
    assert (passed.kfd_node, passed.driver) == (None, "vfio-pci")
    assert machine("rx5600xt-vfio").kernel.iommu == "on"


def test_blacklist(machine: Machine) -> None:
    report = machine("rx5600xt-blacklisted")
    assert not report.driver.loaded
    assert report.driver.blacklisted_by == [
        "/etc/modprobe.d/blacklist-amdgpu.conf: blacklist amdgpu",
        "/proc/cmdline: modprobe.blacklist=amdgpu,radeon",
    ]


@pytest.mark.parametrize(
    ("name", "exists", "usable"),
    [
        ("rx5600xt-no-rocm", True, True),
        ("rx5600xt-not-in-render", True, False),
        ("rx5600xt-docker-without-kfd", False, None),
        ("rx5700xt-toolbox", True, True),
        ("rx5700-ubuntu-20.04-amd-5.4", True, True),
    ],
)
def test_rights(machine: Machine, name: str, *, exists: bool, usable: bool | None) -> None:
    (kfd,) = [one for one in machine(name).access.devices if one.path == "/dev/kfd"]
    assert (kfd.exists, kfd.usable) == (exists, usable)


def test_driver_origin_and_options(machine: Machine) -> None:
    new = machine("rx5700xt-ubuntu-24.04-amd-7.2").driver
    assert (new.origin, new.version, new.dkms) == ("dkms", "6.16.13", ["6.16.13-2278356.24.04"])
    assert new.options == ["/etc/modprobe.d/amdgpu.conf: options amdgpu cwsr_enable=0"]
    assert machine("rx5700xt-arch").driver.origin == "in-tree"


def test_firmware(machine: Machine) -> None:
    (whole,) = machine("rx5600xt-no-rocm").firmware
    assert (whole.chip, whole.missing, whole.versions["mec"]) == ("navi10", [], kit.MEC_VERSION)
    (poor,) = machine("rx5600xt-debian-12-amd-6.0").firmware
    assert poor.files == ["/lib/firmware/amdgpu/navi10_mec.bin"]
    assert len(poor.missing) == 11


def test_makers_of_packages(machine: Machine) -> None:
    mixed = machine("rx5600xt-ubuntu-24.04-mixed")
    assert mixed.mixed_packages
    assert {one.name: (one.origin, one.release) for one in mixed.packages}["rocblas"] == ("amd", "6.4.0")
    ours = machine("rx5600xt-debian-sid-rocm-patch")
    assert {one.name: one.origin for one in ours.packages}["librocblas4"] == "rocm-patch"
    assert not ours.mixed_packages
    assert [one.name for one in machine("w5700-rhel-9-amd-6.4").packages] == [
        "linux-firmware",
        "rocblas",
        "rocm-core",
    ]
    assert {one.manager for one in machine("rx5700xt-arch").packages} == {"pacman"}


def test_an_rpm_database_that_cannot_be_read_is_noted(machine: Machine) -> None:
    for name in ("rx5700xt-rocky-8-amd-6.1", "rx5700-sles-15-amd-6.3"):
        report = machine(name)
        assert report.packages == []
        assert "Berkeley DB or ndb" in report.notes[0]


def test_rocm_folders_follow_links_once(machine: Machine) -> None:
    found = machine("rx5600xt-ubuntu-22.04-amd-6.4").rocm
    assert [(one.path, one.version) for one in found] == [("/opt/rocm-6.4.0", "6.4.0-47")]
    found = machine("rx5600xt-therock-7.13").rocm
    assert [(one.path, one.version) for one in found] == [("/opt/rocm/core-7.13", "7.13.0")]


def test_libraries_are_files_not_links(machine: Machine) -> None:
    libraries = machine("rx5600xt-ubuntu-24.04-mixed").libraries
    assert [(one.name, one.version) for one in libraries] == [
        ("hsa-runtime64", "1.15.60400"),
        ("hsa-runtime64", "1.11.0"),
    ]


@pytest.mark.parametrize(
    ("name", "build", "version"),
    [
        ("rx5600xt-fedora-42", "cuda", "2.9.1+cu128"),
        ("rx5600xt-cpu-wheel", "cpu", "2.6.0+cpu"),
        ("rx5700xt-arch", "rocm", "2.9.1"),
        ("rx5600xt-debian-sid-rocm-patch", "rocm", "2.6.0+rocm6.4.gfx1010"),
    ],
)
def test_wheels(machine: Machine, name: str, build: str, version: str) -> None:
    (wheel,) = machine(name).wheels
    assert (wheel.name, wheel.build, wheel.version) == ("torch", build, version)


@pytest.mark.parametrize(
    ("name", "container"),
    [
        ("rx5600xt-docker-without-kfd", "docker"),
        ("rx5700xt-toolbox", "toolbox"),
        ("rx5700xt-lxc", "lxc"),
        ("no-gpu", None),
    ],
)
def test_containers(machine: Machine, name: str, container: str | None) -> None:
    report = machine(name)
    assert (report.os.container, report.os.in_container) == (container, container is not None)


def test_wsl_and_settings(machine: Machine) -> None:
    assert machine("rx5700xt-wsl2").os.wsl
    settings = machine("rx5700xt-ubuntu-24.04-amd-6.2-override").environment
    assert settings == {"HSA_OVERRIDE_GFX_VERSION": "10.3.0", "ROCM_PATH": "/opt/rocm-6.2.0"}
