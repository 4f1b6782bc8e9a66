"""What holds for all tests: Hypothesis explores on a developer's machine and repeats itself in CI.

A landing must not depend on the luck of one draw; what a random run finds becomes a test of its own.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, database=None)
if os.environ.get("CI"):
    settings.load_profile("ci")
