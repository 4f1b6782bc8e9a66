"""Reading the statistics that the library writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rocm_patch.errors import VgpuError
from rocm_patch.vgpu.demo import read_kernels

ROW = {
    "name": "add",
    "launches": 2,
    "waves": 8,
    "instructions": 100,
    "valu": 60,
    "fma": 10,
    "lds": 5,
    "vmem": 20,
    "nanoseconds": 2_000_000,
    "occupancy_waves_per_simd": 14,
}


def test_kernels_come_busiest_first_over_all_cards(tmp_path: Path) -> None:
    stats = tmp_path / "stats.json"
    other = {**ROW, "name": "gemm", "instructions": 5000}
    stats.write_text(json.dumps({"devices": [{"kernels": [ROW]}, {"kernels": [other]}]}))
    kernels = read_kernels(stats)
    assert [one.name for one in kernels] == ["gemm", "add"]
    assert kernels[1].seconds == pytest.approx(0.002)


@pytest.mark.parametrize("content", [None, "not json", "{}", '{"devices": [{"kernels": [{"name": "add"}]}]}'])
def test_other_files_are_explained(tmp_path: Path, content: str | None) -> None:
    stats = tmp_path / "stats.json"
    if content is not None:
        stats.write_text(content)
    with pytest.raises(VgpuError, match="no statistics"):
        read_kernels(stats)
