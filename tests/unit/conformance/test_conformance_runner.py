"""Choosing, running, resuming, and the page: with a program that only behaves like a suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.unit.conformance.fakesuite import write_program

from rocm_patch.conformance import results
from rocm_patch.conformance.model import Causes, SuiteSet
from rocm_patch.conformance.place import SUITE, Place
from rocm_patch.conformance.report import Page, render
from rocm_patch.conformance.runner import OUTPUT, Runner, Wish
from rocm_patch.sysroot import Bind, Sysroot
from rocm_patch.vgpu.settings import Settings

CHOSEN = SuiteSet.model_validate(
    {
        "schema": 1,
        "name": "toy",
        "title": "Toy",
        "lock": "toy.lock",
        "sysroot": "rocm-6.4",
        "test_seconds": 1,
        "binary_seconds": 30,
        "suites": [
            {
                "name": "toy",
                "title": "Toy suite",
                "packages": ["toy"],
                "folder": "usr/bin",
                "binaries": [{"match": "t*"}],
            }
        ],
    }
)


class _Outside(Sysroot):
    """A root that runs commands here, each bind's target replaced by its source."""

    def command(self, argv: Sequence[str], **options: Any) -> list[str]:
        binds: list[Bind] = options["binds"]
        return [_outside(word, binds) for word in argv]


def _outside(word: str, binds: Sequence[Bind]) -> str:
    for bind in binds:
        if bind.target in {SUITE, OUTPUT}:
            word = word.replace(bind.target, str(bind.source))
    return word


@attrs.define
class Toy:
    """A suite in a folder, and runs of it."""

    folder: Path
    lines: list[str] = attrs.field(factory=list)

    def write(self, tests: dict[str, str], name: str = "test_a") -> None:
        (self.folder / "root/usr/bin").mkdir(parents=True, exist_ok=True)
        (self.folder / "support").mkdir(exist_ok=True)
        write_program(self.folder / "root/usr/bin" / name, tests)

    def run(self, library: str = "one", **wish: Any) -> results.Record:
        found = self.folder / library / "libhsa-runtime64.so.1"
        found.parent.mkdir(exist_ok=True)
        found.touch()
        runner = Runner(
            chosen=CHOSEN,
            root=_Outside(path=self.folder),
            library=found,
            settings=Settings(),
            wish=Wish(keep=True, **wish),
            say=self.lines.append,
            folder=self.folder / "results",
        )
        runner.run()
        (record,) = results.load_all(self.folder / "results")
        return record


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path / "cache"))

    def unpacked(*_: object) -> Place:
        return Place(
            root=tmp_path / "root",
            support=tmp_path / "support",
            binaries=tuple(sorted((tmp_path / "root/usr/bin").iterdir())),
            digest="abc",
        )

    monkeypatch.setattr("rocm_patch.conformance.runner.unpack_suite", unpacked)
    return Toy(tmp_path)


def _outcomes(record: results.Record) -> dict[str, str]:
    return {name.removeprefix("Group."): one.outcome for name, one in record.of_chosen().items()}


def test_a_crash_and_a_hang_cost_one_test_each(toy: Toy) -> None:
    toy.write({"a": "passes", "b": "dies", "c": "fails", "d": "burns", "e": "skips"})
    record = toy.run()
    assert _outcomes(record) == {
        "a": "passed",
        "b": "crashed",
        "c": "failed",
        "d": "timed-out",
        "e": "skipped",
    }
    assert record.listed == 5
    assert "Memory access fault" in record.results["Group.b"].text
    assert record.results["Group.a"].library == "one"


def test_a_later_run_does_what_is_left_and_what_is_asked_again(toy: Toy) -> None:
    toy.write({"a": "passes", "b": "fails", "c": "passes"})
    assert _outcomes(toy.run(tests="Group.a:Group.b")) == {"a": "passed", "b": "failed"}
    record = toy.run("two")
    assert [record.results[f"Group.{name}"].library for name in "abc"] == ["one", "one", "two"]
    toy.write({"a": "passes", "b": "passes", "c": "passes"})
    record = toy.run("three", again="bad")
    assert _outcomes(record) == {"a": "passed", "b": "passed", "c": "passed"}
    assert [record.results[f"Group.{name}"].library for name in "abc"] == ["one", "three", "two"]
    assert [one.library for one in record.earlier["Group.b"]] == ["one"]
    text, _ = render([Page(CHOSEN, [record])], Causes.model_validate({"schema": 1}))
    assert "toy/test_a `Group.b`: failed in state one; passed in state three" in text
    record = toy.run("four", again="all", tests="Group.c")
    assert [record.results[f"Group.{name}"].library for name in "abc"] == ["one", "three", "four"]


def test_the_json_gives_the_text_of_a_failure(toy: Toy) -> None:
    toy.write({"a": "fails"})
    assert toy.run().results["Group.a"].text == "expected 1, was 2"


def test_the_list_is_asked_for_once(toy: Toy) -> None:
    toy.write({"a": "passes"})
    toy.run()
    toy.write({"a": "passes", "b": "passes"})
    assert toy.run().listed == 1  # of the same packages: the same program


def test_results_of_other_packages_do_not_count(toy: Toy) -> None:
    toy.write({"a": "passes"})
    toy.run()
    path = results.record_path(toy.folder / "results", "toy", "test_a")
    assert results.load(path, "toy", "test_a", "abc").results
    assert not results.load(path, "toy", "test_a", "abd").results
    path.write_text("{")
    assert not results.load(path, "toy", "test_a", "abc").results


def test_a_program_that_lists_nothing_is_a_problem(toy: Toy) -> None:
    toy.write({})
    record = toy.run()
    assert "lists no test" in record.problem


def test_a_program_without_a_rule_is_not_run(toy: Toy) -> None:
    toy.write({"a": "passes"}, name="other")
    record = toy.run()
    assert (record.listed, record.results) == (0, {})
    text, _ = render([Page(CHOSEN, [record])], Causes.model_validate({"schema": 1}))
    assert "other: not part of the sample" in text


def test_the_page_counts_and_explains(toy: Toy) -> None:
    toy.write({"a": "passes", "b": "fails", "c": "dies", "d": "skips"})
    record = toy.run()
    causes = Causes.model_validate(
        {
            "schema": 1,
            "causes": [
                {"id": "fault", "kind": "out-of-scope", "text": "Memory access", "reason": "It wants | more."}
            ],
        }
    )
    text, unexplained = render([Page(CHOSEN, [record])], causes)
    assert "| test_a | 4 | 4 | 4 | 1 | 2 | 0 | 1 | 0 |" in text
    assert "| out-of-scope | toy/test_a | crashed | 1 | It wants \\| more. | `Group.c` |" in text
    assert "**not known yet**" in text
    assert unexplained == ["toy/test_a Group.b: failed"]


def test_each_result_is_kept_before_the_record_is_written_again(toy: Toy) -> None:
    toy.write({"a": "passes"})
    record = toy.run()
    path = results.record_path(toy.folder / "results", "toy", "test_a")
    whole = path.read_bytes()
    results.note(path, "Group.b", results.Result("failed", 1.5, "two", "why\n"))
    results.note(path, "Group.c", results.Result("passed", 0.5, "two"))
    assert path.read_bytes() == whole
    lines = path.with_suffix(".lines")
    lines.write_text(lines.read_text()[:-5])  # killed while it wrote c
    read = results.load(path, "toy", "test_a", "abc")
    assert read.results == record.results | {"Group.b": results.Result("failed", 1.5, "two", "why\n")}
    assert not results.load(path, "toy", "test_a", "abd").results
    results.save(path, read)
    assert not lines.exists()
    assert results.load(path, "toy", "test_a", "abc") == read


def test_a_killed_run_keeps_what_ended(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.write({"a": "passes", "b": "fails"})

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rocm_patch.conformance.runner._Process.read_output", killed)
    with pytest.raises(KeyboardInterrupt):
        toy.run()
    (record,) = results.load_all(toy.folder / "results")
    assert _outcomes(record) == {"a": "passed", "b": "failed"}
