"""What the series tests share: a small series, snapshots of trees, quilt run cleanly."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

Snapshot = dict[str, tuple[bytes, int] | None]
HEADER = b"""Description: do one thing
Author: A <a@example.org>
Forwarded: no
Applied-Upstream: no
Last-Update: 2026-11-23
X-Rocm-Patch-Versions: ==1.0
X-Rocm-Patch-Test: tests/test_it.py::TestIt::test_one[x]
X-Rocm-Patch-Verified: yes (applied, 2026-11-23)
---
"""
FIRST = (
    b"--- a/one.txt\n+++ b/one.txt\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
    b"--- /dev/null\n+++ b/new/deep/file.txt\n@@ -0,0 +1 @@\n+caf\xe9\n"
)
SECOND = (
    b"--- a/one.txt\n+++ b/one.txt\n@@ -2,2 +2,3 @@\n B\n c\n+d\n"
    b"--- a/gone/old.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-bye\n\\ No newline at end of file\n"
    b"--- a/empty.py\n+++ b/empty.py\n@@ -0,0 +1 @@\n+import os\n"
    b"diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
)
THIRD = b"--- a/crlf.txt\n+++ b/crlf.txt\n@@ -1,2 +1,2 @@\n x\r\n-y\r\n+z\r\n"


def snapshot(tree: Path, *, pc: bool = False) -> Snapshot:
    """Every file with bytes and executable bit, every folder; quilt's record only if asked for."""
    found: Snapshot = {}
    for folder, folders, files in os.walk(tree):
        if not pc and ".pc" in folders:
            folders.remove(".pc")
        for name in folders:
            found[str((Path(folder) / name).relative_to(tree))] = None
        for name in files:
            path = Path(folder) / name
            found[str(path.relative_to(tree))] = (path.read_bytes(), path.stat().st_mode & 0o100)
    return found


def quilt(tree: Path, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run quilt without the user's settings."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("QUILT")}
    env["LC_ALL"] = "C"
    if folder is not None:
        env["QUILT_PATCHES"] = str(folder)
    return subprocess.run(
        ["quilt", "--quiltrc", "-", *words],
        cwd=tree,
        env=env,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
