"""The commands: words in, words and JSON out, files where they were asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.unit.diagnose.helpers import KNOWN

from rocm_patch.cli.diagnose import diagnose
from rocm_patch.cli.new_problem import new_problem
from rocm_patch.diagnose.catalogue import load_catalogue, problems_folder
from rocm_patch.diagnose.judge import diagnose_stream
from rocm_patch.diagnose.machine import read_machine
from rocm_patch.errors import UsageError
from rocm_patch.series.folder import load_series

TEXT = KNOWN / "kfd-permission-denied-a.txt"


def _run(*words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(diagnose, list(words), input=stdin, catch_exceptions=False)


def test_json_has_the_published_form() -> None:
    document = json.loads(_run("--json", str(TEXT)).output)
    assert list(document) == ["problems"]
    best = document["problems"][0]
    assert best["id"] == "kfd-permission-denied"
    assert 0 < best["confidence"] <= 1
    lines = TEXT.read_text(encoding="utf-8").splitlines()
    assert [lines[number - 1] for number in best["lines"]] == best["evidence"]
    assert best["fixes"]
    assert len(best["fixes"]) == len(best["commands"])


@pytest.mark.parametrize("words", [("--json", "-"), ("--json",)])
def test_standard_input(words: tuple[str, ...]) -> None:
    assert json.loads(_run(*words, stdin=TEXT.read_bytes()).output)["problems"]


def test_not_known_is_an_empty_list_and_no_failure() -> None:
    result = _run("--json", "-", stdin=b"all is well\n")
    assert result.exit_code == 0
    assert json.loads(result.output) == {"problems": []}
    assert "not known" in _run("-", stdin=b"all is well\n").output


@pytest.mark.parametrize(("text", "code"), [(b"all is well\n", 1), (b"ROCk module is NOT loaded\n", 0)])
def test_exit_code_on_request(text: bytes, code: int) -> None:
    assert _run("--exit-code", "-", stdin=text).exit_code == code


def test_words_for_people() -> None:
    output = _run(str(TEXT)).output
    assert "line 3: Unable to open /dev/kfd read-write: Permission denied" in output
    assert "usermod -aG render,video" in output
    assert "not to be mistaken" in output


def test_a_look_alike_is_named_as_such() -> None:
    output = _run("-", stdin=b"Unable to open /dev/kfd read-write: Invalid argument\n").output
    assert "not known" in output
    assert "looks alike" in output


def test_markup_in_a_log_is_no_markup() -> None:
    output = _run(
        "-", stdin=b"[bold red]HIP out of memory. Tried to allocate[/] [link=http://x]y[/link]\n"
    ).output
    assert "[bold red]HIP out of memory. Tried to allocate[/] [link=http://x]y[/link]" in output


def test_refuses_the_override_on_gfx1010() -> None:
    text = str(KNOWN / "gfx-override-misuse-a.txt")
    assert "refused:" in _run(text).output
    for problem in json.loads(_run("--json", text).output)["problems"]:
        assert not any("export HSA_OVERRIDE" in command for step in problem["commands"] for command in step)


def test_the_machines_description_decides_on_fixes(tmp_path: Path) -> None:
    machine = tmp_path / "machine.json"
    machine.write_text(
        json.dumps({"gpus": [{"gfx_target_version": 100100}], "os": {"id": "fedora", "version_id": "42"}}),
        encoding="utf-8",
    )
    text = b"AssertionError: Torch not compiled with CUDA enabled\n"
    assert json.loads(_run("--json", "-", stdin=text).output)["problems"] == []
    best = json.loads(_run("--json", "--machine", str(machine), "-", stdin=text).output)["problems"][0]
    assert best["id"] == "wrong-torch-build"
    assert "rocm-patch build pytorch 2.6.0 --target gfx1010" in best["commands"][0]


def test_what_detect_writes_is_understood(tmp_path: Path) -> None:
    machine = tmp_path / "machine.json"
    document = {
        "os": {"id": "ubuntu", "version": "24.04", "wsl": False, "in_container": False},
        "gpus": [{"gfx": "gfx1010", "gfx_source": "kfd", "name": "AMD Radeon RX 5700 XT"}],
        "libraries": [{"targets": ["gfx1030", "gfx90a"]}],
        "kernel_folders": [{"path": "/opt/rocm/lib/rocblas/library", "targets": ["gfx1100"]}],
    }
    machine.write_text(json.dumps(document), encoding="utf-8")
    read = read_machine(machine)
    assert read.gfx == ("gfx1010",)
    assert read.distribution == ("ubuntu", "ubuntu-24.04")
    assert read.absent == {"wsl", "container"}


@pytest.mark.parametrize("content", ["", "[", "{}", '"gfx"', "[[[[", '{"gpus": []}'])
def test_a_useless_description_is_an_error(tmp_path: Path, content: str) -> None:
    machine = tmp_path / "machine.json"
    machine.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError):
        _run("--machine", str(machine), str(TEXT))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        _run(str(tmp_path / "none"))


def test_report_is_anonymous_and_overwrites_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    result = _run("--report", str(folder), str(TEXT))
    assert "removed user" in result.stderr
    for name in ("issue.md", "text.txt", "diagnosis.json"):
        assert "jonas" not in (folder / name).read_text(encoding="utf-8")
    issue = (folder / "issue.md").read_text(encoding="utf-8")
    assert "Unable to open /dev/kfd read-write: Permission denied" in issue
    assert "kfd-permission-denied" in issue
    with pytest.raises(UsageError):
        _run("--report", str(folder), str(TEXT))


def test_report_of_an_unknown_text_from_a_pipe(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    _run("--report", str(folder), "-", stdin=b"/home/annika/x: ```evil``` hipfrobnicate: plan 7 lost\n")
    issue = (folder / "issue.md").read_text(encoding="utf-8")
    assert "annika" not in issue
    assert issue.count("```") == 2
    assert "hipfrobnicate: plan 7 lost" in issue


REPORT = b"""\
2026-01-02 10:00:00 annika@box:~$ python fft.py
Radeon RX 5700 XT (gfx1010), ROCm 6.4.1, torch 2.6.0+rocm6.4
INFO loading /home/annika/data/set-0001.npy
rocFFT error: ROCFFT_PLAN_DIVISOR_MISMATCH: plan cache for stride 17 refused by kernel stockham_rtc
Traceback (most recent call last):
RuntimeError: hipFFT error: HIPFFT_BOGUS_STRIDE
"""


def _checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "problems" / "common").mkdir(parents=True)
    (root / "pyproject.toml").write_text("", encoding="utf-8")
    (root / "recipes").mkdir()
    for path in problems_folder().rglob("*.yml"):
        (root / "problems" / path.relative_to(problems_folder())).write_bytes(path.read_bytes())
    series = root / "patches" / "pytorch" / "2.6.0"
    series.mkdir(parents=True)
    (series / "series").write_text("", encoding="utf-8")
    (series / "0003-other.patch").write_text("", encoding="utf-8")
    return root


def _begin(tmp_path: Path, root: Path, *words: str, raw: bytes = REPORT) -> Result:
    file = tmp_path / "report.txt"
    file.write_bytes(raw)
    call = [
        str(file),
        "--root",
        str(root),
        "--id",
        "rocfft-plan-mismatch",
        "--title",
        "rocFFT mixes up plans",
    ]
    return CliRunner().invoke(new_problem, [*call, *words], catch_exceptions=False)


def test_new_problem_begins_an_entry_that_recognises_its_report(tmp_path: Path) -> None:
    root = _checkout(tmp_path)
    result = _begin(tmp_path, root, "--series", "pytorch/2.6.0")
    assert "ROCFFT_PLAN_DIVISOR_MISMATCH" in result.output.splitlines()[1], result.output
    assert "ROCm: 6.4" in result.output
    fixture = root / "tests" / "unit" / "diagnose" / "fixtures" / "rocfft-plan-mismatch.txt"
    assert "annika" not in fixture.read_text(encoding="utf-8")
    catalogue = load_catalogue(root / "problems")
    with fixture.open("rb") as stream:
        assert diagnose_stream(stream, catalogue).findings[0].problem.id == "rocfft-plan-mismatch"
    entry = (root / "problems" / "rocfft-plan-mismatch.yml").read_text(encoding="utf-8")
    assert "FILL IN" in entry
    test = (root / "tests" / "unit" / "diagnose" / "test_problem_rocfft_plan_mismatch.py").read_text(
        encoding="utf-8"
    )
    compile(test, "test", "exec")
    assert '"FILL IN" not in' in test


def test_new_problem_begins_a_patch_without_touching_the_build(tmp_path: Path) -> None:
    root = _checkout(tmp_path)
    _begin(tmp_path, root, "--series", "pytorch/2.6.0")
    patch = root / "patches" / "pytorch" / "2.6.0" / "0004-rocfft-plan-mismatch.patch"
    assert re.search(r"^Description: rocFFT mixes up plans$", patch.read_text(encoding="utf-8"), re.MULTILINE)
    assert load_series("pytorch", "2.6.0", root).names == []


def test_new_problem_dry_run_writes_nothing(tmp_path: Path) -> None:
    root = _checkout(tmp_path)
    before = sorted(root.rglob("*"))
    assert "would write problems/rocfft-plan-mismatch.yml" in _begin(tmp_path, root, "--dry-run").output
    assert sorted(root.rglob("*")) == before


def test_new_problem_overwrites_nothing(tmp_path: Path) -> None:
    root = _checkout(tmp_path)
    _begin(tmp_path, root)
    with pytest.raises(UsageError):
        _begin(tmp_path, root)


@pytest.mark.parametrize(
    "words",
    [("--series", "pytorch/9.9"), ("--series", "../.."), ("--id", "one"), ("--id", "firmware-missing")],
)
def test_new_problem_refuses_what_does_not_fit(tmp_path: Path, words: tuple[str, str]) -> None:
    root = _checkout(tmp_path)
    before = sorted(root.rglob("*"))
    with pytest.raises(UsageError):
        _begin(tmp_path, root, *words)
    assert sorted(root.rglob("*")) == before


def test_new_problem_needs_something_to_recognise(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        _begin(tmp_path, _checkout(tmp_path), raw=b"error\nfailed\n\n")
