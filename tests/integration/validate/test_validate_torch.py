"""Our own wheel, where dist/ holds one: a small part of the slice, for real, on the virtual card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.integration.vgpu.conftest import library, root

from rocm_patch.cli.validate import validate
from rocm_patch.paths import dist_root

__all__ = ["library", "root"]
PATTERN = "torch-*gfx1010-cp313-*.whl"
#: Of the slice: what the card says of itself, products of every type and layout, look-back scans.
PARTS = ("test_device", "test_products", "test_masked_select")
#: Of the benchmark: its smallest training.
COUNTED = "training mlp"


@pytest.fixture(scope="module")
def report(root: object, library: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give the report of one run with the newest wheel."""
    del root, library  # made before, so that their time is not this test's
    wheels = sorted(dist_root().glob(PATTERN), key=lambda path: path.stat().st_mtime)
    if not wheels:
        pytest.skip(
            "dist/ holds no torch wheel for Python 3.13, and building one takes hours: "
            "./nox -s build-torch-gfx1010"
        )
    folder = tmp_path_factory.mktemp("report")
    words = ["--virtual", "--wheel", str(wheels[-1]), "--tier", "slice", "--bench", "--report", str(folder)]
    for part in (*PARTS, f"test_instructions[{COUNTED}]"):
        words += ["--only", part]
    done = CliRunner().invoke(validate, words)
    assert done.exit_code == 0, done.output
    data: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {**data, "history": (folder / "history.jsonl").exists()}


def test_a_part_of_the_slice_passes_with_our_wheel(report: dict[str, Any]) -> None:
    assert {result["outcome"] for result in report["results"]} == {"passed"}
    ran = [result["id"] for result in report["results"]]
    assert all(any(part in name for name in ran) for part in PARTS), ran
    assert len(ran) > 50
    assert report["compared"] > 500
    assert report["about"]["arch"].startswith("gfx1010")
    assert int(report["about"]["executed wave instructions"].replace(",", "")) > 100_000


def test_the_benchmark_counts_and_takes_no_times(report: dict[str, Any]) -> None:
    (step,) = report["steps"]
    assert step["name"] == COUNTED
    assert 10_000 < step["instructions"] < 1_000_000_000
    assert 0 < step["fma_share"] < 1
    assert report["benchmark"] == []
    assert not report["history"]
