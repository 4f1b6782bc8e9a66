"""Settings: what they refuse, and the variables they become."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocm_patch.errors import UsageError
from rocm_patch.vgpu.settings import INJECTIONS, MAX_DEVICES, PROFILES, Settings

VGPU = Path(__file__).parents[3] / "vgpu"


def test_default_is_one_plain_card() -> None:
    assert Settings().environment() == {"VGPU_PROFILE": "rx5600xt", "VGPU_DEVICES": "1"}


def test_every_setting_has_its_variable() -> None:
    settings = Settings(
        profile="rx5700xt",
        devices=3,
        strict=True,
        stats="out.json",
        trace="-",
        inject="missing-kernel:gemm",
        log="1",
    )
    assert settings.environment() == {
        "VGPU_PROFILE": "rx5700xt",
        "VGPU_DEVICES": "3",
        "VGPU_STRICT": "1",
        "VGPU_STATS": "out.json",
        "VGPU_TRACE": "-",
        "VGPU_INJECT": "missing-kernel:gemm",
        "VGPU_LOG": "1",
    }


def test_stats_without_a_file_print_a_table() -> None:
    assert Settings(stats="").environment()["VGPU_STATS"] == "1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"profile": "rx580"},
        {"devices": 0},
        {"devices": MAX_DEVICES + 1},
        {"inject": "lane"},
        {"inject": "lane-stuck:5"},
        {"inject": "missing-kernel"},
        {"inject": "missing-kernel:"},
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        Settings(**wrong)  # type: ignore[arg-type]
    assert caught.value.step


@given(devices=st.integers(1, MAX_DEVICES), profile=st.sampled_from(PROFILES), strict=st.booleans())
def test_variables_are_text(*, devices: int, profile: str, strict: bool) -> None:
    variables = Settings(profile=profile, devices=devices, strict=strict).environment()
    assert all(isinstance(value, str) and value for value in variables.values())
    assert ("VGPU_STRICT" in variables) is strict


def test_the_library_knows_the_same_names() -> None:
    cards = (VGPU / "hsa/card.cpp").read_text(encoding="utf-8")
    assert tuple(re.findall(r'\.key = "([^"]+)"', cards)) == PROFILES
    options = (VGPU / "core/options.h").read_text(encoding="utf-8")
    assert all(name in options for name in INJECTIONS)
    device = (VGPU / "hsa/device.h").read_text(encoding="utf-8")
    assert f"kMaxDevices = {MAX_DEVICES};" in device
