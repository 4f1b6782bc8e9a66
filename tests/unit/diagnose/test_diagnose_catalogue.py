"""The catalogue's files: complete, consistent, and never a way off the GPU."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from rocm_patch.diagnose.catalogue import load_catalogue, problems_folder
from rocm_patch.diagnose.docs import pages
from rocm_patch.diagnose.schema import Expression, Problem
from rocm_patch.errors import DataError
from rocm_patch.paths import data_root

OFF_THE_GPU = re.compile(
    r"(?i)--cpu\b|skip-torch-cuda-test|(?:on|to) the cpu|cpu fallback|cpu mode|device.{0,4}cpu|cpu-only"
)


def test_the_thirty_problems_are_there() -> None:
    problems = load_catalogue().problems
    assert len(problems) >= 30
    assert [problem.number for problem in problems.values()] == list(range(1, len(problems) + 1))


def test_both_yaml_readers_agree() -> None:
    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted(problems_folder().rglob("*.yml")):
        text = path.read_text(encoding="utf-8")
        assert yaml.safe_load(text) == yaml.load(text, Loader=fast), path.name  # noqa: S506 (a safe loader)


def test_no_text_offers_the_cpu() -> None:
    for path in sorted(problems_folder().rglob("*.yml")):
        assert not OFF_THE_GPU.search(path.read_text(encoding="utf-8")), path.name


def test_no_fix_sets_a_foreign_override_on_rdna1() -> None:
    for problem in load_catalogue().problems.values():
        for fix in problem.fixes:
            for command in fix.commands:
                value = re.search(r"HSA_OVERRIDE_GFX_VERSION=(\d+\.\d+)", command)
                if value:
                    family = {"10.3": "gfx103", "11.0": "gfx110", "10.1": "gfx101"}[value[1]]
                    assert fix.when.gfx, problem.id
                    assert fix.when.known_gfx, problem.id
                    assert all(gfx.startswith(family) for gfx in fix.when.gfx), problem.id


def test_every_fix_list_serves_a_gfx1010_owner() -> None:
    for problem in load_catalogue().problems.values():
        open_to_all = [fix for fix in problem.fixes if not fix.when.gfx or "gfx1010" in fix.when.gfx]
        rdna1 = [fix for fix in problem.fixes if "gfx101*" in fix.when.gfx]
        assert open_to_all or rdna1, problem.id


def test_rules_of_precedence_form_no_circle() -> None:
    problems = load_catalogue().problems

    def reach(start: str, path: tuple[str, ...]) -> None:
        assert start not in path, path
        for rule in problems[start].beats:
            reach(rule.problem, (*path, start))

    for name in problems:
        reach(name, ())


def test_pages_are_up_to_date() -> None:
    folder = data_root() / "docs" / "problems"
    wanted = pages(load_catalogue())
    assert {path.name for path in folder.glob("*.md")} == set(wanted)
    for name, text in wanted.items():
        assert (folder / name).read_text(encoding="utf-8") == text, f"{name}: run diagnose --write-docs"


@pytest.mark.parametrize(
    "regex", ["gpu.*hang", "a+b", "(ab){2,3}", "(ab)*", "x{3,}", "x{1,900}", "[ab]+c", "(unclosed"]
)
def test_unbounded_expressions_are_refused(regex: str) -> None:
    with pytest.raises(ValidationError):
        Expression(regex=regex, needs="gpu")


@pytest.mark.parametrize("regex", [r"a\+b", "[*+]abc", r"gfx[0-9]{4}", r"a.{0,40}b", r"libstdc\+\+-1"])
def test_bounded_expressions_are_taken(regex: str) -> None:
    assert Expression(regex=regex, needs="gfx").regex == regex


def _copy(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / "problems"
    (folder / "common").mkdir(parents=True)
    for part in (problems_folder() / "common").iterdir():
        (folder / "common" / part.name).write_bytes(part.read_bytes())
    for path in problems_folder().glob("*.yml"):
        (folder / path.name).write_bytes(path.read_bytes())
    assert (folder / f"{name}.yml").is_file()
    return folder


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"beats": [{"problem": "no-such", "why": "x"}]}, "no-such"),
        ({"id": "other-name"}, "other-name"),
        ({"number": 2}, "same number"),
        ({"fixs": []}, "fixs"),
        ({"signatures": []}, "signatures"),
        ({"fixes": [{"text": "x", "when": {"needs": ["no-fact"]}}]}, "no-fact"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, change: dict[str, object], word: str) -> None:
    folder = _copy(tmp_path, "firmware-missing")
    path = folder / "firmware-missing.yml"
    data = yaml.safe_load(path.read_text(encoding="utf-8")) | change
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_catalogue(folder)
    assert word in str(caught.value)


def test_a_folder_without_problems_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load_catalogue(tmp_path)


def test_malformed_yaml_is_an_error(tmp_path: Path) -> None:
    folder = _copy(tmp_path, "firmware-missing")
    (folder / "firmware-missing.yml").write_text("- [", encoding="utf-8")
    with pytest.raises(DataError, match="firmware-missing"):
        load_catalogue(folder)


def test_problem_model_refuses_a_sign_without_pattern() -> None:
    data = yaml.safe_load((problems_folder() / "firmware-missing.yml").read_text(encoding="utf-8"))
    data["signatures"] = [{"id": "empty", "strength": "weak", "means": "nothing"}]
    with pytest.raises(ValidationError):
        Problem.model_validate(data)
