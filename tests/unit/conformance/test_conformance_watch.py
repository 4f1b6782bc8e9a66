"""A process under limits: what ends, what dies, what never ends."""

from __future__ import annotations

from pathlib import Path

from tests.unit.conformance.fakesuite import write_program

from rocm_patch.conformance.watch import Ended, watch


def _run(
    path: Path, tests: dict[str, str], *, test: float = 60, binary: float = 60
) -> tuple[list[Ended], int, str]:
    program = write_program(path / "suite", tests)
    heard: list[Ended] = []
    pattern = ":".join(f"Group.{name}" for name in tests)
    done = watch(
        [str(program), f"--gtest_filter={pattern}"],
        test_seconds=test,
        binary_seconds=binary,
        heard=heard.append,
    )
    assert list(done.tests) == heard
    return heard, done.code, done.limit


def test_outcomes_are_heard_with_the_text_of_failures(tmp_path: Path) -> None:
    heard, code, limit = _run(tmp_path, {"a": "passes", "b": "fails", "c": "skips"})
    assert [(one.name, one.outcome) for one in heard] == [
        ("Group.a", "passed"),
        ("Group.b", "failed"),
        ("Group.c", "skipped"),
    ]
    assert "suite.cpp:7: Failure" in heard[1].text
    assert (code, limit) == (0, "")


def test_a_test_in_which_the_process_dies_has_crashed(tmp_path: Path) -> None:
    heard, code, limit = _run(tmp_path, {"a": "passes", "b": "dies", "c": "passes"})
    assert [(one.name, one.outcome) for one in heard] == [("Group.a", "passed"), ("Group.b", "crashed")]
    assert "Memory access fault" in heard[1].text
    assert code == -6
    assert not limit


def test_a_test_over_its_limit_is_ended(tmp_path: Path) -> None:
    heard, _, limit = _run(tmp_path, {"a": "burns", "b": "passes"}, test=0.4)
    assert [(one.name, one.outcome) for one in heard] == [("Group.a", "timed-out")]
    assert heard[0].seconds > 0.3
    assert limit == "test"


def test_the_limit_of_the_binary_gives_no_result(tmp_path: Path) -> None:
    heard, _, limit = _run(tmp_path, {"a": "passes", "b": "burns"}, binary=0.4)
    assert [one.name for one in heard] == ["Group.a"]
    assert limit == "binary"
