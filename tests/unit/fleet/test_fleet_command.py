"""--host: one question to many machines, every way in which one can fail, and what it may not do to us."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from rocm_patch.cli import root
from rocm_patch.errors import HostError, MissingToolError, UsageError
from rocm_patch.fleet import answers
from rocm_patch.fleet import ssh as transport
from rocm_patch.fleet.probe import SCRIPT, archive
from rocm_patch.fleet.ssh import Answer

_RUNNER = CliRunner()


def _run(*words: str) -> Result:
    return _RUNNER.invoke(root, list(words))


def _hosts(result: Result) -> dict[str, dict[str, Any]]:
    return {one["host"]: one for one in json.loads(result.stdout.splitlines()[0])["hosts"]}


def test_detect_over_ssh_is_detect(ssh: Path) -> None:
    result = _run("--host", "a", "--host", "ada@b", "detect", "--json")
    assert result.exit_code == 0, result.output
    hosts = _hosts(result)
    assert list(hosts) == ["a", "ada@b"]
    here = json.loads(_run("detect", "--json").stdout)
    there = hosts["a"]["result"]
    assert there["root"] == "a"
    for part in ("os", "kernel", "driver", "gpus", "packages"):
        assert there[part] == here[part]
    ssh.unlink()
    assert _run("--host", "a", "status").exit_code == 0
    words = ssh.read_text().splitlines()
    assert words[:6] == ["-T", "-o", "BatchMode=yes", "--", "a", words[5]]
    assert words[5].startswith("exec sh -c '")


@pytest.mark.parametrize(
    ("host", "trouble"),
    [
        ("refused", "Connection refused"),
        ("rubbish", "none of rocm-patch's"),
        ("wrong", "does not fit the model"),
        ("deep", "none of rocm-patch's"),
        ("no-python", "no Python 3.10 or newer"),
    ],
)
def test_a_machine_that_fails_is_named_and_the_others_answer(ssh: Path, host: str, trouble: str) -> None:
    result = _run("--host", "a", "--host", host, "detect", "--json")
    assert isinstance(result.exception, HostError)
    assert result.exception.exit_code == 6
    hosts = _hosts(result)
    assert hosts["a"]["ok"]
    assert not hosts[host]["ok"]
    assert trouble in hosts[host]["error"]
    assert hosts[host]["result"] is None
    assert "\x1b" not in result.output
    assert ssh.exists()


@pytest.mark.parametrize("host", ["motd", "chatty"])
def test_words_around_the_answer_do_no_harm(ssh: Path, host: str) -> None:
    result = _run("--host", host, "detect", "--json")
    assert result.exit_code == 0, result.output
    assert ssh.exists()


def test_a_machine_that_does_not_answer_is_given_up(ssh: Path) -> None:
    begin = time.monotonic()
    result = _run("--host", "slow", "--host-seconds", "1", "detect")
    assert isinstance(result.exception, HostError)
    assert "no answer within 1 s" in result.output
    assert time.monotonic() - begin < 30
    # What ssh had started is ended with it.
    for pid in Path(f"{ssh}.pids").read_text().split():
        stat = Path(f"/proc/{pid}/stat")
        assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_an_endless_answer_is_cut(ssh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MOST", 1 << 20)
    result = _run("--host", "endless", "detect")
    assert "longer than 1 MiB" in result.output
    assert ssh.exists()


def test_no_more_machines_are_asked_at_once_than_allowed() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def sent(host: str) -> bytes:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return host.encode()

    hosts = [f"h{number}" for number in range(9)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "_ask", lambda host, *_: Answer(host, 0, b"", "", 0.0))
        answers = transport.ask(hosts, "x", sent, seconds=1, at_once=3, done=lambda _: None)
    assert [one.host for one in answers] == hosts
    assert 1 < most <= 3


@pytest.mark.parametrize("name", ["-oProxyCommand=touch x", "--", "a b", "a;b", "$(x)", "", "a\nb", "a'b"])
def test_no_host_is_taken_for_an_option_or_a_command(ssh: Path, name: str) -> None:
    result = _run(f"--host={name}", "detect")
    assert isinstance(result.exception, UsageError)
    assert not ssh.exists()


@pytest.mark.parametrize("words", [("build", "pytorch", "2.6.0"), ("apply",), ()])
def test_what_is_not_done_over_ssh_is_refused(ssh: Path, words: tuple[str, ...]) -> None:
    result = _run("--host", "a", *words)
    assert result.exit_code != 0
    assert not ssh.exists()


def test_no_ssh_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert isinstance(_run("--host", "a", "detect").exception, MissingToolError)


def test_doctor_judges_here_what_was_seen_there(ssh: Path) -> None:
    result = _run("--host", "a", "doctor", "--json")
    entry = _hosts(result)["a"]["result"]
    assert set(entry) == {"problems", "gfx", "notes"}
    table = _run("--host", "a", "--host", "refused", "doctor").output
    assert "nothing known" in table
    assert "refused: ssh: connect to host" in table
    assert ssh.exists()


def test_status_of_a_machine_that_was_never_touched(ssh: Path) -> None:
    assert _hosts(_run("--host", "a", "status", "--json"))["a"]["result"] == {"known": False}
    assert "nothing was ever applied" in _run("--host", "a", "status").output
    assert ssh.exists()


def test_plans_are_made_here_one_file_a_machine(
    ssh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Plan:
        def model_dump(self, mode: str) -> dict[str, Any]:
            return {"items": [{"rule": "kfd-udev", "state": "needed"}], "mode": mode}

    def plan_for(place: Path) -> tuple[Plan, None]:
        assert "files:" in place.read_text("utf-8")
        return Plan(), None

    monkeypatch.setattr(answers, "plan_for", plan_for)
    result = _run("--host", "a", "plan", "--out", str(tmp_path / "plans"))
    assert result.exit_code == 0, result.output
    assert "kfd-udev (needed)" in result.output
    assert json.loads((tmp_path / "plans" / "a.json").read_text())["mode"] == "json"
    collection = tmp_path / "collection"
    assert _run("--host", "a", "plan", "--ansible", str(collection)).exit_code == 0
    role = collection / "roles" / "apply"
    assert json.loads((role / "files" / "a.json").read_text())["mode"] == "json"
    assert yaml.safe_load((role / "vars" / "main.yml").read_text()) == {"rocm_patch_plans": ["a"]}
    tasks = yaml.safe_load((role / "tasks" / "main.yml").read_text())
    inner = tasks[1]["block"] + tasks[1]["always"]
    modules = [key for task in inner for key in task if key.startswith("ansible.builtin.")]
    assert modules == [f"ansible.builtin.{name}" for name in ("tempfile", "copy", "command", "file")]
    assert isinstance(_run("--host", "a", "plan", "--ansible", str(collection)).exception, UsageError)
    assert ssh.exists()


def _remote_program(tmp_path: Path, text: str) -> None:
    program = tmp_path / "remote" / "rocm-patch"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    sudo = tmp_path / "remote" / "sudo"
    sudo.write_text('#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n')
    sudo.chmod(0o755)


def test_apply_gives_each_machine_its_plan_in_a_file_of_its_own(ssh: Path, tmp_path: Path) -> None:
    report = 'stat -c "%a %U" "$(dirname "$2")"; stat -c %a "$2"; cat "$2"; shift 2; echo "$@"; echo "$0" >&2'
    _remote_program(tmp_path, report)
    plans = tmp_path / "plans"
    plans.mkdir()
    for host in ("a", "b"):
        (plans / f"{host}.json").write_text(f'{{"for": "{host}"}}\n')
    words = ["--host", "a", "--host", "b", "apply", str(plans), "--only", "kfd-udev", "--json"]
    hosts = _hosts(_run(*words))
    for host in ("a", "b"):
        lines = hosts[host]["result"].splitlines()
        assert lines[0].startswith("700 ")
        assert lines[1:] == ["600", f'{{"for": "{host}"}}', "--yes --only kfd-udev"]
    assert ssh.exists()


def test_apply_leaves_no_plan_behind_and_tells_of_failure(ssh: Path, tmp_path: Path) -> None:
    _remote_program(tmp_path, f'echo "$2" > {tmp_path}/where; echo "error: no room" >&2; exit 112')
    (tmp_path / "plan.json").write_text("{}")
    result = _run("--host", "a", "apply", str(tmp_path / "plan.json"), "--dry-run")
    assert isinstance(result.exception, HostError)
    assert "exit code 112: error: no room" in result.output
    assert not Path((tmp_path / "where").read_text().strip()).parent.exists()
    assert ssh.exists()


def test_apply_where_rocm_patch_is_not_installed(ssh: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    assert "is not installed there" in _run("--host", "a", "apply", str(tmp_path / "plan.json")).output
    assert ssh.exists()


@pytest.mark.parametrize("word", ["x;reboot", "$(x)", "-x", "a b", "a'b"])
def test_no_word_of_apply_becomes_a_command(ssh: Path, tmp_path: Path, word: str) -> None:
    (tmp_path / "plan.json").write_text("{}")
    result = _run("--host", "a", "apply", str(tmp_path / "plan.json"), f"--only={word}")
    assert isinstance(result.exception, UsageError)
    assert not ssh.exists()


def test_the_probe_is_pure_python_small_and_always_the_same() -> None:
    assert archive() == archive()
    assert len(archive()) < 1 << 20
    assert "'" not in SCRIPT
    assert "\\" not in SCRIPT
    assert "\n" not in SCRIPT
    assert b".so\0" not in archive()
