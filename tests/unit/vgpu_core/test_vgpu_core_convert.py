"""Conversions from integers, scaling, splitting, short multiply-add forms, against exact arithmetic."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.vgpu_core import floats
from tests.unit.vgpu_core.floats import FORMATS, HALF, SINGLE, Format
from tests.unit.vgpu_core.integers import M32, signed
from tests.unit.vgpu_core.machine import LANES
from tests.unit.vgpu_core.table import ROWS, VGPR, vop2_word, vop3
from tests.unit.vgpu_core.test_vgpu_core_floats import MODES, columns, run, same, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.vgpu_core.machine import Machine

FROM_INTEGER: dict[str, Callable[[int], int]] = {
    "v_cvt_f32_i32": signed,
    "v_cvt_f32_u32": lambda x: x,
    "v_cvt_f64_i32": signed,
    "v_cvt_f64_u32": lambda x: x,
    "v_cvt_f16_i16": lambda x: signed(x, 16),
    "v_cvt_f16_u16": lambda x: x & 0xFFFF,
    "v_cvt_f32_ubyte0": lambda x: x & 255,
    "v_cvt_f32_ubyte1": lambda x: x >> 8 & 255,
    "v_cvt_f32_ubyte2": lambda x: x >> 16 & 255,
    "v_cvt_f32_ubyte3": lambda x: x >> 24,
}


@pytest.mark.parametrize("name", sorted(FROM_INTEGER))
@settings(max_examples=12)
@given(seed=st.integers(0, M32), mode=st.sampled_from(MODES))
def test_from_integer(machine: Machine, name: str, seed: int, mode: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    column = [
        draw.choice((draw.getrandbits(32), 0, M32, 1 << draw.randrange(32), 0x80000000)) for _ in range(LANES)
    ]
    fmt = FORMATS[ROWS[name].dst]
    for lane, got in enumerate(run(machine, name, [column], mode)):
        assert got == fmt.encode(Fraction(FROM_INTEGER[name](column[lane])), mode), hex(column[lane])


@pytest.mark.parametrize("kind", ["f16", "f32", "f64"])
@settings(max_examples=12)
@given(data=st.data(), seed=st.integers(0, M32))
def test_ldexp(machine: Machine, kind: str, data: st.DataObject, seed: int) -> None:
    fmt, draw = FORMATS[kind.upper()], random.Random(seed)  # noqa: S311
    column = data.draw(columns(fmt))
    powers = [
        draw.choice((draw.randint(-30, 30), draw.randint(-2200, 2200), 0x7FFF, -0x8000)) for _ in range(LANES)
    ]
    got = run(machine, f"v_ldexp_{kind}", [column, [p & M32 for p in powers]], floats.EVEN)
    for lane, raw in enumerate(column):
        want = raw
        if fmt.finite(raw):
            want = fmt.encode(
                fmt.value(raw) * Fraction(2) ** powers[lane], negative_zero=bool(raw & fmt.sign)
            )
        assert same(fmt, got[lane], want), (hex(raw), powers[lane], hex(got[lane]), hex(want))


def parts(fmt: Format, raw: int) -> tuple[int, int]:
    """Mantissa in [0.5, 1) and exponent; the value itself and 0 where there is none."""
    if not fmt.finite(raw) or not raw & ~fmt.sign:
        return raw, 0
    value, exponent = abs(fmt.value(raw)), 0
    while value >= 1:
        value, exponent = value / 2, exponent + 1
    while value < Fraction(1, 2):
        value, exponent = value * 2, exponent - 1
    return fmt.encode(value) | raw & fmt.sign, exponent


@pytest.mark.parametrize("kind", ["f16", "f32", "f64"])
@settings(max_examples=6)
@given(data=st.data())
def test_frexp_and_fract(machine: Machine, kind: str, data: st.DataObject) -> None:
    fmt = FORMATS[kind.upper()]
    column = data.draw(columns(fmt))
    exponent_name = "v_frexp_exp_i16_f16" if kind == "f16" else f"v_frexp_exp_i32_{kind}"
    mantissas = run(machine, f"v_frexp_mant_{kind}", [column], floats.EVEN)
    exponents = run(machine, exponent_name, [column], floats.EVEN)
    fractions = run(machine, f"v_fract_{kind}", [column], floats.EVEN)
    for lane, raw in enumerate(column):
        mantissa, exponent = parts(fmt, raw)
        assert same(fmt, mantissas[lane], mantissa), hex(raw)
        assert signed(exponents[lane], 16 if kind == "f16" else 32) == exponent, hex(raw)
        if fmt.finite(raw):
            value = fmt.value(raw)
            largest = fmt.encode(Fraction(1)) - 1
            want = min(fmt.encode(value - value.__floor__()), largest)
            assert fractions[lane] & ~fmt.sign == want, hex(raw)


@settings(max_examples=20)
@given(a=columns(SINGLE), b=columns(SINGLE))
def test_pack_toward_zero(machine: Machine, a: list[int], b: list[int]) -> None:
    a = [x & 0x80000000 | (x & M32 >> 1) % (40 << 23) + (100 << 23) if i % 2 else x for i, x in enumerate(a)]
    for lane, got in enumerate(run(machine, "v_cvt_pkrtz_f16_f32", [a, b], floats.EVEN)):
        for part, raw in enumerate((a[lane], b[lane])):
            want = floats.convert(SINGLE, HALF, raw, floats.ZERO)
            assert same(HALF, got >> 16 * part & 0xFFFF, want), hex(raw)


@pytest.mark.parametrize("kind", ["f16", "f32"])
@settings(max_examples=8)
@given(data=st.data())
def test_short_multiply_adds(machine: Machine, kind: str, data: st.DataObject) -> None:
    """fmac adds to its destination; fmamk multiplies by, fmaak adds, the constant behind it."""
    fmt = FORMATS[kind.upper()]
    a, b, c = (data.draw(columns(fmt)) for _ in range(3))
    k = a[0]
    vgprs = {1: a, 2: b, 4: c}
    mac = machine.step([vop2_word(f"v_fmac_{kind}", 4, VGPR + 1, 2)], vgprs=vgprs, read=["v 4"])
    mk = machine.step([vop2_word(f"v_fmamk_{kind}", 5, VGPR + 1, 2), k], vgprs=vgprs, read=["v 5"])
    ak = machine.step([vop2_word(f"v_fmaak_{kind}", 5, VGPR + 1, 2), k], vgprs=vgprs, read=["v 5"])
    for lane in range(LANES):
        x, y, z = a[lane], b[lane], c[lane]
        assert same(fmt, mac[lane], floats.fma(fmt, x, y, z))
        assert same(fmt, mk[lane], floats.fma(fmt, x, k, y))
        assert same(fmt, ak[lane], floats.fma(fmt, x, y, k))


@pytest.mark.parametrize("op", ["add", "mul", "min", "max"])
@settings(max_examples=8)
@given(data=st.data())
def test_packed_halves(machine: Machine, op: str, data: st.DataObject) -> None:
    low, high, low2, high2 = (data.draw(columns(HALF)) for _ in range(4))
    a = [x | y << 16 for x, y in zip(low, high, strict=True)]
    b = [x | y << 16 for x, y in zip(low2, high2, strict=True)]
    words = vop3(f"v_pk_{op}_f16", 4, [VGPR + 1, VGPR + 2])
    words[0] |= 1 << 14
    words[1] |= 3 << 27  # op_sel_hi: high with high
    answer = machine.step(words, vgprs={1: a, 2: b}, read=["v 4"])
    functions: dict[str, Callable[[Format, int, int], int]] = {
        "add": floats.add,
        "mul": floats.mul,
        "min": floats.minimum,
        "max": lambda f, x, y: floats.minimum(f, x, y, largest=True),
    }
    function = functions[op]
    for lane, got in enumerate(answer):
        assert same(HALF, got & 0xFFFF, function(HALF, low[lane], low2[lane]))
        assert same(HALF, got >> 16, function(HALF, high[lane], high2[lane]))


@pytest.mark.parametrize("kind", ["f16", "f32"])
@settings(max_examples=8)
@given(data=st.data())
def test_median(machine: Machine, kind: str, data: st.DataObject) -> None:
    fmt = FORMATS[kind.upper()]
    lanes = [data.draw(columns(fmt)) for _ in range(3)]
    for lane, got in enumerate(run(machine, f"v_med3_{kind}", lanes, floats.EVEN)):
        operands = [column[lane] for column in lanes]
        if any(fmt.is_nan(x) for x in operands):
            want = floats.minimum(fmt, floats.minimum(fmt, operands[0], operands[1]), operands[2])
        else:
            want = sorted(operands, key=lambda x: (floats.order(fmt, x), not x & fmt.sign))[1]
        assert same(fmt, got, want), [hex(x) for x in operands]


@pytest.mark.parametrize("wave", [32, 64])
def test_select_by_mask(machine: Machine, wave: int) -> None:
    a, b = list(range(wave)), list(range(100, 100 + wave))
    words = vop3("v_cndmask_b32", 4, [VGPR + 1, VGPR + 2, 10])
    answer = machine.step(
        words, vgprs={1: a, 2: b}, scalars={10: 0xF0F0F0F0, 11: 0x0000FFFF}, read=["v 4"], wave=wave
    )
    mask = 0xF0F0F0F0 | 0x0000FFFF << 32
    assert answer == [b[k] if mask >> k & 1 else a[k] for k in range(wave)]
    assert split(2, a, SINGLE) == {2: a}
