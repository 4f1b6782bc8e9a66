"""Movement between lanes: DPP, SDWA, permutations, swizzle, lane reads; packed and mixed operands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.vgpu_core import floats
from tests.unit.vgpu_core.floats import HALF, SINGLE
from tests.unit.vgpu_core.integers import M32, signed
from tests.unit.vgpu_core.machine import LANES
from tests.unit.vgpu_core.table import VGPR, Mods, dpp16, ds, scalar, sdwa1, vop1_word, vop3

if TYPE_CHECKING:
    from tests.unit.vgpu_core.machine import Machine

NUMBERS = [0x1000 + lane for lane in range(64)]
OLD = 0xABCD


def source_lane(ctrl: int, lane: int) -> int | None:
    """Where DPP16 reads from, or None outside the row."""
    row, i, n = lane & ~15, lane & 15, ctrl & 15
    if ctrl < 0x100:
        return row | i & 12 | ctrl >> 2 * (i & 3) & 3
    moved = {
        0x100: i + n,
        0x110: i - n,
        0x120: (i - n) % 16,
        0x140: 15 - i if n == 0 else i & 8 | 7 - (i & 7),
        0x150: n,
        0x160: i ^ n,
    }[ctrl & 0x1F0]
    return row | moved if 0 <= moved < 16 else None


CONTROLS = [
    0x00,
    0x1B,
    0xE4,
    0xFF,
    0x101,
    0x10F,
    0x111,
    0x118,
    0x121,
    0x12F,
    0x140,
    0x141,
    0x150,
    0x15D,
    0x161,
    0x16F,
]


@pytest.mark.parametrize("wave", [32, 64])
@pytest.mark.parametrize("ctrl", CONTROLS)
@settings(max_examples=4)
@given(exec_low=st.integers(0, M32), bound=st.booleans(), fi=st.booleans())
def test_dpp16(machine: Machine, *, ctrl: int, wave: int, exec_low: int, bound: bool, fi: bool) -> None:
    words = dpp16("v_mov_b32", 4, 5, ctrl, bound=bound, fi=fi)
    slots = {126: exec_low, 127: exec_low ^ M32}
    answer = machine.step(words, vgprs={5: NUMBERS[:wave], 4: [OLD]}, scalars=slots, read=["v 4"], wave=wave)
    mask = exec_low | (exec_low ^ M32) << 32
    for lane, got in enumerate(answer):
        source = source_lane(ctrl, lane)
        valid = source is not None and (fi or mask >> source & 1)
        want = OLD
        if mask >> lane & 1 and (valid or bound):
            want = NUMBERS[source] if valid and source is not None else 0
        assert got == want, lane


def test_dpp8(machine: Machine) -> None:
    selectors = [7, 6, 0, 0, 1, 2, 3, 5]
    word1 = 5 | sum(s << (8 + 3 * k) for k, s in enumerate(selectors))
    answer = machine.step([vop1_word("v_mov_b32", 4, 233), word1], vgprs={5: NUMBERS[:32]}, read=["v 4"])
    assert answer == [NUMBERS[lane & ~7 | selectors[lane & 7]] for lane in range(32)]


@pytest.mark.parametrize("dst_sel", range(7))
@pytest.mark.parametrize("unused", range(3))
@settings(max_examples=8)
@given(src_sel=st.integers(0, 6), value=st.integers(0, M32), sext=st.booleans())
def test_sdwa(machine: Machine, *, dst_sel: int, unused: int, src_sel: int, value: int, sext: bool) -> None:
    def place(select: int) -> tuple[int, int]:
        return (8 * select, 8) if select < 4 else (16 * (select - 4), 16) if select < 6 else (0, 32)

    words = sdwa1("v_mov_b32", 4, 5, dst_sel=dst_sel, unused=unused, src_sel=src_sel, sext=sext)
    (got, *_) = machine.step(words, vgprs={5: [value], 4: [0x11223344]}, read=["v 4"])
    shift, width = place(src_sel)
    part = value >> shift & ((1 << width) - 1)
    part = signed(part, width) & M32 if sext else part
    shift, width = place(dst_sel)
    mask = (1 << width) - 1
    want = (part & mask) << shift
    if unused == 2:
        want |= 0x11223344 & ~(mask << shift)
    elif unused == 1 and part >> (width - 1) & 1:
        want |= M32 << (shift + width) & M32
    assert got == want, (hex(got), hex(want))


def test_lane_reads_and_writes(machine: Machine) -> None:
    v = {5: NUMBERS[:32]}
    assert machine.step(
        vop3("v_readlane_b32", 20, [VGPR + 5, 7]), vgprs=v, scalars={7: 35}, read=["s 20"]
    ) == [NUMBERS[3]]
    first = [vop1_word("v_readfirstlane_b32", 20, VGPR + 5)]
    assert machine.step(first, vgprs=v, scalars={126: 0xFF00}, read=["s 20"]) == [NUMBERS[8]]
    assert machine.step(first, vgprs=v, scalars={126: 0}, read=["s 20"]) == [NUMBERS[0]]
    written = machine.step(
        vop3("v_writelane_b32", 5, [7, 130]), vgprs=v, scalars={7: 99, 126: 0}, read=["v 5"]
    )
    assert written == [*NUMBERS[:2], 99, *NUMBERS[3:32]]


@pytest.mark.parametrize("name", ["v_permlane16_b32", "v_permlanex16_b32"])
@settings(max_examples=12)
@given(
    low=st.integers(0, M32),
    high=st.integers(0, M32),
    exec_mask=st.integers(0, M32),
    fi=st.booleans(),
    bound=st.booleans(),
)
def test_permlane(
    machine: Machine, *, name: str, low: int, high: int, exec_mask: int, fi: bool, bound: bool
) -> None:
    words = vop3(name, 4, [VGPR + 5, 7, 8], Mods(op_sel=fi | bound << 1))
    answer = machine.step(
        words, vgprs={5: NUMBERS[:32], 4: [OLD]}, scalars={7: low, 8: high, 126: exec_mask}, read=["v 4"]
    )
    select = low | high << 32
    for lane, got in enumerate(answer):
        row = lane & 16 ^ (16 if "x16" in name else 0)
        source = row | select >> 4 * (lane & 15) & 15
        want = OLD
        if exec_mask >> lane & 1:
            want = NUMBERS[source] if fi or exec_mask >> source & 1 else 0 if bound else OLD
        assert got == want, lane


@settings(max_examples=12)
@given(lanes=st.lists(st.integers(0, 255), min_size=32, max_size=32), exec_mask=st.integers(0, M32))
def test_ds_permutations(machine: Machine, lanes: list[int], exec_mask: int) -> None:
    vgprs = {1: [4 * x for x in lanes], 2: NUMBERS[:32], 4: [OLD]}
    pulled = machine.step(ds("ds_bpermute_b32", 4, 1, 2), vgprs=vgprs, scalars={126: exec_mask}, read=["v 4"])
    pushed = machine.step(ds("ds_permute_b32", 4, 1, 2), vgprs=vgprs, scalars={126: exec_mask}, read=["v 4"])
    target: dict[int, int] = {}
    for lane, to in enumerate(lanes):
        if exec_mask >> lane & 1:
            target[to % 32] = NUMBERS[lane]
    for lane in range(32):
        on = exec_mask >> lane & 1
        source = lanes[lane] % 32
        assert pulled[lane] == ((NUMBERS[source] if exec_mask >> source & 1 else 0) if on else OLD)
        assert pushed[lane] == (target.get(lane, 0) if on else OLD)


@pytest.mark.parametrize(
    "offset", [0x801F, 0x80B1, 0x041F, 0x7C1F, 0x001F, 0x03E0, 0x1234 & 0x7FFF, 0xC080, 0xC4A3]
)
def test_swizzle(machine: Machine, offset: int) -> None:
    answer = machine.step(ds("ds_swizzle_b32", 4, 1, 0, offset=offset), vgprs={1: NUMBERS[:32]}, read=["v 4"])
    for lane, got in enumerate(answer):
        if offset >= 0xC000:
            mask, distance = offset & 31, offset >> 5 & 31
            moved = lane - distance if offset & 0x400 else lane + distance
            source = lane & mask | moved & ~mask & 31
        elif offset & 0x8000:
            source = lane & 28 | offset >> 2 * (lane & 3) & 3
        else:
            source = (lane & offset & 31 | offset >> 5 & 31) ^ offset >> 10 & 31
        assert got == NUMBERS[source]


def test_mbcnt_counts_lower_lanes(machine: Machine) -> None:
    low = machine.step(
        vop3("v_mbcnt_lo_u32_b32", 4, [7, VGPR + 5]), vgprs={5: [3]}, scalars={7: M32}, read=["v 4"], wave=64
    )
    high = machine.step(
        vop3("v_mbcnt_hi_u32_b32", 4, [7, VGPR + 5]), vgprs={5: [3]}, scalars={7: M32}, read=["v 4"], wave=64
    )
    assert low == [3 + min(lane, 32) for lane in range(64)]
    assert high == [3 + max(0, lane - 32) for lane in range(64)]


@settings(max_examples=20)
@given(
    a=st.integers(0, M32),
    b=st.integers(0, M32),
    c=st.integers(0, M32),
    sel=st.integers(0, 7),
    sel_hi=st.integers(0, 7),
    neg=st.integers(0, 7),
)
def test_packed_fma(machine: Machine, *, a: int, b: int, c: int, sel: int, sel_hi: int, neg: int) -> None:
    words = vop3(
        "v_pk_fma_f16", 4, [VGPR + 1, VGPR + 2, VGPR + 3], Mods(op_sel=sel, op_sel_hi=sel_hi, neg=neg)
    )
    (got, *_) = machine.step(words, vgprs={1: [a], 2: [b], 3: [c]}, read=["v 4"])

    def half(k: int, select: int, negate: int) -> int:
        return ((a, b, c)[k] >> (16 if select >> k & 1 else 0) & 0xFFFF) ^ (0x8000 if negate >> k & 1 else 0)

    for part, (select, negate) in enumerate(((sel, neg), (sel_hi, 0))):
        want = floats.fma(HALF, *(half(k, select, negate) for k in range(3)))
        result = got >> 16 * part & 0xFFFF
        assert result == want or (HALF.is_nan(want) and HALF.is_nan(result))


@settings(max_examples=20)
@given(
    a=st.integers(0, M32),
    b=st.integers(0, M32),
    c=st.integers(0, M32),
    sel=st.integers(0, 7),
    sel_hi=st.integers(0, 7),
)
def test_mixed_fma(machine: Machine, *, a: int, b: int, c: int, sel: int, sel_hi: int) -> None:
    words = vop3("v_fma_mix_f32", 4, [VGPR + 1, VGPR + 2, VGPR + 3], Mods(op_sel=sel, op_sel_hi=sel_hi))
    (got, *_) = machine.step(words, vgprs={1: [a], 2: [b], 3: [c]}, read=["v 4"])
    operands = []
    for k, raw in enumerate((a, b, c)):
        half = raw >> (16 if sel >> k & 1 else 0) & 0xFFFF
        operands.append(floats.convert(HALF, SINGLE, half) if sel_hi >> k & 1 else raw)
    want = floats.fma(SINGLE, *operands)
    assert got == want or (SINGLE.is_nan(want) and SINGLE.is_nan(got))


def test_relative_moves(machine: Machine) -> None:
    """M0 is added to the register number; past the last one is a fault, not a wild access."""
    moved = machine.step(
        [vop1_word("v_movrels_b32", 4, VGPR + 5)], vgprs={8: NUMBERS[:32]}, scalars={124: 3}, read=["v 4"]
    )
    assert moved == NUMBERS[:32]
    assert machine.step(scalar("s_movrels_b32", 20, [4]), scalars={6: 77, 124: 2}, read=["s 20"]) == [77]
    assert len(moved) == LANES
