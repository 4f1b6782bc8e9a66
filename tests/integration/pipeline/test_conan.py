"""The real recipes through real Conan, offline, with a small component in PyTorch's place."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.integration.pipeline.toy import Toy, request

from rocm_patch import components
from rocm_patch.cli.build import build
from rocm_patch.errors import BuildError, SysrootError
from rocm_patch.pipeline import conan
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.model import Request
from rocm_patch.pipeline.report import Reporter

ROOT = Path(__file__).parents[3]


@pytest.fixture
def recipes(tmp_path: Path, cache: Path, toy_sdk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's recipes, PyTorch's renamed."""
    del cache, toy_sdk
    folder = tmp_path / "recipes"
    for name, made in (("base", "base"), ("rocm-sdk", "rocm-sdk"), ("pytorch", "toy")):
        text = (ROOT / "recipes" / name / "conanfile.py").read_text()
        (folder / made).mkdir(parents=True)
        (folder / made / "conanfile.py").write_text(text.replace(f'name = "{name}"', f'name = "{made}"'))
    monkeypatch.setitem(components.COMPONENTS, "toy", "tests.integration.pipeline.toy:Toy")
    return folder


def toy_request(sdk: Path, **changes: object) -> Request:
    return request(sdk=f"host:{sdk}", **changes)


def test_round_trip_answers_from_the_cache_the_second_time(recipes: Path, toy_sdk: Path, cache: Path) -> None:
    wanted = toy_request(toy_sdk)
    package = conan.create_component(wanted, recipes)
    delivered = conan.deliver(package, cache / "dist")
    assert [path.name for path in delivered] == ["toy-1.bin", "toy-1.bin.build.json"]
    said = subprocess.run([str(delivered[0])], capture_output=True, text=True, check=True)
    assert said.stdout == "hello123456"
    record = json.loads(delivered[1].read_text())
    assert [step["step"] for step in record["steps"]] == [
        "sources",
        "unpack",
        "configure",
        "compile",
        "wheel",
    ]
    assert record["totals"]["cpu_s"] > 0.2
    assert record["products"][0]["size"] == delivered[0].stat().st_size

    marks = cache / "work" / wanted.label / "state"
    for mark in marks.iterdir():
        mark.unlink()
    assert conan.create_component(wanted, recipes) == package
    assert not list(marks.iterdir())  # Conan had it: no step ran


def test_package_id_follows_what_counts_and_nothing_else(
    recipes: Path, toy_sdk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = conan.create_component(toy_request(toy_sdk), recipes)
    assert conan.create_component(toy_request(toy_sdk, jobs=2, keep_going=True), recipes) == first

    monkeypatch.setattr(Toy.__init__, "__kwdefaults__", {"greeting": "good day"})
    second = conan.create_component(toy_request(toy_sdk), recipes)
    assert second != first

    (toy_sdk / ".info" / "version").write_text("6.4.4-1\n")
    third = conan.create_component(toy_request(toy_sdk), recipes)
    assert third not in {first, second}


def test_what_recipes_share_has_no_say_in_the_package_id(recipes: Path, toy_sdk: Path) -> None:
    package = conan.create_component(toy_request(toy_sdk), recipes)
    told = (package / "conaninfo.txt").read_text()
    assert "rocm-sdk/6.4.3" in told
    assert "[python_requires]" not in told
    assert "sdk=" not in told


def test_an_explained_error_inside_a_recipe_comes_out_as_itself(
    recipes: Path, toy_sdk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Toy.__init__, "__kwdefaults__", {"greeting": '" this is not C++'})
    with pytest.raises(BuildError) as caught:
        conan.create_component(toy_request(toy_sdk), recipes)
    assert caught.value.what == "step compile of toy 1.0 failed"
    assert any("main.cpp" in line for line in caught.value.detail)

    (toy_sdk / ".info" / "version").unlink()
    with pytest.raises(SysrootError, match="no ROCm in"):
        conan.create_component(toy_request(toy_sdk), recipes)


def test_conan_home_asks_no_remote(cache: Path) -> None:
    home = conan.conan_home()
    assert home == cache / "conan"
    assert json.loads((home / "remotes.json").read_text()) == {"remotes": []}


def test_forget_removes_exactly_one_build(recipes: Path, toy_sdk: Path) -> None:
    wanted = toy_request(toy_sdk)
    package = conan.create_component(wanted, recipes)
    key = Pipeline(Toy(), wanted, reporter=Reporter(io.StringIO())).plan().key
    conan.forget(wanted, "0" * 64)
    assert (package / "toy-1.bin").exists()
    conan.forget(wanted, key)
    assert not package.exists()


def test_build_command_through_conan(
    recipes: Path, toy_sdk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = conan.create_component
    monkeypatch.setattr(conan, "create_component", lambda wanted, *, wait: real(wanted, recipes, wait=wait))
    words = ["toy", "1.0", "--sdk", f"host:{toy_sdk}", "--launcher", "none", "--jobs", "1"]
    done = CliRunner().invoke(build, words, catch_exceptions=False)
    assert str(tmp_path / "dist" / "toy-1.bin") in done.output.splitlines()
    again = CliRunner().invoke(build, words, catch_exceptions=False)
    assert "compile:" not in again.output
    clean = CliRunner().invoke(build, [*words, "--clean"], catch_exceptions=False)
    assert "compile: done" in clean.output
