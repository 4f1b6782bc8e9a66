"""Packed 16-bit integers: both halves, op_sel, clamp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.vgpu_core.integers import M16, M32, signed
from tests.unit.vgpu_core.table import ROWS, VGPR, Mods, vop3

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.vgpu_core.machine import Machine

# Values arrive signed or unsigned as the mnemonic says; the result is exact, before clamp.
FUNCTIONS: dict[str, Callable[..., int]] = {
    "mad": lambda a, b, c: a * b + c,
    "mul_lo": lambda a, b: a * b & M16,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "lshlrev": lambda a, b: b << (a & 15) & M16,
    "lshrrev": lambda a, b: b >> (a & 15),
    "ashrrev": lambda a, b: b >> (a & 15),
    "max": max,
    "min": min,
}
PACKED = sorted(n for n, r in ROWS.items() if n.startswith("v_pk_") and r.dst in {"PI16", "PU16", "PB16"})


@pytest.mark.parametrize("name", PACKED)
@settings(max_examples=12)
@given(
    operands=st.tuples(*[st.integers(0, M32)] * 3),
    sel=st.integers(0, 7),
    sel_hi=st.integers(0, 7),
    clamp=st.booleans(),
)
def test_packed(
    machine: Machine, *, name: str, operands: tuple[int, int, int], sel: int, sel_hi: int, clamp: bool
) -> None:
    op, kind = name.removeprefix("v_pk_").rsplit("_", 1)
    count = len(ROWS[name].src)
    clamp = clamp and op in {"mad", "add", "sub"}
    is_signed = kind == "i16" and op != "ashrrev"
    words = vop3(
        name, 4, [VGPR + 1, VGPR + 2, VGPR + 3][:count], Mods(op_sel=sel, op_sel_hi=sel_hi, clamp=clamp)
    )
    (got, *_) = machine.step(words, vgprs={k + 1: [x] for k, x in enumerate(operands)}, read=["v 4"])
    for part, select in enumerate((sel, sel_hi)):
        halves = [operands[k] >> (16 if select >> k & 1 else 0) & M16 for k in range(count)]
        values = [
            signed(x, 16) if is_signed or (op == "ashrrev" and k == 1) else x for k, x in enumerate(halves)
        ]
        want = FUNCTIONS[op](*values)
        if clamp:
            want = max(-0x8000 if is_signed else 0, min(0x7FFF if is_signed else M16, want))
        assert got >> 16 * part & M16 == want & M16
