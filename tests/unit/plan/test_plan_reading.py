"""plan and apply read what is inside librocblas themselves: where an answer hangs on it, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.detect import kit

from rocm_patch.apply import front
from rocm_patch.cli import root as command
from rocm_patch.detect import code
from rocm_patch.plan.machine import plan_for
from rocm_patch.plan.model import Item, Plan

MACHINE = "rx5600xt-ubuntu-22.04-amd-6.4"
_LISTS = "var/lib/apt/lists/127.0.0.1:8642_apt_dists_amd_"
REPOSITORY = {
    "etc/apt/sources.list.d/rocm-patch.sources": "Types: deb\nURIs: http://127.0.0.1:8642/apt\nSuites: amd\n",
    f"{_LISTS}InRelease": "Origin: rocm-patch\n",
    f"{_LISTS}main_binary-amd64_Packages": "Package: rocblas\nVersion: 4.4.0.60400-47~22.04+gfx1010.1\n",
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the typical machine with our repository set up, and a cache that knows nothing."""
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path / "cache"))
    built, _ = kit.build(MACHINE, tmp_path / "root")
    for name, text in REPOSITORY.items():
        place = built.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return built.root


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Stand in for the audit's reader: a stock rocBLAS without gfx1010."""
    seen: list[Path] = []

    def ask(path: Path, seconds: float) -> list[str] | str:
        seen.append(path)
        return ["gfx906", "gfx1030"] if seconds > 0 else "its code was not read"

    monkeypatch.setattr(code, "_ask", ask)
    return seen


def kernels(plan: Plan) -> Item:
    return next(one for one in plan.items if one.rule == "rocblas-kernels")


def test_it_is_read_once_and_known_from_then_on(tree: Path, asked: list[Path]) -> None:
    told: list[str] = []
    plan, _ = plan_for(tree, targets=60, progress=told.append)
    assert kernels(plan).state == "needed"
    assert [path.name for path in asked] == ["librocblas.so.4.4.60400"], "no other library is read"
    assert told[0].startswith("reading /opt/rocm-6.4.0/lib/librocblas.so.4.4.60400")
    plan, _ = plan_for(tree)
    assert kernels(plan).state == "needed"
    assert len(asked) == 1, "from the cache"
    made, _ = front.get_plan(None, tree, user=None, progress=told.append)
    assert made.facts == plan.facts


def test_without_time_the_next_command_is_said(tree: Path, asked: list[Path]) -> None:
    plan, _ = plan_for(tree)
    assert (kernels(plan).state, kernels(plan).unknown) == ("unknown", ["rocblas.code"])
    shown = CliRunner().invoke(command, ["plan", "--root", str(tree), "--no-targets"]).output
    assert "rocm-patch plan --seconds 600" in shown
    asked.clear()
    assert "does  install rocblas" in CliRunner().invoke(command, ["plan", "--root", str(tree)]).output
    assert len(asked) == 1


def test_nothing_is_read_where_nothing_hangs_on_it(tree: Path, asked: list[Path]) -> None:
    (tree / "etc/apt/sources.list.d/rocm-patch.sources").unlink()
    plan, _ = plan_for(tree, targets=60)
    assert kernels(plan).state == "by-hand"
    assert asked == []
