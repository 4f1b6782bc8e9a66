"""Points at which a run can be cut off, numbered in the order in which they are reached.

Tests name one by its number (ROCM_PATCH_KILL_AT) and the process ends there as by kill -9:
so the kill points are enumerated and not sampled. ROCM_PATCH_POINTS names a file that
receives the names. Without these variables a point does nothing.
"""

from __future__ import annotations

import os
import signal

_reached = 0


def reached(name: str) -> None:
    """Pass a point, or end there."""
    global _reached  # noqa: PLW0603  # one count a process, as there is one process to kill
    _reached += 1
    place = os.environ.get("ROCM_PATCH_POINTS")
    if place:
        with open(place, "a", encoding="utf-8") as stream:  # noqa: PTH123  # appended line by line, before the kill
            stream.write(f"{name}\n")
    if os.environ.get("ROCM_PATCH_KILL_AT") == str(_reached):
        os.kill(os.getpid(), signal.SIGKILL)


def restart() -> None:
    """Count from the beginning again (a test's child that was forked)."""
    global _reached  # noqa: PLW0603
    _reached = 0
