"""How far functions of the maths library may be from the right value, and who is farther.

The bounds are those of OpenCL's full profile (OpenCL C specification, relative error as ULPs), which ROCm's
device library is written to keep. The CPU's double stands for the right value; in double precision it may
itself be wrong by an ULP.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from tests.integration.vgpu.semantics.machine import Words

#: in the order of programs/semantics/maths.h; units in the last place
BOUNDS = {"sin": 4, "cos": 4, "exp": 3, "log": 3, "tanh": 5, "cbrt": 2, "pow": 16, "atan2": 6}
#: type -> (bits of the significand, exponent of the smallest denormal, the largest value)
TYPES = {"f32": (24, -149, 3.4028234663852886e38), "f64": (53, -1074, 1.7976931348623157e308)}


def _real(word: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", word))[0])


def errors_in_ulps(kind: str, right: float, got: float) -> float:
    """Give the distance of `got` from `right` in units in the last place; infinite for a NaN too many."""
    digits, smallest, largest = TYPES[kind]
    if math.isnan(right) or math.isnan(got):
        return 0 if math.isnan(right) and math.isnan(got) else math.inf
    # Beyond the largest value lies infinity, one step on.
    top = largest + math.ldexp(1.0, math.frexp(largest)[1] - digits) if kind == "f32" else math.inf
    right, got = (math.copysign(min(abs(one), top), one) for one in (right, got))
    if right == got:
        return 0
    if math.isinf(right) or math.isinf(got):
        return math.inf
    exponent = math.frexp(right)[1] - digits if right else smallest
    unit = math.ldexp(1.0, max(exponent, smallest))
    return abs(got - right) / unit


def problems(kind: str, lanes: Sequence[Words], wanted: Words, got: Words) -> list[str]:
    """Give the results that are too far from the right ones."""
    slack = 1 if kind == "f64" else 0
    found = []
    for lane, operands in enumerate(lanes):
        for i, (name, bound) in enumerate(BOUNDS.items()):
            at = lane * len(BOUNDS) + i
            right, value = _real(wanted[at]), _real(got[at])
            error = errors_in_ulps(kind, right, value)
            if error > bound + slack:
                shown = ", ".join(f"{word:#x}" for word in operands)
                found.append(
                    f"{name} of {kind} ({shown}): {value!r} for {right!r}, {error:.1f} ulp of {bound} allowed"
                )
    return found
