"""Vector instructions that few kernels use: unfused multiply-adds, cube maps, sums of differences, packing.

And the half-precision and double-precision transcendental unit, whose results may be off by an ulp.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.vgpu_core import floats
from tests.unit.vgpu_core.floats import DOUBLE, FORMATS, HALF, SINGLE
from tests.unit.vgpu_core.integers import M16, M32, M64, octets, sad8, signed
from tests.unit.vgpu_core.machine import LANES
from tests.unit.vgpu_core.table import ROWS, VGPR, Mods, vop1_word, vop2_word, vop3
from tests.unit.vgpu_core.test_vgpu_core_floats import columns, run, same, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.vgpu_core.floats import Format
    from tests.unit.vgpu_core.machine import Machine

UNFUSED = ("v_mad_f32", "v_mac_f32", "v_madmk_f32", "v_madak_f32", "v_mad_legacy_f32", "v_mac_legacy_f32")
LEGACY = ("v_mul_legacy_f32", "v_mullit_f32")
CUBE = ("v_cubeid_f32", "v_cubesc_f32", "v_cubetc_f32", "v_cubema_f32")
NORMALISED = ("v_cvt_norm_i16_f16", "v_cvt_norm_u16_f16")
PACKED = [f"v_cvt_pknorm_{k}16_f{b}" for k in "iu" for b in (16, 32)]
ROUNDERS = ("v_cvt_rpi_i32_f32", "v_cvt_flr_i32_f32")
APPROXIMATE: dict[str, Callable[[float], float]] = {
    "v_rcp_f16": lambda x: 1 / x if x else math.copysign(math.inf, x),
    "v_sqrt_f16": lambda x: x if x == 0 else math.sqrt(x),
    "v_rsq_f16": lambda x: 1 / math.sqrt(x) if x else math.copysign(math.inf, x),
    "v_log_f16": lambda x: math.log2(x) if x else -math.inf,
    "v_exp_f16": lambda x: math.inf if x > 1000 else 2.0**x,
    "v_rcp_f64": lambda x: 1 / x if x else math.copysign(math.inf, x),
    "v_sqrt_f64": lambda x: x if x == 0 else math.sqrt(x),
    "v_rsq_f64": lambda x: 1 / math.sqrt(x) if x else math.copysign(math.inf, x),
    "v_rcp_iflag_f32": lambda x: 1 / x if x else math.copysign(math.inf, x),
}
SUMS = ("v_qsad_pk_u16_u8", "v_mqsad_pk_u16_u8", "v_mqsad_u32_u8")
CLASSES = [f"v_cmp{x}_class_{kind}" for x in ("", "x") for kind in ("f16", "f32", "f64")]
MOVES = ("v_swap_b32", "v_swaprel_b32", "v_movreld_b32", "v_movrelsd_b32", "v_movrelsd_2_b32")
NOTHING = ("v_nop", "v_pipeflush", "v_clrexcp")
SINGLE_TESTS = (
    "v_sin_f16",
    "v_cos_f16",
    "v_cvt_off_f32_i4",
    "v_cvt_pk_u8_f32",
    "v_div_fixup_f16",
    "v_trig_preop_f64",
)
MIXED = ("v_fma_mixlo_f16", "v_fma_mixhi_f16", "v_pk_fmac_f16", "v_mad_i64_i32")
COVERED = {*UNFUSED, *LEGACY, *CUBE, *NORMALISED, *PACKED, *ROUNDERS, *APPROXIMATE, *SUMS, *CLASSES, *MOVES}
COVERED |= {*NOTHING, *SINGLE_TESTS, *MIXED}
M0 = 124


def normal(draw: random.Random) -> int:
    """An f32 whose products and sums with others are normal."""
    return SINGLE.encode(Fraction(draw.randrange(1, 1 << 24), 1 << draw.randrange(8, 24))) | draw.choice(
        (0, SINGLE.sign)
    )


def flushed(raw: int) -> int:
    """Denormals become zero."""
    return raw if raw & 0x7F800000 else raw & SINGLE.sign


@pytest.mark.parametrize("name", UNFUSED)
def test_unfused_multiply_add(machine: Machine, name: str) -> None:
    """The product is rounded before the sum; denormals are zero; legacy: 0 times anything is 0."""
    draw = random.Random(name)  # noqa: S311
    edges = [0, SINGLE.sign, 1, 0x00400000, 0x807FFFFF, 0x3F800001]
    a, b, c = (
        [draw.choice((normal(draw), normal(draw), draw.choice(edges))) for _ in range(LANES)]
        for _ in range(3)
    )
    constant = normal(draw)
    if name == "v_madmk_f32":
        words, b = [vop2_word(name, 20, VGPR + 2, 6), constant], [constant] * LANES
    elif name == "v_madak_f32":
        words, c = [vop2_word(name, 20, VGPR + 2, 4), constant], [constant] * LANES
    elif "mac" in name:
        words = [vop2_word(name, 20, VGPR + 2, 4)]
    else:
        words = vop3(name, 20, [VGPR + 2, VGPR + 4, VGPR + 6])
    old = c if "mac" in name else [0] * LANES
    answer = machine.step(words, vgprs={2: a, 4: b, 6: c, 20: old}, read=["v 20"])
    for lane, (x, y, z) in enumerate(zip(a, b, c, strict=True)):
        x, y, z = flushed(x), flushed(y), flushed(z)  # noqa: PLW2901  as the unit sees them
        product = flushed(floats.mul(SINGLE, x, y))
        if "legacy" in name and 0 in (x & ~SINGLE.sign, y & ~SINGLE.sign):
            product = 0
        want = flushed(floats.add(SINGLE, product, z))
        assert answer[lane] == want, [hex(v) for v in (x, y, z)]


def test_legacy_products(machine: Machine) -> None:
    """0 times infinity or NaN is 0; v_mullit keeps its lowest value for what has no lighting."""
    infinity, lowest, one, two = SINGLE.infinity, 0xFF7FFFFF, 0x3F800000, 0x40000000
    a = [0, infinity, two, SINGLE.sign, 0x7FC00000]
    b = [infinity, 0, two, one, 0]
    answer = machine.step(
        vop3("v_mul_legacy_f32", 20, [VGPR + 2, VGPR + 4]), vgprs={2: a, 4: b}, read=["v 20"]
    )
    assert answer[:5] == [0, 0, 0x40800000, 0, 0]
    words = vop3("v_mullit_f32", 20, [VGPR + 2, VGPR + 4, VGPR + 6])
    cases = [(two, two, one, 0x40800000), (two, two, 0, lowest), (two, lowest, one, lowest), (0, two, one, 0)]
    cases += [(two, infinity, one, lowest), (two, two, 0xBF800000, lowest), (two, two, 0x7FC00000, lowest)]
    vgprs = {2: [c[0] for c in cases], 4: [c[1] for c in cases], 6: [c[2] for c in cases]}
    assert machine.step(words, vgprs=vgprs, read=["v 20"])[: len(cases)] == [c[3] for c in cases]


def test_cube_maps(machine: Machine) -> None:
    """The face that a direction points to, the coordinates on it and twice the major axis."""
    # (x, y, z): id, sc, tc, ma
    cases = {
        (3, 1, 2): (0, -2, -1, 6),
        (-3, 1, 2): (1, 2, -1, -6),
        (1, 3, 2): (2, 1, 2, 6),
        (1, -3, 2): (3, 1, -2, -6),
        (1, 2, 3): (4, 1, -2, 6),
        (1, 2, -3): (5, -1, -2, -6),
    }
    one = {k: [SINGLE.encode(Fraction(case[k // 2 - 1])) for case in cases] for k in (2, 4, 6)}
    for at, name in enumerate(CUBE):
        answer = machine.step(vop3(name, 20, [VGPR + 2, VGPR + 4, VGPR + 6]), vgprs=one, read=["v 20"])
        got = [SINGLE.as_float(raw) for raw in answer[: len(cases)]]
        assert got == [float(want[at]) for want in cases.values()], name


def normalised(fmt: Format, raw: int, *, sign: bool) -> int:
    """1.0 is the largest value; nearest, ties to even."""
    if fmt.is_nan(raw):
        return 0
    top = 32767 if sign else 65535
    low = -1 if sign else 0
    value = fmt.value(raw) if fmt.finite(raw) else Fraction(-9 if raw & fmt.sign else 9)
    # The unit multiplies in f32 before it rounds to a whole number.
    scaled = SINGLE.value(SINGLE.encode(max(Fraction(low), min(Fraction(1), value)) * top))
    return round(scaled) & M16


@pytest.mark.parametrize("name", [*NORMALISED, *PACKED])
@settings(max_examples=4)
@given(data=st.data())
def test_normalised(machine: Machine, name: str, data: st.DataObject) -> None:
    fmt = FORMATS[ROWS[name].src[0]]
    lanes = [data.draw(columns(fmt)) for _ in ROWS[name].src]
    sign = "_i16_" in name
    for lane, got in enumerate(run(machine, name, lanes, floats.EVEN)):
        parts = [normalised(fmt, column[lane], sign=sign) for column in lanes]
        assert got == parts[0] | (parts[1] << 16 if len(parts) > 1 else 0), [hex(c[lane]) for c in lanes]


@pytest.mark.parametrize("name", ROUNDERS)
@settings(max_examples=4)
@given(column=columns(SINGLE))
def test_rounded_to_integer(machine: Machine, name: str, column: list[int]) -> None:
    """rpi: down after adding a half; flr: down. Both saturate."""
    for lane, got in enumerate(run(machine, name, [column], floats.EVEN)):
        raw = column[lane]
        if SINGLE.is_nan(raw):
            want = 0
        elif not SINGLE.finite(raw):
            want = -(1 << 31) if raw & SINGLE.sign else (1 << 31) - 1
        else:
            value = SINGLE.value(raw) + (Fraction(1, 2) if "rpi" in name else 0)
            want = max(-(1 << 31), min((1 << 31) - 1, math.floor(value)))
        assert got == want & M32, hex(raw)


def test_small_conversions(machine: Machine) -> None:
    answer = machine.step(
        [vop1_word("v_cvt_off_f32_i4", 20, VGPR + 2)], vgprs={2: list(range(LANES))}, read=["v 20"]
    )
    assert [SINGLE.as_float(raw) for raw in answer] == [signed(k, 4) / 16 for k in range(LANES)]
    values = [Fraction(v) for v in (0, 1, 200, 255, 300, -5)]
    words = vop3("v_cvt_pk_u8_f32", 20, [VGPR + 2, VGPR + 4, VGPR + 6])
    for byte in range(5):
        vgprs = {2: [SINGLE.encode(v) for v in values], 4: [byte], 6: [0x11223344]}
        got = machine.step(words, vgprs=vgprs, read=["v 20"])
        shift = 8 * (byte & 3)
        want = [0x11223344 & ~(255 << shift) | max(0, min(255, int(v))) << shift for v in values]
        assert got[: len(values)] == want


def approximate(fmt: Format, function: Callable[[float], float], raw: int) -> int:
    """A function's correctly rounded value; f32 denormals are zero on both sides."""
    if fmt is SINGLE:
        raw = flushed(raw)
    try:
        result = function(fmt.as_float(raw))
    except (ValueError, OverflowError, ZeroDivisionError):
        return fmt.quiet(fmt.infinity)
    if not math.isfinite(result):
        return floats.special(fmt, result)
    encoded = fmt.encode(Fraction(result), negative_zero=math.copysign(1, result) < 0)
    return flushed(encoded) if fmt is SINGLE else encoded


@pytest.mark.parametrize("name", sorted(APPROXIMATE))
@settings(max_examples=6)
@given(data=st.data())
def test_transcendental(machine: Machine, name: str, data: st.DataObject) -> None:
    fmt = FORMATS[ROWS[name].src[0]]
    column = data.draw(columns(fmt))
    for lane, got in enumerate(run(machine, name, [column], floats.EVEN)):
        want = approximate(fmt, APPROXIMATE[name], column[lane])
        close = fmt.finite(want) and fmt.finite(got) and abs(got - want) <= 1
        edge = {got, want} == {fmt.infinity, fmt.infinity - 1}
        assert close or edge or same(fmt, got, want), (hex(column[lane]), hex(got), hex(want))


def test_half_sine_in_turns(machine: Machine) -> None:
    raw = [HALF.encode(Fraction(k, 16)) for k in range(-16, 16)]
    for name, function in (("v_sin_f16", math.sin), ("v_cos_f16", math.cos)):
        answer = machine.step([vop1_word(name, 20, VGPR + 2)], vgprs={2: raw}, read=["v 20"])
        for x, got in zip(raw, answer, strict=True):
            assert abs(HALF.as_float(got & M16) - function(2 * math.pi * HALF.as_float(x))) < 1e-3


@settings(max_examples=6)
@given(den=columns(HALF), num=columns(HALF))
def test_half_division_fixup(machine: Machine, den: list[int], num: list[int]) -> None:
    """Special operands decide; else the quotient's magnitude with the right sign."""
    quotient = HALF.encode(Fraction(3, 2))
    got = run(machine, "v_div_fixup_f16", [[quotient] * LANES, den, num], floats.EVEN)
    for lane, (d, n) in enumerate(zip(den, num, strict=True)):
        sign = (d ^ n) & HALF.sign
        zero_d, zero_n = not d & ~HALF.sign, not n & ~HALF.sign
        if HALF.is_nan(n) or HALF.is_nan(d) or (zero_d and zero_n) or not (HALF.finite(d) or HALF.finite(n)):
            want = HALF.quiet(HALF.infinity)
        elif zero_d or not HALF.finite(n):
            want = HALF.infinity | sign
        elif zero_n or not HALF.finite(d):
            want = sign
        else:
            want = quotient | sign
        assert same(HALF, got[lane] & M16, want), (hex(d), hex(n), hex(got[lane]))


def test_reduction_constants(machine: Machine) -> None:
    """v_trig_preop: 53 bits of 2/pi from a bit that the exponent and the segment choose."""
    digits = (
        0xA2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561B7246E3A424DD2E0  # 2/pi * 2^320
    )
    for segment in (0, 1, 2):
        answer = run(
            machine,
            "v_trig_preop_f64",
            [[DOUBLE.encode(Fraction(1))] * LANES, [segment] * LANES],
            floats.EVEN,
        )
        at = 53 * segment
        bits_of = digits >> (320 - at - 53) & ((1 << 53) - 1)
        assert answer[0] == DOUBLE.encode(Fraction(bits_of, 1 << (at + 53)))


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_differences(machine: Machine, name: str) -> None:
    """Four windows of the first operand, one byte apart, each with an accumulator of its own."""
    draw = random.Random(name)  # noqa: S311
    a = [draw.getrandbits(64) for _ in range(LANES)]
    b = [draw.getrandbits(32) & draw.choice((M32, 0xFF00FFFF)) for _ in range(LANES)]
    c = [draw.getrandbits(64) & 0x0FFF_0FFF_0FFF_0FFF for _ in range(LANES)]
    high = [draw.getrandbits(64) for _ in range(LANES)]
    vgprs = split(2, a, DOUBLE) | {6: b} | split(8, c, DOUBLE) | split(10, high, DOUBLE)
    answer = machine.step(
        vop3(name, 20, [VGPR + 2, VGPR + 6, VGPR + 8]), vgprs=vgprs, read=[f"v {k}" for k in range(20, 24)]
    )
    for lane in range(LANES):
        sums = [sad8(a[lane] >> (8 * k) & M32, b[lane], masked=name.startswith("v_m")) for k in range(4)]
        if "pk" in name:
            want = sum((s + (c[lane] >> (16 * k) & M16)) << (16 * k) for k, s in enumerate(sums))
            assert answer[lane] | answer[LANES + lane] << 32 == want
        else:
            parts = [x >> s & M32 for x in (c[lane], high[lane]) for s in (0, 32)]
            want_parts = [s + p & M32 for s, p in zip(sums, parts, strict=True)]
            assert [answer[k * LANES + lane] for k in range(4)] == want_parts
    assert octets(0x04030201) == [1, 2, 3, 4]


@pytest.mark.parametrize("name", CLASSES)
def test_classes(machine: Machine, name: str) -> None:
    """Ten kinds of numbers, a bit each."""
    fmt = FORMATS[name.rpartition("_")[2].upper()]
    one = fmt.encode(Fraction(1))
    cases = [fmt.infinity + 1, fmt.quiet(fmt.infinity), fmt.infinity | fmt.sign, one | fmt.sign, fmt.sign | 1]
    cases += [fmt.sign, 0, 1, one, fmt.infinity]
    slot = 126 if "cmpx" in name else 16
    for bit, raw in enumerate(cases):
        for mask, want in ((1 << bit, M32), (0x3FF ^ 1 << bit, 0)):
            answer = machine.step(
                vop3(name, slot, [VGPR + 2, VGPR + 6]),
                vgprs={**split(2, [raw], fmt), 6: [mask]},
                read=[f"s {slot}"],
            )
            assert answer == [want], (bit, hex(mask))


def test_registers_chosen_by_m0(machine: Machine) -> None:
    base = {k: [100 + k] for k in range(4, 12)}
    one = machine.step(
        [vop1_word("v_movreld_b32", 4, VGPR + 8)], vgprs=base, scalars={M0: 2}, read=["v 4", "v 6"]
    )
    assert (one[0], one[LANES]) == (104, 108)
    both = machine.step([vop1_word("v_movrelsd_b32", 4, VGPR + 8)], vgprs=base, scalars={M0: 2}, read=["v 6"])
    assert both[0] == 110
    two = {M0: 1 << 16 | 3}  # the source's part in 9:0, the destination's in 25:16
    moved = machine.step([vop1_word("v_movrelsd_2_b32", 4, VGPR + 8)], vgprs=base, scalars=two, read=["v 5"])
    assert moved[0] == 111
    swapped = machine.step(
        [vop1_word("v_swaprel_b32", 4, VGPR + 8)], vgprs=base, scalars=two, read=["v 5", "v 11"]
    )
    assert (swapped[0], swapped[LANES]) == (111, 105)
    plain = machine.step(
        [vop1_word("v_swap_b32", 4, VGPR + 8)], vgprs=base, scalars={126: 1}, read=["v 4", "v 8"]
    )
    assert (plain[0], plain[LANES]) == (108, 104)
    assert (plain[1], plain[LANES + 1]) == (104, 108)


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_happens(machine: Machine, name: str) -> None:
    assert machine.step([vop1_word(name, 0, 0)], vgprs={0: [9]}, read=["v 0"]) == [9] * LANES


@pytest.mark.parametrize("name", ["v_fma_mixlo_f16", "v_fma_mixhi_f16"])
def test_mixed_to_half(machine: Machine, name: str) -> None:
    """f16 from either half, f32 whole; the result goes to one half, the other is kept."""
    two, three, half = (HALF.encode(Fraction(k)) for k in (2, 3, Fraction(1, 2)))
    single = SINGLE.encode(Fraction(5, 4))
    words = vop3(name, 20, [VGPR + 2, VGPR + 4, VGPR + 6], Mods(op_sel=0b010, op_sel_hi=0b011))
    vgprs = {2: [two | half << 16], 4: [half | three << 16], 6: [single], 20: [0x1234ABCD]}
    answer = machine.step(words, vgprs=vgprs, read=["v 20"])
    want = HALF.encode(Fraction(2) * 3 + Fraction(5, 4))
    assert answer[0] == (0x12340000 | want if "mixlo" in name else want << 16 | 0xABCD)


def test_packed_accumulate(machine: Machine) -> None:
    low, high = (HALF.encode(Fraction(k)) for k in (2, 3))
    old = HALF.encode(Fraction(1)) | HALF.encode(Fraction(10)) << 16
    pair = low | high << 16
    answer = machine.step(
        [vop2_word("v_pk_fmac_f16", 20, VGPR + 2, 4)], vgprs={2: [pair], 4: [pair], 20: [old]}, read=["v 20"]
    )
    assert answer[0] == HALF.encode(Fraction(5)) | HALF.encode(Fraction(19)) << 16


def test_signed_wide_multiply_add(machine: Machine) -> None:
    draw = random.Random(1)  # noqa: S311
    edges = (0, 1, M32, 0x80000000, 0x7FFFFFFF)
    a, b = ([draw.choice((draw.choice(edges), draw.getrandbits(32))) for _ in range(LANES)] for _ in range(2))
    c = [draw.choice((0, M64, 1 << 63, draw.getrandbits(64))) for _ in range(LANES)]
    answer = machine.step(
        vop3("v_mad_i64_i32", 20, [VGPR + 2, VGPR + 4, VGPR + 6], sdst=30),
        vgprs={2: a, 4: b, **split(6, c, DOUBLE)},
        read=["v 20", "v 21"],
    )
    for lane in range(LANES):
        want = signed(a[lane]) * signed(b[lane]) + signed(c[lane], 64) & M64
        assert answer[lane] | answer[LANES + lane] << 32 == want
