"""The command as a whole: exit codes, its log, completion, and what a start does not load."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rocm_patch.cli import COMMANDS

#: What a short command must not import: each costs tens of milliseconds.
HEAVY = ("pydantic", "rich.console", "httpx", "conan", "yaml", "jinja2", "importlib.metadata", "elftools")


def _run(tmp_path: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "ROCM_PATCH_STATE": str(tmp_path / "state"), **environment}
    return subprocess.run(
        [sys.executable, "-m", "rocm_patch", *words], capture_output=True, text=True, check=False, env=env
    )


def _records(tmp_path: Path) -> list[dict[str, object]]:
    text = (tmp_path / "state" / "log" / "rocm-patch.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_is_logged_with_its_end(tmp_path: Path) -> None:
    assert _run(tmp_path, "detect", "--json", "--root", str(tmp_path)).returncode == 0
    start, end = _records(tmp_path)
    assert start["argv"] == ["rocm-patch", "detect", "--json", "--root", str(tmp_path)]
    assert (end["event"], end["exit"], end["run"]) == ("end", 0, start["run"])


def test_a_failure_is_logged_and_explained(tmp_path: Path) -> None:
    done = _run(tmp_path, "diagnose", str(tmp_path / "absent"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "next:" in done.stderr
    end = _records(tmp_path)[-1]
    assert end["exit"] == 2
    assert "cannot be read" in str(end["error"])


def test_a_word_that_does_not_fit_is_two(tmp_path: Path) -> None:
    assert _run(tmp_path, "no-such-command").returncode == 2
    assert _records(tmp_path)[-1]["exit"] == 2


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["detect", "--help"]])
def test_help_leaves_no_trace(tmp_path: Path, words: list[str]) -> None:
    assert _run(tmp_path, *words).returncode == 0
    assert not (tmp_path / "state").exists()


def test_the_log_can_be_switched_off(tmp_path: Path) -> None:
    assert _run(tmp_path, "detect", "--json", ROCM_PATCH_LOG="off").returncode == 0
    assert not (tmp_path / "state").exists()


def test_a_state_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    done = _run(tmp_path, "detect", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)
    assert "no log was written" in done.stderr


def test_the_version(tmp_path: Path) -> None:
    assert _run(tmp_path, "--version").stdout.startswith("rocm-patch ")


def test_the_first_call_gets_a_hint_and_the_second_does_not(tmp_path: Path) -> None:
    assert "first time here?" in _run(tmp_path).stdout
    assert "first time here?" not in _run(tmp_path).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(tmp_path: Path, shell: str) -> None:
    done = _run(tmp_path, "completion", shell)
    assert done.returncode == 0
    assert f"_ROCM_PATCH_COMPLETE={shell}_complete" in done.stdout


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    """Through bash itself: the script is loaded and its function is called as the shell does."""
    script = _run(tmp_path, "completion", "bash").stdout
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "rocm-patch"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m rocm_patch "$@"\n')
    command.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def complete(words: str, number: int) -> list[str]:
        text = f"{script}\nCOMP_WORDS=(rocm-patch {words}); COMP_CWORD={number}\n"
        text += '_rocm_patch_completion rocm-patch; printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True, env=env)
        return done.stdout.split()

    assert complete("do", 1) == ["doctor"]
    assert "--report" in complete("doctor --re", 2)


def test_help_imports_no_subcommand() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from rocm_patch.cli import root; "
        "CliRunner().invoke(root, ['--help']); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(loaded.stdout.split())
    assert not {target[0].partition(":")[0] for target in COMMANDS.values()} & modules
    assert not modules.intersection(HEAVY)


def test_detect_imports_nothing_heavy_and_takes_little_time(tmp_path: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from rocm_patch.cli import root; "
        "CliRunner().invoke(root, ['detect', '--json']); print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(modules.stdout.split()).intersection(HEAVY)
    _run(tmp_path, "detect", "--json")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert _run(tmp_path, "detect", "--json").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: a busy machine takes longer by the clock.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
