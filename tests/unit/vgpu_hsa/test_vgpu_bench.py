"""The benchmark's figures: what they mean, and what is refused."""

from __future__ import annotations

import json

import pytest

from rocm_patch.errors import VgpuError
from rocm_patch.vgpu.bench import cpu_name, read_figures

LINE = {
    "size": 1000,
    "repeat": 3,
    "wrong": 0,
    "fma_wall": 4.0,
    "fma_cpu": 2.0,
    "card_wall": 1.0,
    "card_cpu": 0.5,
    "host_wall": 0.04,
    "host_cpu": 0.02,
}


def test_figures_are_of_the_cores_own_time() -> None:
    figures = read_figures(json.dumps(LINE), valu=300_000_000, load=1.5)
    assert figures.valu_per_second == pytest.approx(150e6)
    assert figures.card_gflops == pytest.approx(4.0)
    assert figures.host_gflops == pytest.approx(100.0)
    assert figures.ratio == pytest.approx(25.0)
    whole = json.loads(figures.as_json())
    assert whole["ratio"] == pytest.approx(25.0)
    assert whole["load"] == 1.5


def test_a_wrong_product_is_an_error() -> None:
    with pytest.raises(VgpuError, match="3 values"):
        read_figures(json.dumps({**LINE, "wrong": 3}), valu=1, load=0)


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"size": 1}'])
def test_other_output_is_an_error(line: str) -> None:
    with pytest.raises(VgpuError, match="something else"):
        read_figures(line, valu=1, load=0)


def test_the_processor_has_a_name() -> None:
    assert cpu_name()
