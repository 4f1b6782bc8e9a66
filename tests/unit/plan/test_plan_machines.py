"""What plan says to detect's machines: the chosen ones in detail, all of them in the published matrix."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.detect import kit
from tests.unit.plan import matrix

import rocm_patch
from rocm_patch.detect.machine import examine
from rocm_patch.plan.actions import DropLines, JoinGroup, Packages, UnsetVariable, WriteFile
from rocm_patch.plan.facts import collect
from rocm_patch.plan.make import make_plan
from rocm_patch.plan.model import Item, Plan

_APT = "etc/apt/sources.list.d/rocm-patch.sources"


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Plan]:
    known: dict[str, Plan] = {}

    def give(name: str) -> Plan:
        if name not in known:
            known[name] = matrix.plan_of(name, Path(tmp_path_factory.mktemp("machine")))
        return known[name]

    return give


def item(plan: Plan, rule: str) -> Item:
    return next(one for one in plan.items if one.rule == rule)


def test_matrix_is_current(plan: Callable[[str], Plan]) -> None:
    assert matrix.PLACE.read_text("utf-8") == matrix.text(plan), "python -m tests.unit.plan.matrix"


def test_override_is_taken_out(plan: Callable[[str], Plan]) -> None:
    found = item(plan("rx5700xt-ubuntu-24.04-amd-6.2-override"), "gfx-override")
    assert found.state == "needed"
    assert found.actions == [
        UnsetVariable(kind="unset-variable", name="HSA_OVERRIDE_GFX_VERSION", files=["/etc/environment"])
    ]


def test_override_within_rdna2_is_left_alone(plan: Callable[[str], Plan]) -> None:
    assert all(one.rule != "gfx-override" for one in plan("rx6700xt-raphael").items)


def test_groups(plan: Callable[[str], Plan]) -> None:
    found = item(plan("rx5600xt-not-in-render"), "kfd-permission")
    assert found.actions == [JoinGroup(kind="join-group", groups=["render"])]
    assert found.afterwards == "log out and in again"


def test_blacklist(plan: Callable[[str], Plan]) -> None:
    found = item(plan("rx5600xt-blacklisted"), "driver-kept-out")
    assert isinstance(found.actions[0], DropLines)
    assert found.actions[0].files == ["/etc/modprobe.d/blacklist-amdgpu.conf"]
    assert "command line" in found.commands[0]


def test_mixed(plan: Callable[[str], Plan]) -> None:
    pin, packages = item(plan("rx5600xt-ubuntu-24.04-mixed"), "mixed-packages").actions
    assert isinstance(pin, WriteFile)
    assert isinstance(packages, Packages)
    assert packages.remove == ["libhsa-runtime64-1", "rocm-cmake", "rocminfo"]


def test_firmware(plan: Callable[[str], Plan]) -> None:
    found = item(plan("rx5600xt-debian-12-amd-6.0"), "firmware")
    assert found.actions == [Packages(kind="packages", install=["firmware-amd-graphics"])]
    assert "navi10_sdma" in found.why


def test_card_beside_the_processors_own(plan: Callable[[str], Plan]) -> None:
    (action,) = item(plan("rx5600m-laptop-cezanne"), "card-alone").actions
    assert isinstance(action, WriteFile)
    assert action.content.endswith("export ROCR_VISIBLE_DEVICES=0\n")


@pytest.mark.parametrize(
    ("machine", "rule", "state", "word"),
    [
        ("rx5600xt-no-atomics", "pcie-atomics", "impossible", "slot"),
        ("rx5700xt-wsl2", "wsl2", "impossible", "Windows"),
        ("rx5600xt-vfio", "passed-through", "impossible", "vfio-pci"),
        ("rx5600xt-docker-without-kfd", "container-device", "by-hand", "container"),
        ("rx5600xt-cpu-wheel", "torch-build", "by-hand", "gfx1010"),
        ("w5700-rhel-9-amd-6.4", "torch-build", "impossible", "glibc 2.35"),
        ("rx5600xt-fedora-42", "torch-build", "by-hand", "gfx1010"),
        ("rx5600xt-ubuntu-22.04-amd-6.4", "rocblas-kernels", "by-hand", "gfx1100"),
        ("rx5700-ubuntu-20.04-amd-5.4", "rocblas-kernels", "impossible", "5.4.0"),
        ("rx5700xt-ubuntu-24.04-amd-7.2", "preemption-off", "right", "Queue"),
        ("rx5600xt-debian-sid-rocm-patch", "rocblas-kernels", "right", ""),
        ("rx5600xt-debian-sid-rocm-patch", "torch-build", "right", ""),
        ("rx5600xt-debian-sid-rocm-patch", "rocsolver-order", "right", ""),
        ("rx5600xt-ubuntu-22.04-amd-6.4", "rocsolver-order", "by-hand", "33 to 64"),
        ("w5700-rhel-9-amd-6.4", "rocsolver-order", "by-hand", "33 to 64"),
        ("rx5700xt-ubuntu-24.04-amd-7.2", "rocsolver-order", "impossible", "7.2"),
    ],
)
def test_states(plan: Callable[[str], Plan], machine: str, rule: str, state: str, word: str) -> None:
    found = item(plan(machine), rule)
    assert found.state == state
    assert word in found.why


_SOURCES = "Types: deb\nURIs: http://127.0.0.1:8642/apt\nSuites: amd\nComponents: main\n"
_LISTS = "var/lib/apt/lists/127.0.0.1:8642_apt_dists_amd_"
_OFFER = "Package: rocsolver\nVersion: 3.28.0.60400-47+gfx1010.1\n"
_YUM = "[rocm-patch-amd]\nbaseurl=http://127.0.0.1:8642/rpm/amd\nenabled={}\n"


@pytest.mark.parametrize(
    ("machine", "files", "state", "word"),
    [
        ("rx5600xt-ubuntu-22.04-amd-6.4", {}, "by-hand", "rocm-patch-amd.sources | sudo tee"),
        ("rx5600xt-ubuntu-22.04-amd-6.4", {_APT: _SOURCES}, "by-hand", "sudo apt-get update"),
        (
            "rx5600xt-ubuntu-22.04-amd-6.4",
            {
                _APT: _SOURCES,
                f"{_LISTS}Release": "Origin: rocm-patch\n",
                f"{_LISTS}main_binary-amd64_Packages": "",
            },
            "by-hand",
            "offers no such package",
        ),
        (
            # The form that apt keeps in containers: only apt reads it, so its own check decides.
            "rx5600xt-ubuntu-22.04-amd-6.4",
            {
                _APT: _SOURCES,
                f"{_LISTS}Release": "Origin: rocm-patch\n",
                f"{_LISTS}main_binary-amd64_Packages.lz4": "x",
            },
            "needed",
            "",
        ),
        (
            "rx5600xt-ubuntu-22.04-amd-6.4",
            {
                _APT: _SOURCES,
                f"{_LISTS}InRelease": "Origin: rocm-patch\n",
                f"{_LISTS}main_binary-amd64_Packages": _OFFER,
            },
            "needed",
            "",
        ),
        (
            # Another's suite of the same name is not ours, whatever it offers.
            "rx5600xt-ubuntu-22.04-amd-6.4",
            {
                _APT: _SOURCES,
                f"{_LISTS}InRelease": "Origin: x\n",
                f"{_LISTS}main_binary-amd64_Packages": _OFFER,
            },
            "by-hand",
            "sudo tee",
        ),
        ("rx5600xt-ubuntu-22.04-amd-6.4", {_APT: f"Enabled: no\n{_SOURCES}"}, "by-hand", "sudo tee"),
        ("w5700-rhel-9-amd-6.4", {}, "by-hand", "/etc/yum.repos.d/rocm-patch.repo"),
        ("w5700-rhel-9-amd-6.4", {"etc/yum.repos.d/x.repo": _YUM.format(1)}, "needed", ""),
        ("w5700-rhel-9-amd-6.4", {"etc/yum.repos.d/x.repo": _YUM.format(0)}, "by-hand", "dnf makecache"),
    ],
)
def test_without_our_repository_a_package_is_no_promise(
    tmp_path: Path, machine: str, files: dict[str, str], state: str, word: str
) -> None:
    tree, data = kit.build(machine, tmp_path)
    for name, text in files.items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    found = item(make_plan(collect(examine(tree, user=data.get("user")), tree)), "rocsolver-order")
    assert found.state == state
    assert bool(found.actions) == (state == "needed"), "what cannot be had is no step, and stops no other"
    assert word in " ".join(found.commands)
    assert all("version='*gfx1010*'" in str(action) for action in found.actions)


@pytest.mark.parametrize(
    "machine", ["mi210-alma-9", "mi300x-x8", "no-gpu", "nvidia-only", "rx7900xtx-ubuntu-24.04"]
)
def test_other_cards_need_nothing_of_this_project(plan: Callable[[str], Plan], machine: str) -> None:
    assert not [one for one in plan(machine).items if one.state != "right"]


def test_a_plan_names_nobody(plan: Callable[[str], Plan]) -> None:
    for name in kit.names():
        # Digests are chance; three letters of one may be anything.
        text = re.sub(r'"[0-9a-f]{64}"', "", plan(name).model_dump_json())
        assert "ada" not in text.replace("adapt", ""), name
        assert "0000:0" not in text, name


def test_in_time(tmp_path: Path) -> None:
    """The whole process, its imports among it: processor time, since the clock counts what else runs."""
    kit.build("rx5600xt-ubuntu-22.04-amd-6.4", tmp_path)
    environment = os.environ | {"PYTHONPATH": str(Path(rocm_patch.__file__).parents[1])}
    taken = []
    # Twice: the first call may have to compile the modules.
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "rocm_patch", "plan", "--root", str(tmp_path)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "rocblas" in done.stdout, done.stderr
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 1
