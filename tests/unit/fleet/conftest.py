"""A program named ssh that does what its host's name says, so that each way of failing can be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

#: Its last two arguments are the host and the line for the login shell.
_SSH = r"""#!/bin/bash
printf '%s\n' "$@" >> "$SSH_SEEN"
host=${@: -2:1}; line=${@: -1}
case $host in
    refused) echo "ssh: connect to host refused port 22: Connection refused" >&2; exit 255;;
    slow) sleep 60 & echo $! >> "$SSH_SEEN.pids"; wait; exit 0;;
    rubbish) cat >/dev/null; printf 'not a document \033[2J\n'; exit 0;;
    wrong) cat >/dev/null; echo '{"report": {"gpus": 7}, "texts": [], "notes": []}';;
    endless) cat >/dev/null; exec yes;;
    deep) cat >/dev/null; python3 -c 'print("[" * 100000)';;
    no-python) PATH="$REMOTE_PATH" exec /bin/sh -c "$line";;
    motd) echo "Welcome to motd!"; exec env -i PATH=/usr/bin:/bin /bin/sh -c "$line";;
    chatty) seq 100000 >&2; exec env -i PATH=/usr/bin:/bin /bin/sh -c "$line";;
    *) exec env -i PATH="$REMOTE_PATH:/usr/bin:/bin" REMOTE="$REMOTE_PATH" /bin/sh -c "$line";;
esac
"""


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the program on PATH; give the file that its arguments are written to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(_SSH)
    (folder / "ssh").chmod(0o755)
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_SEEN", str(tmp_path / "seen"))
    monkeypatch.setenv("REMOTE_PATH", str(tmp_path / "remote"))
    return tmp_path / "seen"
