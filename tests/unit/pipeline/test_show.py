"""What a person sees: reports, plans, the build command's words."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from rocm_patch import components
from rocm_patch.cli.build import build
from rocm_patch.errors import BuildError, DiskSpaceError, MissingToolError, UsageError
from rocm_patch.pipeline.compile import CacheStats, read_stats, source_name
from rocm_patch.pipeline.digest import Text
from rocm_patch.pipeline.engine import Pipeline, StepRun
from rocm_patch.pipeline.model import Estimate, Request, Step, check_steps
from rocm_patch.pipeline.record import record_of, write_record
from rocm_patch.pipeline.report import Reporter, size
from rocm_patch.pipeline.show import plan_lines, summary


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Small:
    """Two steps without any program."""

    name = "small"
    fetch = 30_000_000
    disk = 1000
    tools: Sequence[str] = ()
    forgets = False

    def steps(self, request: Request, folder: Path) -> Sequence[Step]:
        del request, folder
        return [
            Step(
                name="first", does="make a file", run=self.make, inputs={"word": Text("x")}, outputs=["a"],
                estimate=lambda: Estimate(fetch=self.fetch, disk=self.disk), tools=self.tools,
            ),
            Step(name="second", does="make another", run=self.make, after=["first"], outputs=["b"]),
        ]  # fmt: skip

    def products(self, request: Request, folder: Path) -> Sequence[Path]:
        del request
        return [folder / "b"]

    def make(self, run: StepRun) -> None:
        if not self.forgets:
            (run.scratch / run.step.outputs[0]).write_text(run.step.name)


def small(tmp_path: Path, component: Small | None = None) -> Pipeline:
    wanted = Request(component="small", version="1.0", jobs=2)
    return Pipeline(component or Small(), wanted, root=tmp_path, reporter=Reporter(io.StringIO()))


def test_plain_progress_is_not_more_often_than_readable() -> None:
    stream = io.StringIO()
    reporter = Reporter(stream, every_s=1000)
    for number in range(5):
        reporter.progress(f"state {number}")
    assert not reporter.due()
    reporter.progress("end", last=True)
    assert stream.getvalue() == "state 0\nend\n"


def test_terminal_has_one_moving_line_that_said_lines_push_away() -> None:
    stream = Terminal()
    reporter = Reporter(stream, every_s=0)
    reporter.progress("x" * 500)
    reporter.say("done")
    written = stream.getvalue()
    assert written.startswith("\r\x1b[Kxxx")
    assert len(written.split("\r")[1]) < 300
    assert written.endswith("\r\x1b[Kdone\n")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1500, "1.5 kB"), (2e6, "2.0 MB"), (3.21e9, "3.2 GB")]
)
def test_size(count: float, text: str) -> None:
    assert size(count) == text


def test_plan_before_and_after(tmp_path: Path) -> None:
    text = "\n".join(plan_lines(small(tmp_path).plan()))
    assert "to do: not done yet" in text
    assert "cost fetch 30.0 MB, disk 1.0 kB" in text
    assert "2 of 2 steps to do: fetch 30.0 MB" in text
    plan = small(tmp_path).run()
    assert summary(plan) == "nothing to do: every step's result stands"
    after = list(plan_lines(plan))
    key = plan.steps[0].key
    digest = plan.steps[0].verdict.mark.outputs["a"]["sha256"] if plan.steps[0].verdict.mark else ""
    assert f"first  {key[:16]}  [cached]" in after
    assert f"    out  {digest[:16]}  a" in after
    assert f"    in   {key[:16]}  step first" in after


def test_record(tmp_path: Path) -> None:
    pipeline = small(tmp_path)
    plan = pipeline.run()
    path = write_record(tmp_path / "dist", plan, pipeline.products())
    assert path.name == "b.build.json"
    record = record_of(plan, pipeline.products())
    assert record["products"][0]["size"] == 6
    assert [step["step"] for step in record["steps"]] == ["first", "second"]
    assert record["jobs"] == 2
    assert "jobs" not in record["request"]
    assert record["totals"]["peak_bytes"] > 0
    assert write_record(tmp_path / "dist", plan, []).name == f"{plan.request.label}.build.json"


def test_an_output_gone_redoes_what_follows(tmp_path: Path) -> None:
    pipeline = small(tmp_path)
    pipeline.run()
    (pipeline.folder / "a").unlink()
    plan = pipeline.plan()
    assert [item.verdict.reason for item in plan.steps] == ["output a is missing", "follows first"]


def test_too_little_room_is_said_before_anything_is_done(tmp_path: Path) -> None:
    component = Small()
    component.disk = 10**18
    with pytest.raises(DiskSpaceError):
        small(tmp_path, component).run()
    assert not list(tmp_path.rglob("*.mark.json"))


def test_missing_tool_is_said_before_anything_is_done(tmp_path: Path) -> None:
    component = Small()
    component.tools = ["no-such-tool"]
    with pytest.raises(MissingToolError, match="no-such-tool"):
        small(tmp_path, component).run()


def test_a_step_that_makes_nothing_is_the_recipe_s_fault(tmp_path: Path) -> None:
    component = Small()
    component.forgets = True
    with pytest.raises(BuildError, match="step first did not make what it should") as caught:
        small(tmp_path, component).run()
    assert "whole log" in caught.value.detail[0]


def test_clean_keeps_logs_and_rates(tmp_path: Path) -> None:
    pipeline = small(tmp_path)
    pipeline.run()
    pipeline.clean()
    assert [entry.name for entry in pipeline.folder.iterdir()] == ["lock"]
    assert (tmp_path / "rates.json").exists()
    assert list((tmp_path / "logs").rglob("*.log"))


def _step(name: str, after: Sequence[str] = (), outputs: Sequence[str] = ()) -> Step:
    return Step(name=name, does="", run=lambda _: None, after=after, outputs=outputs)


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([_step("a"), _step("a")], "two steps are named a"),
        ([_step("a", after=["b"]), _step("b")], "step a reads b"),
        ([_step("a", outputs=["x"]), _step("b", outputs=["x"])], "step b makes x"),
    ],
)
def test_steps_that_do_not_fit(steps: list[Step], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        check_steps(steps)


def test_full_disk_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Small, run: StepRun) -> None:
        del self, run
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Small, "make", full)
    with pytest.raises(DiskSpaceError, match="the disk is full in step first"):
        small(tmp_path).run()


def test_command_plans_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("rocm_patch.cli.build.load_component", lambda _: Small())
    runner = CliRunner()
    planned = runner.invoke(build, ["small", "1.0", "--plan", "--python", "3.13", "--python", "3.11"])
    assert planned.exit_code == 0
    assert planned.output.count("small 1.0 for gfx1010") == 2
    assert not (tmp_path / "cache").exists()
    until = runner.invoke(build, ["small", "1.0", "--until", "first"], catch_exceptions=False)
    assert "2 of 2 steps to do" in until.output
    assert "first: done" in until.output
    assert "second: done" not in until.output
    wrong = runner.invoke(build, ["small", "1.0", "--target", "gfx1"])
    assert isinstance(wrong.exception, UsageError)
    assert runner.invoke(build, ["small", "1.0", "--jobs", "0"]).exit_code == 2


def test_unknown_component() -> None:
    with pytest.raises(UsageError, match="there is no component nothing"):
        components.load_component("nothing")


def test_ccache_s_log_is_counted(tmp_path: Path) -> None:
    assert read_stats(tmp_path / "none") == CacheStats()
    log = tmp_path / "log"
    log.write_text(
        "# /src/a.cpp\ncache_miss\ndirect_cache_miss\nlocal_storage_write\npreprocessed_cache_miss\n"
        "# /src/b.hip\ndirect_cache_hit\nlocal_storage_hit\n# /src/c.cpp\npreprocessed_cache_hit\n"
        "# \nno_input_file\n# \ncalled_for_link\n# /src/d.hip\nunsupported_compiler_option\n"
    )
    counted = CacheStats(hit=2, miss=1, not_taken=1, from_cache=frozenset({"b.hip", "c.cpp"}))
    assert read_stats(log) == counted


def test_source_of_an_object() -> None:
    assert source_name("caffe2/CMakeFiles/torch_cpu.dir/__/aten/src/ATen/Context.cpp.o") == "Context.cpp"
    assert source_name("x/native/hip/torch_hip_generated_Sort.hip.o") == "Sort.hip"
    assert source_name("lib/libc10.so") == "libc10.so"
