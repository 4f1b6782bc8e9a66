"""The command line: words in, words out; the work itself is tested elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console
from tests.unit.sysroot.debmake import lock_of, locked

from rocm_patch.cli import sysroot as cli
from rocm_patch.errors import LockDriftError, SysrootError, UsageError
from rocm_patch.sysroot.core import RECORD, Sysroot
from rocm_patch.sysroot.lock import Lock, load_lock
from rocm_patch.sysroot.mounts import Bind
from rocm_patch.sysroot.verify import Verdict


def run(*words: str) -> str:
    """Run the command line in this process; an error of the project comes out as itself."""
    return CliRunner().invoke(cli.sysroot, words, catch_exceptions=False).output


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache with one finished root of another lock."""
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path))
    monkeypatch.delenv("ROCM_PATCH_SYSROOT", raising=False)
    file = tmp_path / "sysroots/aa" / RECORD
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"lock": {"name": "mini", "date": "today"}, "made": "now", "packages": 3}))
    return tmp_path


@pytest.mark.usefixtures("cache")
def test_roots_are_listed_and_removed() -> None:
    assert run("list") == "  aa  mini  3 packages of today, made now\n"
    (told,) = json.loads(run("list", "--json"))
    assert (told["key"], told["packages"]) == ("aa", 3)
    for words in (("remove",), ("remove", "aa", "--old")):
        with pytest.raises(UsageError, match="name keys"):
            run(*words)
    assert run("remove", "--old") == "removed aa\n"
    assert run("list") == ""


def test_a_command_is_handed_over_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("etc", "usr", "var"):
        (tmp_path / "root" / name).mkdir(parents=True)
    monkeypatch.setenv("ROCM_PATCH_SYSROOT", str(tmp_path / "root"))
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path))
    seen: list[tuple[list[str], dict[str, Any]]] = []

    def call(_self: Sysroot, argv: list[str], **options: Any) -> int:
        seen.append((argv, options))
        return 7

    monkeypatch.setattr(Sysroot, "call", call)
    words = [
        "enter",
        "--network",
        "--bind",
        "/a:/b:ro",
        "--env",
        "K=V=W",
        "--workdir",
        "/b",
        "--",
        "ls",
        "-l",
        "--x",
    ]
    assert CliRunner().invoke(cli.sysroot, words).exit_code == 7
    assert CliRunner().invoke(cli.sysroot, ["enter", "--writable"]).exit_code == 7
    argv, options = seen[0]
    assert argv == ["ls", "-l", "--x"]
    assert options == {
        "binds": [Bind(Path("/a"), "/b", "ro")],
        "env": {"K": "V=W"},
        "cwd": "/b",
        "network": True,
    }
    assert seen[1][0] == ["bash"]
    assert seen[1][1]["overlay"].parent == tmp_path / "sysroots"
    assert not seen[1][1]["overlay"].exists()
    with pytest.raises(UsageError, match="not a variable"):
        run("enter", "--env", "K")


def test_verify_tells_and_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("etc", "usr", "var"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("ROCM_PATCH_SYSROOT", str(tmp_path))
    monkeypatch.setattr(cli, "verify", lambda *_words, **_options: Verdict(3, 5, ()))
    assert "3 packages and 5 files are as locked" in run("verify")
    monkeypatch.setattr(cli, "verify", lambda *_words, **_options: Verdict(3, 5, ("tool: gone",)))
    with pytest.raises(LockDriftError):
        run("verify")


def test_update_lock_shows_changes_and_writes_the_lock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "rocm-6.4.lock"
    first, second = lock_of(locked("tool")), lock_of(locked("tool", "2"), locked("more"))
    answers: list[Lock] = [first, second, second]
    monkeypatch.setattr(cli, "lock_path", lambda _name: path)
    monkeypatch.setattr(cli, "resolve", lambda *_words, **_options: answers.pop(0))
    assert "1 packages; no lock before" in run("update-lock")
    dry = run("update-lock", "--dry-run")
    assert dry.startswith("more: absent -> 1\ntool: 1 -> 2\n")
    assert load_lock(path) == first
    assert "2 changed since" in run("update-lock")
    assert load_lock(path) == second


def test_an_environment_is_described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("etc", "usr", "var"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("ROCM_PATCH_SYSROOT", str(tmp_path))
    monkeypatch.setattr(cli, "survey_files", lambda root, rocm: {"root": str(root), "rocm": rocm})
    assert json.loads(run("describe")) == {"sdk": "sysroot", "root": str(tmp_path), "rocm": "/usr"}
    told = json.loads(run("describe", "--sdk", "host:/opt/rocm-6.4.3"))
    assert (told["root"], told["rocm"]) == ("/", "/opt/rocm-6.4.3")


@pytest.mark.parametrize(("code", "error"), [(125, "could not run the image"), (127, "there is no HIP")])
def test_a_container_that_does_not_run_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, error: str
) -> None:
    engine = tmp_path / "podman"
    engine.write_text(f"#!/bin/sh\necho no such image >&2\nexit {code}\n")
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SysrootError, match=error):
        run("describe", "--sdk", f"container:x@sha256:{'0' * 64}")


def test_progress_without_a_terminal_is_a_line_each_tenth(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out, cli._progress(Console(file=out, width=200), "making") as report:
        for part in (0.0, 0.05, 0.09, 0.5, 0.55, 1.0):
            report("step", part)
    lines = (tmp_path / "out").read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["0%", "50%", "100%"]
    assert "s left" in lines[1]
    assert "s left" not in lines[2]


def test_progress_on_a_terminal_is_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with (tmp_path / "out").open("w") as out:
        console = Console(file=out, width=200, force_terminal=True)
        with cli._progress(console, "making") as report:
            report("unpacking tool", 0.5)
    text = (tmp_path / "out").read_text()
    assert "making" in text
    assert "unpacking tool" in text
