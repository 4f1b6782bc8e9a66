"""--host through a real sshd on the loopback, with keys and a login shell; nothing of ours over there."""

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
SetEnv PATH=/usr/bin:/bin
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
