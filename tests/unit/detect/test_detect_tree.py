"""Hostile trees: detect neither leaves its root, nor blocks, nor falls."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocm_patch.detect.machine import examine
from rocm_patch.detect.tree import TEXT_LIMIT, Tree, clean, natural


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("outside")
    (tmp_path / "root" / "etc").mkdir(parents=True)
    return tmp_path / "root"


@pytest.mark.parametrize("target", ["../../secret", "../../../../../../../secret", "/../secret"])
def test_links_do_not_lead_out(root: Path, target: str) -> None:
    (root / "etc" / "link").symlink_to(target)
    assert Tree(root).read("/etc/link") is None
    (root / "secret").write_text("inside")
    assert Tree(root).read("/etc/link") == b"inside"


def test_absolute_links_start_at_the_root(root: Path) -> None:
    (root / "inside").write_text("inside")
    (root / "etc" / "good").symlink_to("/inside")
    assert Tree(root).read("/etc/good") == b"inside"
    (root / "etc" / "link").symlink_to(root.parent / "secret")
    assert Tree(root).read("/etc/link") is None


def test_a_folder_that_is_a_link_out_lists_the_root(root: Path) -> None:
    (root / "opt").symlink_to("../..")
    assert Tree(root).names("/opt") == ["etc", "opt"]


def test_loops_become_a_note(root: Path) -> None:
    (root / "etc" / "a").symlink_to("b")
    (root / "etc" / "b").symlink_to("a")
    tree = Tree(root)
    assert tree.read("/etc/a") is None
    assert tree.notes == ["/etc/a: a loop of links"]


def test_a_pipe_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "etc" / "os-release")
    tree = Tree(root)
    assert tree.read("/etc/os-release") is None
    assert tree.notes == ["/etc/os-release: not a regular file"]


def test_long_files_are_cut_and_noted(root: Path) -> None:
    with (root / "etc" / "os-release").open("wb") as stream:
        stream.truncate(1 << 33)
    tree = Tree(root)
    assert len(tree.read("/etc/os-release") or b"") == TEXT_LIMIT
    assert "longer than" in tree.notes[0]


def test_control_characters_do_not_reach_the_terminal(root: Path) -> None:
    (root / "etc" / "os-release").write_bytes(b'ID="evil\x1b[2J"\nNAME="a\xe2\x80\xaeb"\n')
    report = examine(Tree(root))
    assert report.os.id == "evil\ufffd[2J"
    assert report.os.name == "a\ufffdb"


def test_folders_where_files_should_be(root: Path) -> None:
    wanted = (
        "etc/os-release", "etc/group", "proc/cmdline", "var/lib/dpkg/status",
        "usr/lib/sysimage/rpm/rpmdb.sqlite",
        "opt/rocm-1/.info/version", "dev/kfd", "opt/rocm-1/lib/librocblas.so.4",
        "sys/class/kfd/kfd/topology/nodes/1/properties", "lib/firmware/amdgpu/navi10_mec.bin",
    )  # fmt: skip
    for path in wanted:
        (root / path).mkdir(parents=True)
    assert examine(Tree(root)).gpus == []


def test_a_database_that_is_none(root: Path) -> None:
    (root / "var/lib/rpm").mkdir(parents=True)
    (root / "var/lib/rpm/rpmdb.sqlite").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    report = examine(Tree(root))
    assert report.packages == []
    assert "rpm's database cannot be read" in report.notes[0]


def test_a_view_is_no_table_of_packages(root: Path) -> None:
    (root / "var/lib/rpm").mkdir(parents=True)
    with closing(sqlite3.connect(root / "var/lib/rpm/rpmdb.sqlite")) as base, base:
        base.execute(
            "CREATE VIEW Packages AS WITH RECURSIVE n(blob) AS "
            "(SELECT 1 UNION ALL SELECT blob + 1 FROM n) SELECT blob FROM n"
        )
    report = examine(Tree(root))
    assert report.packages == []
    assert "has no table of packages" in report.notes[0]


def test_reading_ends(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rocm_patch.detect.tree._TOTAL_LIMIT", 100)
    (root / "etc" / "os-release").write_text("ID=debian\n" * 9)
    tree = Tree(root)
    assert [tree.read("/etc/os-release") is None for _ in range(3)] == [False, False, True]
    assert "too much" in tree.notes[0]


def test_natural_order() -> None:
    assert sorted(["card10", "card2", "renderD128", "card"], key=natural) == [
        "card",
        "card2",
        "card10",
        "renderD128",
    ]


@given(st.binary(max_size=64))
def test_clean_text_steers_no_terminal(data: bytes) -> None:
    assert not any(ord(char) < 32 and char not in "\t\n" for char in clean(data))


_PATHS = (
    "etc/os-release", "etc/passwd", "etc/group", "etc/environment", "etc/modprobe.d/a.conf", "proc/cmdline",
    "proc/sys/kernel/osrelease", "proc/1/cgroup", "run/systemd/container", "var/lib/dpkg/status",
    "var/lib/rpm/rpmdb.sqlite", "var/lib/pacman/local/rocblas-1/desc", "opt/rocm-1/.info/version",
    "sys/class/kfd/kfd/topology/nodes/1/properties",
    "sys/class/kfd/kfd/topology/nodes/1/mem_banks/0/properties",
    "sys/bus/pci/devices/0000:03:00.0/class", "sys/bus/pci/devices/0000:03:00.0/vendor",
    "sys/bus/pci/devices/0000:03:00.0/device", "sys/bus/pci/devices/0000:03:00.0/revision",
    "usr/share/libdrm/amdgpu.ids", "usr/share/misc/pci.ids", "usr/lib/python3/dist-packages/torch/version.py",
    "lib/firmware/amdgpu/navi10_mec.bin.zst", "lib/firmware/amdgpu/navi10_smc.bin.xz",
)  # fmt: skip
_CONTENT = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"0x030000\n", b"0x1002\n", b"0x731f\n", b"simd_count 72\ngfx_target_version 100100\n", b"\xff" * 40]
    ),
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.dictionaries(st.sampled_from(_PATHS), st.tuples(_CONTENT, st.booleans()), max_size=12))
def test_no_tree_brings_detect_down(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, tuple[bytes, bool]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for path, (content, as_link) in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if as_link:
            (root / path).symlink_to("/" + _PATHS[len(content) % len(_PATHS)])
        else:
            (root / path).write_bytes(content)
    report = examine(Tree(root))
    assert report.schema_version == 1
    assert len(report.gpus) <= 2
