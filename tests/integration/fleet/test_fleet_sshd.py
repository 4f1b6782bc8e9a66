"""--host through a real sshd on the loopback, with keys and a login shell; nothing of ours over there.

But for apply, which the rocm-patch over there does.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.apply.kit import describe
from tests.unit.detect import kit

CHECKOUT = Path(__file__).parents[3]
_SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH={folder}/there:/usr/bin:/bin HOME={folder}
"""
_CLIENT = """\
Host card
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {folder}/user
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known
    StrictHostKeyChecking yes
Host stranger
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {folder}/other
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known
"""


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Start sshd for this test; give an environment whose ssh has a configuration of its own."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    assert sshd, "sshd is missing: apt-get install openssh-server (build/debian-packages.txt)"
    for name in ("host", "user", "other"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True
        )
    port = _free_port()
    (tmp_path / "sshd_config").write_text(_SERVER.format(port=port, folder=tmp_path))
    values = {"port": port, "folder": tmp_path, "user": getpass.getuser()}
    (tmp_path / "config").write_text(_CLIENT.format(**values))
    key = (tmp_path / "host.pub").read_text()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {key}")
    made = os.geteuid() == 0 and not Path("/run/sshd").exists()
    if made:
        # As root sshd wants its empty folder, which a running system has.
        Path("/run/sshd").mkdir(mode=0o755)
    with (tmp_path / "sshd.log").open("wb") as log:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", str(tmp_path / "sshd_config")], stderr=log)
    try:
        end = time.monotonic() + 60
        while not _answers(port):
            assert server.poll() is None, (tmp_path / "sshd.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.1)
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "ssh"
        program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {tmp_path}/config "$@"\n')
        program.chmod(0o755)
        yield {
            **os.environ,
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "ROCM_PATCH_STATE": str(tmp_path / "state"),
        }
    finally:
        server.terminate()
        server.wait()
        if made:
            Path("/run/sshd").rmdir()


def _run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rocm_patch", *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_a_machine_that_has_nothing_of_ours(environment: dict[str, str], tmp_path: Path) -> None:
    done = _run(environment, "--host", "card", "detect", "--json")
    assert done.returncode == 0, done.stderr + (tmp_path / "sshd.log").read_text()
    (host,) = json.loads(done.stdout)["hosts"]
    assert host["result"]["access"]["user"] == getpass.getuser()
    assert host["result"]["kernel"]["release"] == os.uname().release
    done = _run(environment, "--host", "card", "--host", "stranger", "doctor", "--json")
    assert done.returncode == 6
    known, stranger = json.loads(done.stdout)["hosts"]
    assert known["ok"]
    assert "Permission denied" in stranger["error"]
    records = [
        json.loads(line) for line in (tmp_path / "state/log/rocm-patch.jsonl").read_text().splitlines()
    ]
    calls = [one for one in records if one["event"] == "command" and one["argv"][0] == "ssh"]
    assert sorted(one["exit"] for one in calls) == [0, 0, 255]


def test_plan_here_and_apply_over_there(environment: dict[str, str], tmp_path: Path) -> None:
    """The machine over there is a scratch root: its python3 and its rocm-patch are told of that, no more."""
    if os.geteuid() != 0:
        pytest.skip("apply changes another machine as root only; CI logs in as root")
    machine, _ = kit.build("rx5600xt-blacklisted", tmp_path / "machine")
    root = machine.root
    programs = {
        "python3": f'exec /usr/bin/python3 "$@" {root}',
        "rocm-patch": f'PYTHONPATH={CHECKOUT}/src exec {sys.executable} -m rocm_patch "$@" --root {root}',
    }
    (tmp_path / "there").mkdir()
    for name, line in programs.items():
        (tmp_path / "there" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "there" / name).chmod(0o755)
    before, plans = describe(root), tmp_path / "plans"
    done = _run(environment, "--host", "card", "plan", "--out", str(plans))
    assert done.returncode == 0, done.stderr + (tmp_path / "sshd.log").read_text()
    items = json.loads((plans / "card.json").read_text())["items"]
    assert "needed" in {item["state"] for item in items if item["rule"] == "driver-kept-out"}
    done = _run(environment, "--host", "card", "apply", str(plans), "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "blacklist-amdgpu.conf" in done.stdout
    assert describe(root) == before
    done = _run(environment, "--host", "card", "apply", str(plans))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "blacklist" not in (root / "etc/modprobe.d/blacklist-amdgpu.conf").read_text()
    done = _run(environment, "--host", "card", "status", "--json")
    (host,) = json.loads(done.stdout)["hosts"]
    assert [one["kind"] for one in host["result"]["applied"]] == ["apply"], host
