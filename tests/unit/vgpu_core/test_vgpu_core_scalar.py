"""Scalar instructions: results and SCC against their Python definitions."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.vgpu_core.integers import M32, M64, brev, signed
from tests.unit.vgpu_core.table import EXEC, ROWS, scalar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.vgpu_core.machine import Machine

Result = tuple[int, int | None]  # value, SCC (None: unchanged)
SAME = None


def bits(value: int, width: int = 32) -> Result:
    """A bit operation: SCC says whether the result is not zero."""
    value &= (1 << width) - 1
    return value, int(value != 0)


def overflow(value: int) -> Result:
    """Signed arithmetic: SCC is overflow."""
    return value & M32, int(not -(1 << 31) <= value < 1 << 31)


def field(value: int, control: int, width: int, *, sign: bool) -> Result:
    """s_bfe: offset in the low bits, width in 22:16."""
    offset, size = control & (width - 1), control >> 16 & 0x7F
    if size == 0:
        return 0, 0
    cut = (signed(value, width) if sign else value) >> offset
    if offset + size < width:
        cut = signed(cut, size) if sign else cut & ((1 << size) - 1)
    return bits(cut, width)


def first(value: int, width: int, *, one: bool) -> Result:
    """Position of the first bit of a kind; all ones when there is none."""
    value = value if one else value ^ ((1 << width) - 1)
    return ((value & -value).bit_length() - 1) & M32, SAME


def leading(value: int, width: int, *, sign: bool) -> Result:
    """Leading zeros, or leading copies of the sign."""
    if sign and value >> (width - 1):
        value ^= (1 << width) - 1
    return (width - value.bit_length()) & M32 if value else M32, SAME


def whole_quads(value: int, width: int) -> Result:
    """s_wqm."""
    return bits(sum(15 << k for k in range(0, width, 4) if value >> k & 15), width)


SCALAR: dict[str, Callable[..., Result]] = {
    "s_add_u32": lambda a, b, _: (a + b & M32, int(a + b > M32)),
    "s_sub_u32": lambda a, b, _: (a - b & M32, int(b > a)),
    "s_add_i32": lambda a, b, _: overflow(signed(a) + signed(b)),
    "s_sub_i32": lambda a, b, _: overflow(signed(a) - signed(b)),
    "s_addc_u32": lambda a, b, c: (a + b + c & M32, int(a + b + c > M32)),
    "s_subb_u32": lambda a, b, c: (a - b - c & M32, int(b + c > a)),
    "s_min_i32": lambda a, b, _: (min(signed(a), signed(b)) & M32, int(signed(a) < signed(b))),
    "s_max_i32": lambda a, b, _: (max(signed(a), signed(b)) & M32, int(signed(a) > signed(b))),
    "s_min_u32": lambda a, b, _: (min(a, b), int(a < b)),
    "s_max_u32": lambda a, b, _: (max(a, b), int(a > b)),
    "s_cselect_b32": lambda a, b, c: (a if c else b, SAME),
    "s_cselect_b64": lambda a, b, c: (a if c else b, SAME),
    "s_lshl_b32": lambda a, b, _: bits(a << (b & 31)),
    "s_lshl_b64": lambda a, b, _: bits(a << (b & 63), 64),
    "s_lshr_b32": lambda a, b, _: bits(a >> (b & 31)),
    "s_lshr_b64": lambda a, b, _: bits(a >> (b & 63), 64),
    "s_ashr_i32": lambda a, b, _: bits(signed(a) >> (b & 31)),
    "s_ashr_i64": lambda a, b, _: bits(signed(a, 64) >> (b & 63), 64),
    "s_bfm_b32": lambda a, b, _: (((1 << (a & 31)) - 1) << (b & 31) & M32, SAME),
    "s_bfm_b64": lambda a, b, _: (((1 << (a & 63)) - 1) << (b & 63) & M64, SAME),
    "s_mul_i32": lambda a, b, _: (a * b & M32, SAME),
    "s_mul_hi_u32": lambda a, b, _: (a * b >> 32, SAME),
    "s_mul_hi_i32": lambda a, b, _: (signed(a) * signed(b) >> 32 & M32, SAME),
    "s_bfe_u32": lambda a, b, _: field(a, b, 32, sign=False),
    "s_bfe_i32": lambda a, b, _: field(a, b, 32, sign=True),
    "s_bfe_u64": lambda a, b, _: field(a, b, 64, sign=False),
    "s_bfe_i64": lambda a, b, _: field(a, b, 64, sign=True),
    "s_absdiff_i32": lambda a, b, _: bits(abs(signed(a - b))),
    "s_pack_ll_b32_b16": lambda a, b, _: (a & 0xFFFF | (b & 0xFFFF) << 16, SAME),
    "s_pack_lh_b32_b16": lambda a, b, _: (a & 0xFFFF | b & 0xFFFF0000, SAME),
    "s_pack_hh_b32_b16": lambda a, b, _: (a >> 16 | b & 0xFFFF0000, SAME),
    "s_mov_b32": lambda a, _: (a, SAME),
    "s_mov_b64": lambda a, _: (a, SAME),
    "s_not_b32": lambda a, _: bits(~a),
    "s_not_b64": lambda a, _: bits(~a, 64),
    "s_wqm_b32": lambda a, _: whole_quads(a, 32),
    "s_wqm_b64": lambda a, _: whole_quads(a, 64),
    "s_brev_b32": lambda a, _: (brev(a), SAME),
    "s_brev_b64": lambda a, _: (brev(a, 64), SAME),
    "s_bcnt0_i32_b32": lambda a, _: bits(32 - a.bit_count()),
    "s_bcnt0_i32_b64": lambda a, _: bits(64 - a.bit_count()),
    "s_bcnt1_i32_b32": lambda a, _: bits(a.bit_count()),
    "s_bcnt1_i32_b64": lambda a, _: bits(a.bit_count()),
    "s_ff0_i32_b32": lambda a, _: first(a, 32, one=False),
    "s_ff0_i32_b64": lambda a, _: first(a, 64, one=False),
    "s_ff1_i32_b32": lambda a, _: first(a, 32, one=True),
    "s_ff1_i32_b64": lambda a, _: first(a, 64, one=True),
    "s_flbit_i32_b32": lambda a, _: leading(a, 32, sign=False),
    "s_flbit_i32_b64": lambda a, _: leading(a, 64, sign=False),
    "s_flbit_i32": lambda a, _: leading(a, 32, sign=True),
    "s_flbit_i32_i64": lambda a, _: leading(a, 64, sign=True),
    "s_sext_i32_i8": lambda a, _: (signed(a, 8) & M32, SAME),
    "s_sext_i32_i16": lambda a, _: (signed(a, 16) & M32, SAME),
    "s_quadmask_b32": lambda a, _: bits(sum(1 << (k // 4) for k in range(0, 32, 4) if a >> k & 15)),
    "s_quadmask_b64": lambda a, _: bits(sum(1 << (k // 4) for k in range(0, 64, 4) if a >> k & 15), 64),
    "s_abs_i32": lambda a, _: bits(abs(signed(a))),
    "s_bitreplicate_b64_b32": lambda a, _: (sum(3 << 2 * k for k in range(32) if a >> k & 1), SAME),
}
for _n in range(1, 5):
    SCALAR[f"s_lshl{_n}_add_u32"] = lambda a, b, _, n=_n: ((a << n) + b & M32, int((a << n) + b > M32))
LOGIC: dict[str, Callable[[int, int], int]] = {
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "andn2": lambda a, b: a & ~b,
    "orn2": lambda a, b: a | ~b,
    "nand": lambda a, b: ~(a & b),
    "nor": lambda a, b: ~(a | b),
    "xnor": lambda a, b: ~(a ^ b),
    "andn1": lambda a, b: ~a & b,
    "orn1": lambda a, b: ~a | b,
}
for _name, _logic in LOGIC.items():
    for _width in (32, 64):
        if f"s_{_name}_b{_width}" in ROWS:
            SCALAR[f"s_{_name}_b{_width}"] = lambda a, b, _, f=_logic, w=_width: bits(f(a, b), w)


def is_wide(kind: str) -> bool:
    """Does the type take two SGPRs?"""
    return kind.endswith("64")


def operand(draw: random.Random) -> int:
    """A 64-bit value, often an edge."""
    edges = (0, 1, 31, 32, 63, 0x7FFFFFFF, 0x80000000, M32, 1 << 63, M64, 0x200004, 0x400000, 0x10001F)
    return draw.choice((draw.choice(edges), draw.getrandbits(64), 1 << draw.randrange(64)))


def set_pair(slots: dict[int, int], at: int, value: int) -> None:
    """Two SGPRs."""
    slots[at], slots[at + 1] = value & M32, value >> 32


@pytest.mark.parametrize("name", sorted(SCALAR))
@settings(max_examples=40)
@given(seed=st.integers(0, M32), scc=st.integers(0, 1))
def test_scalar(machine: Machine, name: str, seed: int, scc: int) -> None:
    row, draw = ROWS[name], random.Random(seed)  # noqa: S311
    values = [operand(draw) for _ in row.src]
    slots = {128: scc}
    for k, value in enumerate(values):
        set_pair(slots, 4 + 4 * k, value)
    lo, hi, after = machine.step(scalar(name, 20, [4, 8]), scalars=slots, read=["s 20", "s 21", "s 128"])
    operands = [value if is_wide(kind) else value & M32 for value, kind in zip(values, row.src, strict=True)]
    want, flag = SCALAR[name](*operands, scc)
    assert (lo | hi << 32 if is_wide(row.dst) else lo) == want, [hex(x) for x in operands]
    assert after == (scc if flag is None else flag), [hex(x) for x in operands]


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("name", sorted(LOGIC))
@settings(max_examples=6)
@given(seed=st.integers(0, M32))
def test_saveexec(machine: Machine, name: str, width: int, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    mask = (1 << width) - 1
    source, old = operand(draw) & mask, operand(draw) & mask
    slots: dict[int, int] = {}
    set_pair(slots, 4, source)
    set_pair(slots, EXEC, old)
    answer = machine.step(
        scalar(f"s_{name}_saveexec_b{width}", 20, [4]),
        scalars=slots,
        read=["s 20", "s 21", "s 126", "s 127", "s 128"],
        wave=width,
    )
    want = LOGIC[name](source, old) & mask
    assert (answer[0] | answer[1] << 32) & mask == old
    assert (answer[2] | answer[3] << 32) & mask == want
    assert answer[4] == int(want != 0)


TESTS: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "lg": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}


@pytest.mark.parametrize("kind", ["i32", "u32"])
@pytest.mark.parametrize("name", sorted(TESTS))
@settings(max_examples=10)
@given(seed=st.integers(0, M32))
def test_compare(machine: Machine, name: str, kind: str, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    a = operand(draw) & M32
    b = draw.choice((a, operand(draw) & M32))
    k = b & 0xFFFF
    plain = machine.step(scalar(f"s_cmp_{name}_{kind}", 0, [4, 5]), scalars={4: a, 5: b}, read=["s 128"])
    row = ROWS[f"s_cmpk_{name}_{kind}"]
    short = machine.step([0xB << 28 | row.opcode << 23 | 4 << 16 | k], scalars={4: a}, read=["s 128"])
    if kind == "i32":
        assert plain == [int(TESTS[name](signed(a), signed(b)))]
        assert short == [int(TESTS[name](signed(a), signed(k, 16)))]
    else:
        assert plain == [int(TESTS[name](a, b))]
        assert short == [int(TESTS[name](a, k))]


def test_null_reads_zero_and_drops_writes(machine: Machine) -> None:
    assert machine.step(scalar("s_or_b32", 20, [125, 4]), scalars={4: 7, 125: 99}, read=["s 20"]) == [7]
    assert machine.step(scalar("s_mov_b32", 125, [4]), scalars={4: 7}, read=["s 125"]) == [0]


def test_special_sources(machine: Machine) -> None:
    """vccz, execz and SCC as operands; vccz of wave32 looks at VCC_LO alone."""
    slots = {106: 0, 107: 5, 126: 0, 128: 1}
    for code, want in ((251, 1), (252, 1), (253, 1)):
        assert machine.step(scalar("s_mov_b32", 20, [code]), scalars=slots, read=["s 20"]) == [want]
