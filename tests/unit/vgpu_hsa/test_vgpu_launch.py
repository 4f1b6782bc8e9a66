"""How programs are started: environments, binds, the kernel's files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rocm_patch.errors import UsageError
from rocm_patch.vgpu import kfd
from rocm_patch.vgpu.launch import INSIDE, host_environment, sysroot_view
from rocm_patch.vgpu.settings import SONAME, Settings

VGPU = Path(__file__).parents[3] / "vgpu"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / SONAME
    path.write_bytes(b"")
    return path


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_host_environment_comes_first_and_keeps_the_rest(library: Path) -> None:
    base = {"LD_PRELOAD": "/other.so", "HOME": "/home/me"}
    env = host_environment(library, Settings(devices=2), base)
    assert env["LD_PRELOAD"] == f"{library}:/other.so"
    assert env["LD_LIBRARY_PATH"] == str(library.parent)
    assert env["VGPU_DEVICES"] == "2"
    assert env["HOME"] == "/home/me"
    assert base == {"LD_PRELOAD": "/other.so", "HOME": "/home/me"}


def test_sysroot_sees_the_library_and_the_kernel_files(library: Path, scratch: Path) -> None:
    view = sysroot_view(library, Settings(devices=2), scratch=scratch, env={"A": "1"})
    targets = {bind.target: bind for bind in view.binds}
    assert targets[f"{INSIDE}/{SONAME}"].source == library
    assert targets["/sys/module/amdgpu/initstate"].source.read_text() == "live\n"
    assert "/dev/kfd" in targets
    assert [bind.target for bind in view.binds if bind.mode != "ro"] == ["/dev/kfd"]
    assert view.env["LD_PRELOAD"] == f"{INSIDE}/{SONAME}"
    assert view.env["A"] == "1"


def test_outputs_reach_the_host_folder(library: Path, scratch: Path, tmp_path: Path) -> None:
    stats = tmp_path / "stats.json"
    view = sysroot_view(library, Settings(stats=str(stats), trace="-"), scratch=scratch)
    assert view.env["VGPU_STATS"] == f"{INSIDE}/output/stats/stats.json"
    assert view.env["VGPU_TRACE"] == "-"
    writable = [bind for bind in view.binds if bind.mode == "rw" and bind.target != "/dev/kfd"]
    assert [(bind.source, bind.target) for bind in writable] == [(tmp_path, f"{INSIDE}/output/stats")]


def test_outputs_need_their_folder(library: Path, scratch: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        sysroot_view(library, Settings(trace=str(tmp_path / "no/trace")), scratch=scratch)


def test_topology_shows_gfx1010_behind_the_host(scratch: Path) -> None:
    kfd.write_tree(scratch, Settings(devices=2))
    nodes = sorted((scratch / "topology/nodes").iterdir())
    assert [node.name for node in nodes] == ["0", "1", "2"]
    versions = [
        re.search(r"^gfx_target_version (\d+)$", (node / "properties").read_text(), re.MULTILINE)
        for node in nodes
    ]
    assert [found[1] for found in versions if found] == ["0", "100100", "100100"]


def test_figures_are_those_of_the_library() -> None:
    source = (VGPU / "hsa/card.cpp").read_text(encoding="utf-8")
    for key, card in kfd.CARDS.items():
        block = source.partition(f'.key = "{key}"')[2].partition("},")[0]
        figures = {name: int(value) for name, value in re.findall(r"\.(\w+) = (\d+)", block)}
        assert figures["cus"] == card.cus
        assert figures["memory_bytes"] << 20 == card.memory_bytes
        assert figures["engine_mhz"] == card.engine_mhz
        assert figures["memory_bits"] == card.memory_bits
        assert figures["memory_mhz"] == card.memory_mhz
