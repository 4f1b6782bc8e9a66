"""The validation after installing: with which Python, as whom, and what each of its ends leads to."""

from __future__ import annotations

import getpass
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.apply.kit import apply, describe, file_actions

from rocm_patch.apply import front, validation
from rocm_patch.apply.validation import Runner, choose, python_of, quick, runner_for
from rocm_patch.cli import apply as cli
from rocm_patch.detect.model import Report, Wheel
from rocm_patch.errors import ApplyError
from rocm_patch.plan.model import Item

OURS = "2.6.0+rocm6.4.gfx1010"
ME = Runner(sys.executable)


def venv(folder: Path, program: str = "#!/bin/sh\nexit 0\n") -> str:
    """Make what looks like a virtual environment, and give its site-packages."""
    site = folder / "lib/python3.13/site-packages"
    site.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin/python3.13").write_text(program)
    (folder / "bin/python3.13").chmod(0o755)
    return str(site)


def report(*sites: str, version: str = OURS) -> Report:
    return Report(wheels=[Wheel(name="torch", version=version, folder=site) for site in sites])


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask no question of this rocm-patch itself; its start takes a second."""
    real = validation._run

    def run(argv: Any, user: str | None, seconds: float) -> tuple[int | None, str]:
        return (0, "") if argv[0] == sys.executable and "--version" in argv else real(argv, user, seconds)

    monkeypatch.setattr(validation, "_run", run)


@pytest.mark.usefixtures("fast")
def test_the_one_python_with_our_torch_is_chosen(tmp_path: Path) -> None:
    site = venv(tmp_path / "torch")
    assert python_of(site) == f"{tmp_path}/torch/bin/python3.13"
    chosen = choose(report(site), None)
    assert isinstance(chosen, Runner), chosen
    assert chosen.python == f"{tmp_path}/torch/bin/python3.13"
    assert "no Python with this project's PyTorch" in str(choose(report(site, version="2.6.0+rocm6.4"), None))
    other = venv(tmp_path / "other")
    assert f"--python {tmp_path}/other/bin/python3.13 or {tmp_path}/torch" in str(
        choose(report(site, other), None)
    )


@pytest.mark.usefixtures("fast")
def test_what_validating_lacks_is_said_before_and_is_no_fault(tmp_path: Path) -> None:
    site = venv(tmp_path / "a", "#!/bin/sh\necho it has no pytest\n")
    assert "it has no pytest" in str(choose(report(site), None))
    site = venv(tmp_path / "b", "#!/bin/sh\nexit 3\n")
    assert "does not run" in str(choose(report(site), None))


def test_the_question_names_packages_and_a_closed_device(tmp_path: Path) -> None:
    code, out = validation._run([sys.executable, "-c", validation._QUESTION, str(tmp_path / "kfd")], None, 60)
    assert code == 0
    # The tests' own Python has no torch.
    assert "it has no torch" in out
    stand_in = validation._QUESTION.replace('"torch", "pytest", "numpy"', '"json",')
    _, out = validation._run([sys.executable, "-c", stand_in, str(tmp_path / "kfd")], None, 60)
    assert "kfd is closed to its user now" in out
    (tmp_path / "kfd").touch()
    assert validation._run([sys.executable, "-c", stand_in, str(tmp_path / "kfd")], None, 60) == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a program as somebody else")
def test_root_runs_nobodys_python(tmp_path: Path) -> None:
    """A user could plant a Python with a torch that says it is ours, and wait for the owner's apply."""
    python = tmp_path / "home/bin/python3"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nid -un\n")
    python.chmod(0o755)
    assert runner_for(str(python), "nobody") == Runner(str(python), "nobody"), "root's, run as who calls"
    os.chown(python.parent, 65534, 65534)
    assert "can be written by nobody, who did not call this" in str(runner_for(str(python), None))
    assert "can be written by nobody" in str(runner_for(str(python), "daemon"))
    assert runner_for(str(python), "nobody") == Runner(str(python), "nobody")
    assert validation._run(["/usr/bin/id", "-un"], "nobody", 60) == (0, "nobody\n")


def stub(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(validation, "_suite", lambda _python, _folder: [sys.executable, "-c", code])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('12 failed'); raise SystemExit(1)", "the quick validation ended with 1"),
        ("raise SystemExit(91)", "torch sees no GPU"),
        (
            # A worker that outlives its parent holds the pipe: both are ended.
            "import os, time; os.fork(); print('hangs', flush=True); time.sleep(300)",
            "did not end within 2 s",
        ),
    ],
)
def test_a_validation_that_fails_rolls_back(
    root: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    stub(monkeypatch, code)
    monkeypatch.setattr(validation, "LIMIT", 2.0 if "sleep" in code else 600.0)
    before = describe(root)
    begun = time.monotonic()
    with pytest.raises(ApplyError, match="everything was put back") as error:
        apply(root, file_actions(), validate=lambda: quick(ME))
    assert said in str(error.value)
    assert error.value.exit_code == 110
    assert describe(root) == before
    assert time.monotonic() - begun < 250


def test_a_validation_that_passes_lets_it_stand(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, "raise SystemExit(0)")
    assert apply(root, file_actions(), validate=lambda: quick(ME)).tx == 1
    assert quick(Runner(sys.executable, getpass.getuser() if os.geteuid() == 0 else None)) == []


def test_only_gpu_code_is_validated() -> None:
    def item(**action: Any) -> Item:
        return Item.model_validate(
            {"rule": "r", "title": "t", "why": "w", "state": "needed", "actions": [action]}
        )

    assert front.touch_gpu_code([item(kind="packages", install=["rocsolver"], target="gfx1010")])
    assert not front.touch_gpu_code([item(kind="packages", install=["linux-firmware"])])
    assert not front.touch_gpu_code([item(kind="join-group", groups=["render"])])


def test_it_is_said_and_can_be_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_card", lambda _root: True)
    monkeypatch.setattr(
        validation, "choose", lambda _report, _caller: Runner("/opt/torch/bin/python3", "ada")
    )
    runner = cli._found(Path("/"), Report())
    options = cli._with_validation(cli._options(Path("/")), runner)
    assert options.validate is not None
    said = capsys.readouterr().out
    assert "afterwards: the quick validation with /opt/torch/bin/python3 as ada (--no-validate" in said
    monkeypatch.setattr(validation, "choose", lambda _report, _caller: "it has no pytest")
    assert cli._with_validation(options, None) is options
    assert cli._found(Path("/"), Report()) is None
    assert "no validation on the card, since it has no pytest" in capsys.readouterr().out
