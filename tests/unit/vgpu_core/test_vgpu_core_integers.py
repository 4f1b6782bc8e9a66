"""Integer and bit instructions against their Python definitions, lane by lane."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.vgpu_core.integers import M16, M32, M64, VECTOR
from tests.unit.vgpu_core.machine import LANES
from tests.unit.vgpu_core.table import ROWS, VGPR, vop2_word, vop3

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.vgpu_core.machine import Machine

EDGES = [0, 1, 2, 31, 32, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFF, 0x800000, 0xFFFFFF, 0x7FFFFFFF]
EDGES += [0x80000000, 0x80000001, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, M64]
WIDTH = {"U16": 16, "I16": 16, "B16": 16, "F16": 16, "U64": 64, "I64": 64, "B64": 64}


def values(count: int) -> st.SearchStrategy[list[int]]:
    """Lane values, many of them edges."""

    def fill(seed: int) -> list[int]:
        draw = random.Random(seed)  # noqa: S311
        return [
            draw.choice((draw.choice(EDGES), draw.getrandbits(64), draw.getrandbits(8))) for _ in range(count)
        ]

    return st.integers(0, M32).map(fill)


def registers(base: int, lanes: list[int], bits: int, garbage: int) -> dict[int, list[int]]:
    """Lanes as one register or two; what lies above 16 bits is garbage that must not count."""
    if bits == 64:
        return {base: [x & M32 for x in lanes], base + 1: [x >> 32 for x in lanes]}
    if bits == 16:
        return {base: [x & M16 | garbage << 16 for x in lanes]}
    return {base: [x & M32 for x in lanes]}


@pytest.mark.parametrize("name", sorted(VECTOR))
@settings(max_examples=4)
@given(data=st.data())
def test_vector(machine: Machine, name: str, data: st.DataObject) -> None:
    row, function = ROWS[name], VECTOR[name]
    lanes = [data.draw(values(LANES)) for _ in row.src]
    exec_mask = data.draw(st.sampled_from([M32, 0x55555555, 1, 0x80000000]))
    old = data.draw(st.integers(0, M32))
    widths = [WIDTH.get(kind, 32) for kind in row.src]
    vgprs: dict[int, list[int]] = {20: [old] * LANES, 21: [old] * LANES}
    for k, width in enumerate(widths):
        vgprs |= registers(2 * k + 2, lanes[k], width, 0xDEAD)
    words = vop3(name, 20, [VGPR + 2 * k + 2 for k in range(len(row.src))])
    answer = machine.step(words, vgprs=vgprs, scalars={126: exec_mask}, read=["v 20", "v 21"])
    for lane in range(LANES):
        want = function(*(lanes[k][lane] & ((1 << width) - 1) for k, width in enumerate(widths)))
        got = answer[lane]
        if not exec_mask >> lane & 1:
            want = old
        elif row.dst in ("U16", "I16", "B16"):
            want |= old & 0xFFFF0000  # gfx10 keeps the other half
        if WIDTH.get(row.dst) == 64:
            got |= answer[LANES + lane] << 32
            want = want if exec_mask >> lane & 1 else old | old << 32
        assert got == want, (name, lane, [hex(column[lane]) for column in lanes], hex(got), hex(want))


@pytest.mark.parametrize("name", ["v_add_nc_u32", "v_and_b32", "v_lshlrev_b32", "v_max_i32", "v_mul_u32_u24"])
@pytest.mark.parametrize("wave", [32, 64])
def test_short_form_constants_and_wave64(machine: Machine, name: str, wave: int) -> None:
    lanes = [0x01234567 * (i + 1) & M32 for i in range(wave)]
    for code, constant in ((128, 0), (129, 1), (192, 64), (193, M32), (208, 0xFFFFFFF0), (242, 0x3F800000)):
        answer = machine.step([vop2_word(name, 9, code, 4)], vgprs={4: lanes}, read=["v 9"], wave=wave)
        assert answer == [VECTOR[name](constant, x) for x in lanes]
    literal = machine.step(
        [vop2_word(name, 9, 255, 4), 0x89ABCDEF], vgprs={4: lanes}, read=["v 9"], wave=wave
    )
    assert literal == [VECTOR[name](0x89ABCDEF, x) for x in lanes]
    scalar = machine.step(
        [vop2_word(name, 9, 17, 4)], vgprs={4: lanes}, scalars={17: 0x1234}, read=["v 9"], wave=wave
    )
    assert scalar == [VECTOR[name](0x1234, x) for x in lanes]


CARRY: dict[str, Callable[[int, int, int], int]] = {
    "v_add_co_u32": lambda a, b, _: a + b,
    "v_sub_co_u32": lambda a, b, _: a - b,
    "v_subrev_co_u32": lambda a, b, _: b - a,
    "v_add_co_ci_u32": lambda a, b, c: a + b + c,
    "v_sub_co_ci_u32": lambda a, b, c: a - b - c,
    "v_subrev_co_ci_u32": lambda a, b, c: b - a - c,
}


@pytest.mark.parametrize("name", sorted(CARRY))
@settings(max_examples=4)
@given(
    a=values(LANES), b=values(LANES), mask=st.integers(0, M32), exec_mask=st.sampled_from([M32, 0x0F0F0F0F])
)
def test_carry(machine: Machine, *, name: str, a: list[int], b: list[int], mask: int, exec_mask: int) -> None:
    function = CARRY[name]
    sources = [VGPR + 1, VGPR + 2] + ([12] if "_ci_" in name else [])
    vgprs = {1: [x & M32 for x in a], 2: [x & M32 for x in b]}
    answer = machine.step(
        vop3(name, 3, sources, sdst=14), vgprs=vgprs, scalars={12: mask, 126: exec_mask}, read=["v 3", "s 14"]
    )
    totals = [function(x & M32, y & M32, mask >> i & 1) for i, (x, y) in enumerate(zip(a, b, strict=True))]
    carry = sum(1 << i for i, total in enumerate(totals) if not 0 <= total <= M32)
    assert answer[LANES] == carry & exec_mask
    assert answer[:LANES] == [total & M32 if exec_mask >> i & 1 else 0 for i, total in enumerate(totals)]


@settings(max_examples=6)
@given(a=values(LANES), b=values(LANES), c=values(LANES))
def test_wide_multiply_add(machine: Machine, a: list[int], b: list[int], c: list[int]) -> None:
    vgprs = {
        1: [x & M32 for x in a],
        2: [x & M32 for x in b],
        4: [x & M32 for x in c],
        5: [x >> 32 for x in c],
    }
    words = vop3("v_mad_u64_u32", 6, [VGPR + 1, VGPR + 2, VGPR + 4], sdst=14)
    answer = machine.step(words, vgprs=vgprs, read=["v 6", "v 7", "s 14"])
    totals = [(x & M32) * (y & M32) + z for x, y, z in zip(a, b, c, strict=True)]
    assert [lo | hi << 32 for lo, hi in zip(answer[:32], answer[32:64], strict=True)] == [
        t & M64 for t in totals
    ]
    assert answer[64] == sum((t >> 64) << i for i, t in enumerate(totals))


COMPARE: dict[str, Callable[[int, int], bool]] = {
    "f": lambda _a, _b: False,
    "lt": lambda a, b: a < b,
    "eq": lambda a, b: a == b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ne": lambda a, b: a != b,
    "ge": lambda a, b: a >= b,
    "t": lambda _a, _b: True,
}
INTEGER_COMPARES = sorted(
    n for n in ROWS if n.startswith("v_cmp") and n.rsplit("_", 1)[1][0] in "iu" and "class" not in n
)


@pytest.mark.parametrize("name", INTEGER_COMPARES)
@settings(max_examples=3)
@given(a=values(LANES), b=values(LANES), same=st.integers(0, 7))
def test_integer_compare(machine: Machine, name: str, a: list[int], b: list[int], same: int) -> None:
    test, kind = name.removeprefix("v_cmpx_").removeprefix("v_cmp_").split("_")
    bits = int(kind[1:])
    b = [x if i % 8 == same else y for i, (x, y) in enumerate(zip(a, b, strict=True))]
    vgprs = registers(2, a, bits, 1) | registers(4, b, bits, 2)
    words = vop3(name, 126 if "cmpx" in name else 16, [VGPR + 2, VGPR + 4])
    answer = machine.step(
        words, vgprs=vgprs, scalars={126: 0x7FFFFFFF}, read=["s 126" if "cmpx" in name else "s 16"]
    )

    def number(x: int) -> int:
        x &= (1 << bits) - 1
        return x - (1 << bits) if kind[0] == "i" and x >> (bits - 1) else x

    pairs = list(zip(a, b, strict=True))[:31]
    want = sum(COMPARE[test](number(x), number(y)) << i for i, (x, y) in enumerate(pairs))
    assert answer == [want]
