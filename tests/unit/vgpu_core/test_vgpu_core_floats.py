"""Float instructions against exact rational arithmetic: every rounding mode, denormals, NaN, infinities."""

from __future__ import annotations

import math
import random
import struct
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.vgpu_core import floats
from tests.unit.vgpu_core.floats import DOUBLE, FORMATS, HALF, SINGLE, Format
from tests.unit.vgpu_core.machine import LANES
from tests.unit.vgpu_core.table import ROWS, VGPR, Mods, vop3

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.vgpu_core.machine import Machine

MODES = (floats.EVEN, floats.UP, floats.DOWN, floats.ZERO)


def encoding(fmt: Format, draw: random.Random) -> int:
    """An encoding of a format: an edge, something near one, anything."""
    one = fmt.encode(Fraction(1))
    edges = [
        0,
        1,
        2,
        1 << fmt.fraction_bits,
        (1 << fmt.fraction_bits) - 1,
        one,
        one + 1,
        one - 1,
        one << 1 & ~fmt.sign,
    ]
    edges += [fmt.infinity, fmt.infinity - 1, fmt.infinity + 1, fmt.quiet(fmt.infinity)]
    near = draw.randint(one - (3 << fmt.fraction_bits), one + (3 << fmt.fraction_bits))
    magnitude = draw.choice((draw.choice(edges), near, draw.randrange(fmt.sign)))
    return (magnitude & (fmt.sign - 1)) | draw.choice((0, fmt.sign))


def columns(fmt: Format) -> st.SearchStrategy[list[int]]:
    """One source's lanes."""

    def fill(seed: int) -> list[int]:
        draw = random.Random(seed)  # noqa: S311
        return [encoding(fmt, draw) for _ in range(LANES)]

    return st.integers(0, (1 << 32) - 1).map(fill)


def split(base: int, lanes: list[int], fmt: Format) -> dict[int, list[int]]:
    """Registers that hold the lanes."""
    if fmt is DOUBLE:
        return {base: [x & 0xFFFFFFFF for x in lanes], base + 1: [x >> 32 for x in lanes]}
    return {base: lanes}


def same(fmt: Format, got: int, want: int) -> bool:
    """Equal bits, or both NaN and the result quiet."""
    if fmt.is_nan(want):
        return fmt.is_nan(got) and not fmt.signalling(got)
    return got == want


def run(
    machine: Machine, name: str, lanes: list[list[int]], mode: int, mods: Mods | None = None
) -> list[int]:
    """The destination lanes of a float instruction."""
    row = ROWS[name]
    sources = [FORMATS.get(kind, SINGLE) for kind in row.src]
    vgprs: dict[int, list[int]] = {20: [0] * LANES}
    for k, column in enumerate(lanes):
        vgprs |= split(2 * k + 2, column, sources[k])
    codes = [VGPR + 2 * k + 2 for k in range(len(lanes))]
    answer = machine.step(
        vop3(name, 20, codes, mods),
        vgprs=vgprs,
        read=["v 20", "v 21"],
        extra=[f"mode {0x3F0 | mode | mode << 2:x}"],
    )
    if row.dst == "F64":
        return [lo | hi << 32 for lo, hi in zip(answer[:LANES], answer[LANES:], strict=True)]
    return answer[:LANES]


ROUND: dict[str, Callable[..., int]] = {
    "add": lambda f, m, a, b: floats.add(f, a, b, m),
    "sub": lambda f, m, a, b: floats.add(f, a, b ^ f.sign, m),
    "subrev": lambda f, m, a, b: floats.add(f, b, a ^ f.sign, m),
    "mul": lambda f, m, a, b: floats.mul(f, a, b, m),
    "fma": lambda f, m, a, b, c: floats.fma(f, a, b, c, m),
    "min": lambda f, _, a, b: floats.minimum(f, a, b),
    "max": lambda f, _, a, b: floats.minimum(f, a, b, largest=True),
    "min3": lambda f, _, a, b, c: floats.minimum(f, floats.minimum(f, a, b), c),
    "max3": lambda f, _, a, b, c: floats.minimum(f, floats.minimum(f, a, b, largest=True), c, largest=True),
}
ROUNDED = sorted(
    f"v_{op}_{kind}" for op in ROUND for kind in ("f16", "f32", "f64") if f"v_{op}_{kind}" in ROWS
)


@pytest.mark.parametrize("name", ROUNDED)
@settings(max_examples=6)
@given(data=st.data(), mode=st.sampled_from(MODES))
def test_rounded(machine: Machine, name: str, data: st.DataObject, mode: int) -> None:
    _, op, kind = name.split("_")
    fmt, function = FORMATS[kind.upper()], ROUND[op]
    lanes = [data.draw(columns(fmt)) for _ in ROWS[name].src]
    for lane, got in enumerate(run(machine, name, lanes, mode)):
        operands = [column[lane] for column in lanes]
        want = function(fmt, mode, *operands)
        assert same(fmt, got, want), (name, mode, [hex(x) for x in operands], hex(got), hex(want))


@settings(max_examples=10)
@given(
    a=columns(SINGLE), b=columns(SINGLE), c=columns(SINGLE), neg=st.integers(0, 7), absolute=st.integers(0, 7)
)
def test_modifiers(
    machine: Machine, *, a: list[int], b: list[int], c: list[int], neg: int, absolute: int
) -> None:
    got = run(machine, "v_fma_f32", [a, b, c], floats.EVEN, Mods(neg=neg, absolute=absolute))
    for lane, operands in enumerate(zip(a, b, c, strict=True)):
        changed = [
            (x & 0x7FFFFFFF if absolute >> k & 1 else x) ^ (0x80000000 if neg >> k & 1 else 0)
            for k, x in enumerate(operands)
        ]
        assert same(SINGLE, got[lane], floats.fma(SINGLE, *changed))


@pytest.mark.parametrize("omod", [0, 1, 2, 3])
@settings(max_examples=3)
@given(a=columns(SINGLE), b=columns(SINGLE))
def test_clamp_and_omod(machine: Machine, omod: int, a: list[int], b: list[int]) -> None:
    got = run(machine, "v_add_f32", [a, b], floats.EVEN, Mods(clamp=True, omod=omod))
    factor = SINGLE.encode(Fraction((1, 2, 4, Fraction(1, 2))[omod]))
    for lane, (x, y) in enumerate(zip(a, b, strict=True)):
        total = floats.mul(SINGLE, floats.add(SINGLE, x, y), factor)
        value = SINGLE.as_float(total)
        want = 0 if math.isnan(value) or value <= 0 else SINGLE.encode(Fraction(1)) if value >= 1 else total
        assert got[lane] == want, (hex(x), hex(y))


@pytest.mark.parametrize("name", ["v_cvt_f16_f32", "v_cvt_f32_f16", "v_cvt_f32_f64", "v_cvt_f64_f32"])
@settings(max_examples=6)
@given(data=st.data(), mode=st.sampled_from(MODES))
def test_format_conversion(machine: Machine, name: str, data: st.DataObject, mode: int) -> None:
    source, target = FORMATS[ROWS[name].src[0]], FORMATS[ROWS[name].dst]
    column = data.draw(columns(source))
    if target is HALF and source is SINGLE:
        column = [
            x & 0x80000000 | (x & 0x7FFFFFFF) % (40 << 23) + (100 << 23) if i % 2 else x
            for i, x in enumerate(column)
        ]
    for lane, got in enumerate(run(machine, name, [column], mode)):
        want = floats.convert(source, target, column[lane], mode)
        assert same(target, got, want), (hex(column[lane]), mode, hex(got), hex(want))


TO_INTEGER = {
    "v_cvt_i32_f32": (-(1 << 31), (1 << 31) - 1),
    "v_cvt_u32_f32": (0, (1 << 32) - 1),
    "v_cvt_i32_f64": (-(1 << 31), (1 << 31) - 1),
}
TO_INTEGER |= {
    "v_cvt_u32_f64": (0, (1 << 32) - 1),
    "v_cvt_i16_f16": (-(1 << 15), (1 << 15) - 1),
    "v_cvt_u16_f16": (0, (1 << 16) - 1),
}


@pytest.mark.parametrize("name", sorted(TO_INTEGER))
@settings(max_examples=6)
@given(data=st.data())
def test_to_integer(machine: Machine, name: str, data: st.DataObject) -> None:
    fmt = FORMATS[ROWS[name].src[0]]
    column = data.draw(columns(fmt))
    low, high = TO_INTEGER[name]
    mask = 0xFFFF if name.endswith("f16") else 0xFFFFFFFF
    for lane, got in enumerate(run(machine, name, [column], floats.EVEN)):
        raw = column[lane]
        if fmt.is_nan(raw):
            want = 0
        elif not fmt.finite(raw):
            want = low if raw & fmt.sign else high
        else:
            want = max(low, min(high, math.trunc(fmt.value(raw))))
        assert got & mask == want & mask, (hex(raw), hex(got))


ROUNDERS: dict[str, Callable[[Fraction], int]] = {
    "trunc": math.trunc,
    "ceil": math.ceil,
    "floor": math.floor,
    "rndne": round,
}


@pytest.mark.parametrize(
    "name", sorted(f"v_{op}_{kind}" for op in ROUNDERS for kind in ("f16", "f32", "f64"))
)
@settings(max_examples=3)
@given(data=st.data())
def test_round_to_whole(machine: Machine, name: str, data: st.DataObject) -> None:
    _, op, kind = name.split("_")
    fmt = FORMATS[kind.upper()]
    column = data.draw(columns(fmt))
    for lane, got in enumerate(run(machine, name, [column], floats.EVEN)):
        raw = column[lane]
        negative = bool(raw & fmt.sign)
        want = (
            fmt.encode(Fraction(ROUNDERS[op](fmt.value(raw))), negative_zero=negative)
            if fmt.finite(raw)
            else raw
        )
        assert same(fmt, got, want), (hex(raw), hex(got), hex(want))


def correctly_rounded(function: Callable[[float], float], raw: int) -> int:
    """An f32 function by double arithmetic; denormal in and out become zero."""
    value = SINGLE.as_float(raw if raw & 0x7F800000 else raw & 0x80000000)
    try:
        result = function(value)
    except (ValueError, OverflowError, ZeroDivisionError):
        return SINGLE.quiet(SINGLE.infinity)
    if not math.isfinite(result):
        return floats.special(SINGLE, result)
    encoded = SINGLE.encode(Fraction(result), negative_zero=math.copysign(1, result) < 0)
    return encoded if encoded & 0x7F800000 else encoded & 0x80000000


TRANSCENDENTAL: dict[str, Callable[[float], float]] = {
    "v_rcp_f32": lambda x: 1 / x if x else math.copysign(math.inf, x),
    "v_sqrt_f32": lambda x: x if x == 0 else math.sqrt(x),
    "v_rsq_f32": lambda x: 1 / math.sqrt(x) if x else math.copysign(math.inf, x),
    "v_log_f32": lambda x: math.log2(x) if x else -math.inf,
    "v_exp_f32": lambda x: math.inf if x > 1000 else 2.0**x,
}


@pytest.mark.parametrize("name", sorted(TRANSCENDENTAL))
@settings(max_examples=6)
@given(column=columns(SINGLE))
def test_transcendental(machine: Machine, name: str, column: list[int]) -> None:
    for lane, got in enumerate(run(machine, name, [column], floats.EVEN)):
        want = correctly_rounded(TRANSCENDENTAL[name], column[lane])
        close = SINGLE.finite(want) and SINGLE.finite(got) and abs(got - want) <= 1
        assert close or same(SINGLE, got, want), (hex(column[lane]), hex(got), hex(want))


@pytest.mark.parametrize("kind", ["f32", "f64"])
@settings(max_examples=10)
@given(data=st.data())
def test_division_is_correctly_rounded(machine: Machine, kind: str, data: st.DataObject) -> None:
    """The whole sequence that LLVM emits for a/b: scale, Newton steps, fmas, fix-up."""
    fmt = FORMATS[kind.upper()]
    num, den = data.draw(columns(fmt)), data.draw(columns(fmt))
    if fmt is DOUBLE:  # just above half way, and seen through the scaling
        num[0], den[0] = 0x7FE0000000000000, 0x3FEFFFFFFFFFFFFF
    wide = kind == "f64"
    vgprs = split(2, num, fmt) | split(4, den, fmt)
    n, d, sd, sn, r, e, q, f = (VGPR + x for x in (2, 4, 6, 8, 10, 12, 14, 16))

    def op(name: str, dst: int, *src: int, neg: int = 0, sdst: int = 30) -> list[int]:
        return vop3(f"v_{name}_{kind}", dst - VGPR, list(src), Mods(neg=neg), sdst=sdst)

    one = 242
    steps = [op("div_scale", sd, d, d, n, sdst=20), op("div_scale", sn, n, d, n, sdst=106), op("rcp", r, sd)]
    for _ in range(2 if wide else 1):
        steps += [op("fma", e, sd, r, one, neg=1), op("fma", r, e, r, r)]
    steps += [op("mul", q, sn, r), op("fma", f, sd, q, sn, neg=1)]
    if not wide:
        steps += [op("fma", q, f, r, q), op("fma", f, sd, q, sn, neg=1)]
    steps += [op("div_fmas", f, f, r, q), op("div_fixup", f, f, d, n)]
    commands = ["wave 32", *(f"v {k} " + " ".join(f"{x:x}" for x in v) for k, v in vgprs.items())]
    commands += ["run " + " ".join(f"{w & 0xFFFFFFFF:x}" for w in words) for words in steps]
    answer = machine.ask([*commands, "get v 16", "get v 17"])
    got = [lo | hi << 32 for lo, hi in zip(answer[:32], answer[32:], strict=True)] if wide else answer[:32]
    for lane, (x, y) in enumerate(zip(num, den, strict=True)):
        negative = bool((x ^ y) & fmt.sign)
        if fmt.finite(x) and fmt.finite(y) and y & ~fmt.sign:
            want = fmt.encode(fmt.value(x) / fmt.value(y), negative_zero=negative)
        elif (
            fmt.is_nan(x)
            or fmt.is_nan(y)
            or (not fmt.finite(x) and not fmt.finite(y))
            or not (x | y) & ~fmt.sign
        ):
            want = fmt.quiet(fmt.infinity)
        else:
            want = (0 if fmt.finite(x) and y & ~fmt.sign else fmt.infinity) | (fmt.sign if negative else 0)
        assert same(fmt, got[lane], want), (hex(x), hex(y), hex(got[lane]), hex(want))


def test_class_bits(machine: Machine) -> None:
    cases = [
        0x7F800001,
        0x7FC00000,
        0xFF800000,
        0xBF800000,
        0x80000001,
        0x80000000,
        0,
        1,
        0x3F800000,
        0x7F800000,
    ]
    for bit, raw in enumerate(cases):
        answer = machine.step(
            vop3("v_cmp_class_f32", 16, [VGPR + 2, VGPR + 3]), vgprs={2: [raw], 3: [1 << bit]}, read=["s 16"]
        )
        assert answer == [0xFFFFFFFF]
        answer = machine.step(
            vop3("v_cmp_class_f32", 16, [VGPR + 2, VGPR + 3]),
            vgprs={2: [raw], 3: [0x3FF ^ 1 << bit]},
            read=["s 16"],
        )
        assert answer == [0]


COMPARE: dict[str, Callable[[float, float], bool]] = {
    "lt": lambda a, b: a < b,
    "eq": lambda a, b: a == b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "lg": lambda a, b: a < b or a > b,
    "ge": lambda a, b: a >= b,
    "o": lambda a, b: not (math.isnan(a) or math.isnan(b)),
    "f": lambda _a, _b: False,
}
INVERSE = {"nlt": "lt", "neq": "eq", "nle": "le", "ngt": "gt", "nlg": "lg", "nge": "ge", "u": "o", "tru": "f"}
FLOAT_COMPARES = sorted(
    n
    for n in ROWS
    if n.startswith("v_cmp") and n.rsplit("_", 1)[1] in ("f16", "f32", "f64") and "class" not in n
)


@pytest.mark.parametrize("name", FLOAT_COMPARES)
@settings(max_examples=3)
@given(data=st.data())
def test_float_compare(machine: Machine, name: str, data: st.DataObject) -> None:
    test, kind = name.removeprefix("v_cmpx_").removeprefix("v_cmp_").split("_")
    fmt = FORMATS[kind.upper()]
    a, b = data.draw(columns(fmt)), data.draw(columns(fmt))
    b = [x if i % 5 == 0 else y for i, (x, y) in enumerate(zip(a, b, strict=True))]
    slot = "126" if "cmpx" in name else "16"
    answer = machine.step(
        vop3(name, int(slot), [VGPR + 2, VGPR + 4]),
        vgprs=split(2, a, fmt) | split(4, b, fmt),
        read=["s " + slot],
    )
    want = 0
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        holds = COMPARE[INVERSE.get(test, test)](fmt.as_float(x), fmt.as_float(y)) != (test in INVERSE)
        want |= holds << i
    assert answer == [want]


def test_denormal_modes(machine: Machine) -> None:
    """Flushing of inputs (bit 0 clear) and of results (bit 1 clear), for f32 alone."""
    tiny, half = 1, SINGLE.encode(Fraction(1, 2))
    smallest = 0x00800000
    for bits, total, product in ((3, 2, 0x00400000), (2, 0, 0x00400000), (1, 0, 0), (0, 0, 0)):
        mode = [f"mode {0x3C0 | bits << 4:x}"]
        add = vop3("v_add_f32", 4, [VGPR + 1, VGPR + 1])
        assert machine.step(add, vgprs={1: [tiny]}, read=["v 4"], extra=mode)[0] == total
        mul = vop3("v_mul_f32", 4, [VGPR + 1, VGPR + 2])
        assert machine.step(mul, vgprs={1: [smallest], 2: [half]}, read=["v 4"], extra=mode)[0] == product


def test_sine_in_turns(machine: Machine) -> None:
    turns = [0.0, 0.25, 0.5, -0.25, 100.125, 0.1, -3.3, 1e6 + 0.25]
    raw = [struct.unpack("<I", struct.pack("<f", x))[0] for x in turns]
    for name, function in (("v_sin_f32", math.sin), ("v_cos_f32", math.cos)):
        answer = machine.step(vop3(name, 4, [VGPR + 1]), vgprs={1: raw}, read=["v 4"])
        for x, got in zip(raw, answer, strict=False):
            value = SINGLE.as_float(x)
            want = function(2 * math.pi * (value - round(value)))
            assert abs(SINGLE.as_float(got) - want) < 1e-7
