"""Ten lines, on every machine that detect knows, and how they look in a pipe and on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.detect import kit

from rocm_patch.face.standing import rows


@pytest.mark.parametrize("name", kit.names())
def test_ten_lines_on_every_machine(name: str, tmp_path: Path) -> None:
    lines = rows(kit.report(name, tmp_path), version="1", applied="nothing", first=False)
    assert len(lines) == 10
    assert all(text and "\n" not in text for _, text, _ in lines)


def test_the_lines_say_what_matters(tmp_path: Path) -> None:
    lines = {
        n: t
        for n, t, _ in rows(
            kit.report("rx5600xt-not-in-render", tmp_path), version="1", applied="a", first=True
        )
    }
    assert "RX 5600 XT" in lines["GPU"]
    assert "gfx1010" in lines["GPU"]
    assert lines["driver"].endswith("/dev/kfd is closed to ada")
    assert lines["seen"].startswith("/dev/kfd has mode 0660")
    assert lines["next"].startswith("rocm-patch doctor says what to do about it; rocm-patch plan")
    assert lines["help"].startswith("first time here?")


def _start(**environment: str) -> str:
    """Run the command on a terminal of its own, and give what it wrote there."""
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "60", **environment}
    env.pop("CI", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "rocm_patch"], stdout=slave, stderr=slave, stdin=slave, env=env
    )
    os.close(slave)
    data = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        data += part
    os.close(master)
    assert process.wait() == 0
    return data.decode()


def test_colours_on_a_terminal_unless_no_color_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = _start()
    assert "\x1b[" in coloured
    plain = _start(NO_COLOR="1")
    # Bold and dim are no colours; NO_COLOR takes these alone.
    assert not any(f"\x1b[{number}" in plain for number in range(30, 50))
    assert len(plain.strip().splitlines()) == 10
    assert all(
        len(line) <= 60
        for line in plain.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[2m", "").splitlines()
    )


def test_a_pipe_gets_ten_plain_whole_lines() -> None:
    done = subprocess.run([sys.executable, "-m", "rocm_patch"], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 10
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
