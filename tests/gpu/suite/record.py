"""What a test tells the report besides its outcome: errors, curves, values.

Plain numbers only, so that they travel as JSON. Knows nothing of torch.
"""

from __future__ import annotations

import math
from typing import Any


class Record:
    """Filled by one test; `data` is what the feed sends."""

    #: Errors kept for a test: the largest ratios; a page of thousands of tests stays readable.
    KEPT = 6

    def __init__(self) -> None:
        self.errors: list[dict[str, Any]] = []
        self.curves: dict[str, list[float]] = {}
        self.values: dict[str, Any] = {}
        self.compared = 0

    def error(self, name: str, *, error: float, tolerance: float, ratio: float) -> None:
        """Keep one comparison: its largest error, the tolerance there, the largest error/tolerance."""
        self.compared += 1
        self.errors.append(
            {"name": name, "error": _finite(error), "tolerance": _finite(tolerance), "ratio": _finite(ratio)}
        )
        self.errors.sort(key=lambda entry: -entry["ratio"])
        del self.errors[self.KEPT :]

    def curve(self, name: str, values: list[float]) -> None:
        """Keep a loss curve, one value a step."""
        self.curves[name] = [_finite(value) for value in values]

    def value(self, name: str, value: Any) -> None:
        """Keep one named value (a count, a rate with its unit in the name)."""
        self.values[name] = value

    def data(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "errors": self.errors,
            "curves": self.curves,
            "values": self.values,
            "compared": self.compared,
        }


def _finite(value: float) -> float:
    """JSON has no infinity; 1e300 stands for it."""
    return float(value) if math.isfinite(value) else 1e300
