"""The quick validation on the card, as verification of what was installed.

`rocm-patch validate` in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

from rocm_patch import commands

_SECONDS = 1800
_NO_GPU = 91


def quick(python: str) -> list[str]:
    """Run the quick tier with this Python's torch; give what speaks against what was installed."""
    with tempfile.TemporaryDirectory(prefix="rocm-patch-validate-") as folder:
        try:
            words = ["validate", "--tier", "quick", "--python", python, "--report", folder]
            done = commands.run(
                [sys.executable, "-m", "rocm_patch", *words],
                stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return [f"the quick validation did not end: {error}"]
    if done.returncode == 0:
        return []
    lines = [
        line for line in (done.stdout + done.stderr).decode("utf-8", "replace").splitlines() if line.strip()
    ]
    what = (
        "torch sees no GPU"
        if done.returncode == _NO_GPU
        else f"the quick validation ended with {done.returncode}"
    )
    return [what, *lines[-5:]]
