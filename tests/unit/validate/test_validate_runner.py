from __future__ import annotations

import sys
from pathlib import Path

import attrs
import pytest
from tests.unit.validate import suite

from rocm_patch.errors import NoGpuError, ValidationError
from rocm_patch.validate.model import Result, Run
from rocm_patch.validate.runner import Runner, Settings


def _ignore(run: Run, result: Result, total: int) -> None:
    del run, result, total


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    command = suite.make(folder / "suite")
    return Runner(command, folder, Settings(jobs=2, test_limit=4), _ignore).run()


def _result(run: Run, name: str) -> Result:
    return next(result for result in run.results if result.id.endswith(f"::{name}"))


def test_every_test_ends_once_in_its_own_way(run: Run) -> None:
    ends = {result.id.partition("::")[2]: result.outcome for result in run.results}
    assert ends == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_not_here": "skipped",
        "test_crash": "crashed",
        "test_hang": "hung",
        "test_alone": "passed",
        "test_after": "passed",
    }
    assert len(run.results) == 7
    assert not run.passed
    assert run.about["name"] == "toy"


def test_an_exclusive_test_comes_last(run: Run) -> None:
    assert run.results[-1].id.endswith("test_alone")


def test_a_crash_is_told_with_its_signal_and_last_words(run: Run) -> None:
    text = _result(run, "test_crash").text
    assert "SIGABRT" in text
    assert "Memory access fault" in text


def test_what_one_test_wrote_is_not_put_down_to_another(tmp_path: Path) -> None:
    """All processes of a place write into one log: a fault of the first says nothing of the second's end."""
    tests = (
        "import os, signal\n\n"
        "def test_fault():\n    os.write(2, b'Memory access fault by GPU node-1\\n')\n"
        "    os.kill(os.getpid(), signal.SIGABRT)\n\n"
        "def test_dies():\n    os.kill(os.getpid(), signal.SIGABRT)\n\n"
        "def test_says():\n    os.write(2, b'rocBLAS warning\\n')\n    assert 0\n\n"
        "def test_silent():\n    assert 0\n"
    )
    run = Runner(suite.make(tmp_path / "suite", tests), tmp_path, Settings(), _ignore).run()
    fault, dies, says, silent = run.results
    assert "Memory access fault" in fault.text
    assert "Memory access fault" not in dies.text
    assert "Fatal Python error: Aborted" in dies.text
    assert (says.log, silent.log) == ("rocBLAS warning", "")


def test_a_failure_keeps_its_assertion(run: Run) -> None:
    assert "assert (1 + 1) == 3" in _result(run, "test_bad").text
    assert "one GPU" in _result(run, "test_not_here").text


def test_what_the_suite_recorded_arrives(run: Run) -> None:
    good = _result(run, "test_good")
    assert good.errors[0]["ratio"] == 0.5
    assert good.curves == {"mlp": [2.0, 1.0]}
    assert run.compared == 3


def test_a_broken_context_starts_a_new_process(tmp_path: Path) -> None:
    conftest = suite.ABOUT + "\nimport feed\nfeed.healthy[0] = lambda: False\n"
    tests = "def test_a():\n    assert 0\n\ndef test_b():\n    pass\n"
    run = Runner(suite.make(tmp_path / "suite", tests, conftest), tmp_path, Settings(), _ignore).run()
    assert [r.outcome for r in run.results] == ["failed", "passed"]
    assert run.processes == 2


def test_only_some_run(tmp_path: Path) -> None:
    run = Runner(
        suite.make(tmp_path / "suite"), tmp_path, Settings(only=("test_good", "test_alone")), _ignore
    ).run()
    assert [r.id.partition("::")[2] for r in run.results] == ["test_good", "test_alone"]
    assert run.passed


def test_nothing_to_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="no test is left"):
        Runner(suite.make(tmp_path / "suite"), tmp_path, Settings(only=("absent",)), _ignore).run()


def test_no_gpu_is_said_with_the_suites_reason(tmp_path: Path) -> None:
    refusal = "raise pytest.UsageError('torch sees no GPU; load the driver')"
    conftest = f"import pytest\ndef pytest_configure(config):\n    {refusal}\n"
    with pytest.raises(NoGpuError) as caught:
        Runner(suite.make(tmp_path / "suite", conftest=conftest), tmp_path, Settings(), _ignore).run()
    assert "load the driver" in caught.value.cause


def test_a_python_without_pytest_is_explained(tmp_path: Path) -> None:
    command = attrs.evolve(suite.make(tmp_path / "suite"), python=str(tmp_path / "absent"))
    with pytest.raises(ValidationError, match="cannot be started"):
        Runner(command, tmp_path, Settings(), _ignore).run()
    command = suite.make(tmp_path / "other", tests="import a_module_that_is_not_there\n")
    with pytest.raises(ValidationError) as caught:
        Runner(command, tmp_path, Settings(), _ignore).run()
    assert "a_module_that_is_not_there" in "\n".join(caught.value.detail)


def test_silence_at_the_start_is_not_waited_for(tmp_path: Path) -> None:
    conftest = "import time\ntime.sleep(60)\n"
    command = suite.make(tmp_path / "suite", conftest=conftest)
    with pytest.raises(ValidationError, match="did not start"):
        Runner(command, tmp_path, Settings(start_limit=1.5), _ignore).run()
    assert command.python == sys.executable
