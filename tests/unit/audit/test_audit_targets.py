"""Target data, target ids, e_flags, occupancy."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocm_patch.audit import targets
from rocm_patch.audit.occupancy import Occupancy, occupancy, registers_allow
from rocm_patch.audit.targets import TargetId, known_targets, machines, parse_target_id, target_of_flags
from rocm_patch.errors import DataError

GFX1010 = known_targets()["gfx1010"]


def test_the_card_is_described() -> None:
    assert GFX1010.mach == 0x33
    assert GFX1010.waves_per_simd == 20
    assert machines()[0x33].name == "gfx1010"
    assert {"gfx1010", "gfx1011", "gfx1012", "gfx1030"} <= set(known_targets())


@pytest.mark.parametrize(
    ("flags", "version", "name"),
    [
        (0x133, 6, "gfx1010"),
        (0x233, 5, "gfx1010:xnack-"),
        (0x333, 4, "gfx1010:xnack+"),
        (0x33, 3, "gfx1010:xnack-"),
        (0x133, 3, "gfx1010:xnack+"),
        (0x36, 5, "gfx1030"),
        (0x0E3F, 5, "gfx90a:sramecc+:xnack-"),
        (0xFE, 5, "mach-0xfe"),
        (0x01000152, 6, "gfx10-1-generic"),
    ],
)
def test_flags(flags: int, version: int, name: str) -> None:
    assert str(target_of_flags(flags, version)) == name


@pytest.mark.parametrize(
    "text", ["gfx1010", "gfx90a:sramecc+:xnack-", "gfx10-1-generic", "gfx9-generic", "gfx803"]
)
def test_target_ids_round_trip(text: str) -> None:
    assert str(parse_target_id(text)) == text


@pytest.mark.parametrize(
    "text", ["", "gfx", "navi10", "gfx1010:", "gfx1010:xnack", "gfx1010:wave64+", "gfx101000"]
)
def test_what_is_no_target_id(text: str) -> None:
    assert parse_target_id(text) is None


@pytest.mark.parametrize(
    ("name", "generation"),
    [
        ("gfx803", 8),
        ("gfx90a", 9),
        ("gfx1010", 10),
        ("gfx1201", 12),
        ("gfx10-1-generic", 10),
        ("mach-0xfe", 0),
    ],
)
def test_generation(name: str, generation: int) -> None:
    assert TargetId(name).generation == generation


@pytest.mark.parametrize(
    ("wave", "vgprs", "waves"),
    [
        (32, 8, 20),
        (32, 48, 20),
        (32, 56, 18),
        (32, 128, 8),
        (32, 256, 4),
        (64, 24, 20),
        (64, 128, 4),
        (64, 256, 2),
        (32, 1, 20),
    ],
)
def test_registers(wave: int, vgprs: int, waves: int) -> None:
    assert registers_allow(GFX1010, wave=wave, vgprs=vgprs) == waves


@pytest.mark.parametrize(
    ("vgprs", "lds", "workgroup", "wgp", "expected"),
    [
        (24, 0, 256, True, Occupancy(20, "waves")),
        (128, 0, 256, True, Occupancy(8, "vgpr")),
        (24, 65536, 256, True, Occupancy(4, "lds")),
        (24, 65536, 256, False, Occupancy(4, "lds")),
        (24, 32768, 1024, True, Occupancy(16, "waves")),
        (24, 0, 64, True, Occupancy(16, "barriers")),
        (24, 0, 32, True, Occupancy(20, "waves")),
        (24, 0, 0, True, Occupancy(20, "waves")),
        (256, 0, 1024, True, Occupancy(0, "vgpr")),
    ],
)
def test_occupancy(vgprs: int, lds: int, workgroup: int, wgp: bool, expected: Occupancy) -> None:  # noqa: FBT001
    assert occupancy(GFX1010, wave=32, vgprs=vgprs, lds=lds, workgroup=workgroup, wgp_mode=wgp) == expected


@given(
    st.sampled_from([32, 64]), st.integers(1, 256), st.integers(0, 65536), st.integers(1, 1024), st.booleans()
)
def test_more_resources_never_raise_occupancy(wave: int, vgprs: int, lds: int, group: int, wgp: bool) -> None:  # noqa: FBT001
    def waves(more_vgprs: int, more_lds: int) -> int:
        return occupancy(
            GFX1010, wave=wave, vgprs=more_vgprs, lds=more_lds, workgroup=group, wgp_mode=wgp
        ).waves

    base = waves(vgprs, lds)
    assert 0 <= base <= 20
    assert waves(min(vgprs + 8, 256), lds) <= base
    assert waves(vgprs, min(lds + 512, 65536)) <= base


@pytest.mark.parametrize(
    ("text", "reason"),
    [("name: gfx9999\n", "schema"), (": [", "cannot be read"), ("NAME", "schema")],
)
def test_broken_data_is_a_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    for name in ("recipes", "patches", "build/targets"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "build/targets/machines.yml").write_text("machines: []\n")
    (tmp_path / "build/targets/gfx9999.yml").write_text(text)
    monkeypatch.setenv("ROCM_PATCH_DATA", str(tmp_path))
    targets.known_targets.cache_clear()
    targets.machines.cache_clear()
    try:
        with pytest.raises(DataError, match=reason):
            targets.known_targets()
    finally:
        monkeypatch.undo()
        targets.known_targets.cache_clear()
        targets.machines.cache_clear()


def test_name_and_number_must_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = targets._folder()
    for name in ("recipes", "patches", "build/targets"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "build/targets/machines.yml").write_text((source / "machines.yml").read_text())
    wrong = (source / "gfx1010.yml").read_text().replace("mach: 0x33", "mach: 0x36")
    (tmp_path / "build/targets/gfx1010.yml").write_text(wrong)
    monkeypatch.setenv("ROCM_PATCH_DATA", str(tmp_path))
    targets.known_targets.cache_clear()
    targets.machines.cache_clear()
    try:
        with pytest.raises(DataError, match="0x36"):
            targets.known_targets()
    finally:
        monkeypatch.undo()
        targets.known_targets.cache_clear()
        targets.machines.cache_clear()
