from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner
from tests.gpu.suite.statistics import counted
from tests.unit.validate import suite

from rocm_patch.cli.validate import validate
from rocm_patch.errors import DataError, NoGpuError, UsageError
from rocm_patch.validate import charts, history
from rocm_patch.validate.explain import explain
from rocm_patch.validate.model import Known, Result, Run
from rocm_patch.validate.page import groups_of, write_page
from rocm_patch.validate.report import read_json, write_json, write_junit


def _bench(value: float) -> Result:
    return Result(
        "test_benchmark.py::a", "passed", 1.0, values={"bench": {"name": "gemm", "value": value, "unit": "G"}}
    )


def _run(*results: Result) -> Run:
    run = Run(
        {"name": "card", "torch": "2.6.0"}, {"tier": "quick"}, "2026-01-01T00:00:00+00:00", list(results)
    )
    run.seconds = 2.0
    return run


def _step(instructions: int, fma: int) -> Result:
    step = {"name": "training <mlp>", "instructions": instructions, "valu": fma + 1, "fma": fma}
    return Result("test_benchmark.py::b", "passed", 1.0, values={"step": step})


GOOD = Result(
    "test_a.py::one",
    "passed",
    0.5,
    errors=[{"name": "x", "error": 1e-7, "tolerance": 2e-7, "ratio": 0.5}],
    curves={"mlp": [2.0, 1.0]},
    compared=4,
)
BAD = Result("test_b.py::two[<x>]", "failed", 0.5, "E   1 & 2 \x1b[31m differ")
GONE = Result("test_b.py::three", "crashed", 0.1, "ended by SIGABRT")
ENTRY = Known("miopen-bn", "MIOpen's <BatchNorm>", 0.95, ["line <seen>"], ["take another"])
LEFT = Result("test_c.py::four", "skipped", 0.0, "one GPU")


def test_a_run_passes_only_if_something_ran_and_nothing_failed() -> None:
    assert _run(GOOD, LEFT).passed
    assert not _run(LEFT).passed
    assert not _run(GOOD, GONE).passed
    slower = _run(GOOD)
    slower.verdicts = [{"regressed": True}]
    assert not slower.passed


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    run = _run(GOOD, BAD, attrs.evolve(GONE, known=[ENTRY], log="words"), LEFT)
    write_json(run, tmp_path / "report.json")
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["counts"] == {"passed": 1, "failed": 1, "crashed": 1, "hung": 0, "skipped": 1}
    assert data["compared"] == 4
    assert read_json(tmp_path / "report.json").results == run.results


def test_junit_counts_failures_and_errors_apart(tmp_path: Path) -> None:
    write_junit(_run(GOOD, BAD, attrs.evolve(GONE, known=[ENTRY]), LEFT), tmp_path / "junit.xml")
    root = ET.parse(tmp_path / "junit.xml").getroot()[0]  # noqa: S314  (our own file)
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    text = root.findtext("testcase[@name='two[<x>]']/failure")
    assert text is not None
    assert "1 & 2 ?[31m differ" in text
    assert "miopen-bn, MIOpen's <BatchNorm>" in str(root.findtext("testcase[@name='three']/system-err"))
    assert root.find("testcase[@name='two[<x>]']/system-err") is None


def test_the_page_stands_alone_and_escapes(tmp_path: Path) -> None:
    run = _run(GOOD, BAD, GONE, LEFT)
    explain(run, lambda result: [ENTRY] if "SIGABRT" in result.text else [])
    run.verdicts = history.judge(_run(_bench(5.0)), [])
    write_page(run, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "two[&lt;x&gt;]" in page
    assert "<x>" not in page
    for shown in ("miopen-bn", "MIOpen&#39;s &lt;BatchNorm&gt;", "line &lt;seen&gt;", "take another"):
        assert page.count(shown) in {1, 2}, shown
    assert page.count("<svg") == 2
    for outside in ("<script", "<link", "src=", "href="):
        assert outside not in page
    assert {row["name"]: row["tests"] for row in groups_of(run)} == {"a": 1, "b": 2, "c": 1}


def test_charts_place_what_is_over_the_line_above_it() -> None:
    good, bad = charts._log_y(0.5), charts._log_y(2.0)
    assert bad < charts._log_y(1.0) < good
    drawn = charts.scatter({"ops": [("a<b", 2.0), ("c", 0.1)]})
    assert drawn.count("<circle") == 2
    assert "a&lt;b: 2" in drawn
    assert charts.scatter({}) == ""
    assert charts.curves({}) == ""


def test_only_a_clear_and_unusual_loss_of_speed_is_a_regression() -> None:
    past = [{"name": "gemm", "gpu": "card", "value": value} for value in (100.0, 101.0, 99.0)]
    assert not history.judge(_run(_bench(95.0)), past)[0]["regressed"]
    assert history.judge(_run(_bench(80.0)), past)[0]["regressed"]
    assert not history.judge(_run(_bench(80.0)), [{**e, "gpu": "other"} for e in past])[0]["regressed"]
    noisy = [{"name": "gemm", "gpu": "card", "value": value} for value in (60.0, 100.0, 140.0)]
    assert not history.judge(_run(_bench(80.0)), noisy)[0]["regressed"]


def test_the_history_grows_and_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "history.jsonl"
    assert history.read(file) == []
    history.append(_run(_bench(5.0)), file)
    history.append(_run(_bench(6.0)), file)
    assert [entry["value"] for entry in history.read(file)] == [5.0, 6.0]
    file.write_text('{"name": "gemm"}\n')
    with pytest.raises(DataError, match="no benchmark history"):
        history.read(file)


def test_the_command_writes_every_report_and_fails_with_the_suite(tmp_path: Path) -> None:
    conftest = suite.ABOUT + (
        "\ndef pytest_addoption(parser):\n"
        "    for name in ('--tier', '--device', '--memory', '--mutate'):\n"
        "        parser.addoption(name)\n"
        "    parser.addoption('--bench', action='store_true')\n"
    )
    raises = "raise RuntimeError('HIP error: invalid device function')"
    step = {"name": "mlp", "instructions": 4_096_000, "valu": 3_000_000, "fma": 1_024_000}
    tells = f"record_property('record', {{'values': {{'step': {step}}}}})"
    tests = f"def test_a(record_property):\n    {tells}\n\ndef test_b():\n    {raises}\n"
    command = suite.make(tmp_path / "suite", tests, conftest)
    words = ["--suite", str(command.suite), "--report", str(tmp_path / "out")]
    done = CliRunner().invoke(validate, words)
    assert done.exit_code == 1, done.output
    assert "1 passed, 1 failed" in done.output
    assert "mlp: 4,096,000 wave instructions a step, 25.0 % fused multiply-adds" in done.output
    assert not (tmp_path / "out/history.jsonl").exists()
    assert "known problem: The program holds no code for this GPU" in done.output
    assert json.loads((tmp_path / "out/report.json").read_text())["results"][1]["known"][0]["id"] == (
        "no-kernel-for-arch"
    )
    assert "no-kernel-for-arch" in (tmp_path / "out/report.html").read_text()
    assert {file.name for file in (tmp_path / "out").iterdir()} >= {"report.html", "report.json", "junit.xml"}
    done = CliRunner().invoke(validate, [*words, "--only", "test_a"])
    assert done.exit_code == 0, done.output


def test_what_a_step_executes_is_reported_and_is_no_time(tmp_path: Path) -> None:
    run = _run(GOOD, _step(1_000_000, 125_000))
    assert history.judge(run, []) == []
    write_json(run, tmp_path / "report.json")
    (step,) = json.loads((tmp_path / "report.json").read_text())["steps"]
    assert (step["instructions"], step["fma"], step["fma_share"]) == (1_000_000, 125_000, 0.125)
    assert read_json(tmp_path / "report.json").steps == run.steps
    write_page(run, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for shown in ("training &lt;mlp&gt;", "1,000,000", "125,000", "12.5 %"):
        assert shown in page
    write_page(_run(GOOD), tmp_path / "report.html")
    assert "What a step executes" not in (tmp_path / "report.html").read_text()


def test_the_kernels_of_all_cards_are_added_up(tmp_path: Path) -> None:
    kernel = {"name": "k", "instructions": 10, "valu": 7, "fma": 3, "launches": 1}
    cards = [{"kernels": [kernel, {**kernel, "fma": 0}]}, {"kernels": []}, {"kernels": [kernel]}]
    (tmp_path / "1.json").write_text(json.dumps({"devices": cards}))
    assert counted(tmp_path / "1.json") == {"instructions": 30, "valu": 21, "fma": 6}


def test_a_history_of_times_is_refused_on_the_virtual_card(tmp_path: Path) -> None:
    words = ["--virtual", "--bench", "--history", str(tmp_path / "h"), "--report", str(tmp_path / "out")]
    done = CliRunner().invoke(validate, words)
    assert isinstance(done.exception, UsageError)
    assert "the virtual card has none" in str(done.exception)


def test_without_a_torch_that_has_a_gpu_the_real_suite_says_so(tmp_path: Path) -> None:
    """A stand-in for a torch of CPUs only: the suite's own check must refuse it."""
    fake = tmp_path / "torch"
    (fake / "utils").mkdir(parents=True)
    (fake / "__init__.py").write_text(
        "__version__ = '2.6.0+cpu'\nTensor = layout = dtype = object\n"
        "class version:\n    hip = cuda = None\n"
        "class device:\n"
        "    def __init__(self, name):\n        self.type, self.index = name.split(':')[0], 0\n"
        "def __getattr__(name):\n    return object\n"
    )
    (fake / "utils" / "__init__.py").write_text("")
    (fake / "utils" / "_pytree.py").write_text("tree_map = tree_leaves = None\n")
    (fake / "utils" / "_python_dispatch.py").write_text(
        "_disable_current_modes = None\nclass TorchDispatchMode:\n    pass\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        done = CliRunner().invoke(validate, ["--report", str(tmp_path / "out")])
    assert isinstance(done.exception, NoGpuError), done.output + repr(done.exception)
    assert "no GPU code" in done.exception.cause
    assert "cpu" not in done.exception.step.lower()
