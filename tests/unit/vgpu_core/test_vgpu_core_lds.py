"""LDS beyond plain access: float and two-operand atomics, exchanges of two, operands that lie in LDS."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from tests.unit.vgpu_core import floats
from tests.unit.vgpu_core.floats import DOUBLE, SINGLE
from tests.unit.vgpu_core.integers import M32, signed
from tests.unit.vgpu_core.machine import LANES
from tests.unit.vgpu_core.table import ROWS, ds
from tests.unit.vgpu_core.test_vgpu_core_memory import ATOMICS, pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.vgpu_core.floats import Format
    from tests.unit.vgpu_core.machine import Machine

#: The operation of an LDS atomic by what stands before its type.
NAMED = {"min_i": "smin", "max_i": "smax", "min_u": "umin", "max_u": "umax", "write_b": "swap"}
#: The other side of ds_*_src2_*: what memory gets of the old value and the second one.
SRC2 = sorted(name for name in ROWS if "_src2_" in name)
FLOAT_ATOMICS = sorted(
    name
    for name, row in ROWS.items()
    if row.fmt == "DS" and row.mem in ("F32", "F64") and "src2" not in name and "cmpst" not in name
)
SWAPS = sorted(name for name in ROWS if name.startswith("ds_cmpst_"))
MASKED = sorted(name for name in ROWS if name.startswith(("ds_mskor_", "ds_wrap_")))
REVERSED = sorted(name for name in ROWS if name.startswith("ds_rsub_") and "src2" not in name)
EXCHANGES = sorted(name for name in ROWS if name.startswith("ds_wrxchg2"))
PAIRS = ("ds_read2_b64", "ds_read2st64_b64", "ds_write2_b64", "ds_write2st64_b32", "ds_write2st64_b64")
LANE_ADDRESSES = ("ds_append", "ds_consume", "ds_read_addtid_b32", "ds_write_addtid_b32")
COVERED = {*SRC2, *FLOAT_ATOMICS, *SWAPS, *MASKED, *REVERSED, *EXCHANGES, *PAIRS, *LANE_ADDRESSES}
COVERED |= {"ds_nop", "ds_condxchg32_rtn_b64"}


def fmt_of(name: str) -> Format:
    """The float format that a mnemonic ends with."""
    return DOUBLE if name.endswith("64") else SINGLE


def width(name: str) -> int:
    """The bits that a mnemonic ends with."""
    return 64 if name.endswith("64") else 32


def number(draw: random.Random, fmt: Format) -> int:
    """A finite value of either sign, now and then a zero."""
    value = fmt.encode(Fraction(draw.randrange(-4000, 4000), 64))
    return draw.choice((value, value, value, fmt.sign, 0))


def halves(value: int, bits: int) -> str:
    """A value as dwords for vgpu-step."""
    return f"{value & M32:x} {value >> 32:x}" if bits == 64 else f"{value:x}"


def pair(answer: list[int], lane: int, bits: int, at: int = 0) -> int:
    """A lane's value of the registers that were read one after another."""
    low = answer[at * LANES + lane]
    return low | (answer[(at + 1) * LANES + lane] << 32 if bits == 64 else 0)


def float_result(name: str, fmt: Format, old: int, data: int) -> int:
    """What ds_add, ds_min and ds_max of floats leave in memory."""
    if "_add_" in name:
        return floats.add(fmt, old, data)
    return floats.minimum(fmt, old, data, largest="_max_" in name)


@pytest.mark.parametrize("name", FLOAT_ATOMICS)
def test_float_atomic(machine: Machine, name: str) -> None:
    """Lane after lane on one place; the returning forms give the value before their own."""
    fmt, bits = fmt_of(name), width(name)
    draw = random.Random(name)  # noqa: S311
    data = [number(draw, fmt) for _ in range(LANES)]
    now = number(draw, fmt)
    answer = machine.step(
        ds(name, 6, 1, 4, offset=8),
        vgprs={1: [64], 4: [x & M32 for x in data], 5: [x >> 32 for x in data]},
        read=["v 6", "v 7", "lds 72 2"],
        extra=[f"lds 72 {halves(now, bits)}"],
    )
    for lane, value in enumerate(data):
        assert pair(answer, lane, bits) == (now if "_rtn_" in name else 0)
        now = float_result(name, fmt, now, value)
    assert answer[2 * LANES] | (answer[2 * LANES + 1] << 32 if bits == 64 else 0) == now


@pytest.mark.parametrize("name", SWAPS)
def test_compare_and_store(machine: Machine, name: str) -> None:
    """The comparand comes first; floats compare as numbers, so -0 is 0."""
    bits = width(name)
    fmt = fmt_of(name)
    one, two, other = (fmt.encode(Fraction(k)) for k in (1, 2, 3))
    old = fmt.sign if ROWS[name].mem.startswith("F") else one
    comparands = [two, 0 if ROWS[name].mem.startswith("F") else one, other]
    data = [fmt.encode(Fraction(k)) for k in (7, 8, 9)]
    for comparand, new, stored in zip(comparands, data, (False, True, False), strict=True):
        answer = machine.step(
            ds(name, 8, 1, 4, data1=6),
            vgprs={
                1: [16],
                4: [comparand & M32],
                5: [comparand >> 32],
                6: [new & M32],
                7: [new >> 32],
            },
            scalars={126: 1},
            read=["v 8", "v 9", "lds 16 2"],
            extra=[f"lds 16 {halves(old, bits)}"],
        )
        left = answer[2 * LANES] | (answer[2 * LANES + 1] << 32 if bits == 64 else 0)
        assert left == (new if stored else old)
        if "_rtn_" in name:
            assert pair(answer, 0, bits) == old


@pytest.mark.parametrize("name", MASKED)
def test_two_operand_atomic(machine: Machine, name: str) -> None:
    bits = width(name)
    mask = (1 << bits) - 1
    draw = random.Random(name)  # noqa: S311
    for _ in range(8):
        old, first, second = (draw.choice((draw.getrandbits(bits), draw.randrange(9))) for _ in range(3))
        answer = machine.step(
            ds(name, 8, 1, 4, data1=6),
            vgprs={1: [16], 4: [first & M32], 5: [first >> 32], 6: [second & M32], 7: [second >> 32]},
            scalars={126: 1},
            read=["v 8", "v 9", "lds 16 2"],
            extra=[f"lds 16 {halves(old, bits)}"],
        )
        wrapped = old - first if old >= first else old + second
        want = old & ~first | second if "mskor" in name else wrapped
        left = answer[2 * LANES] | (answer[2 * LANES + 1] << 32 if bits == 64 else 0)
        assert left == want & mask
        if "_rtn_" in name:
            assert pair(answer, 0, bits) == old


@pytest.mark.parametrize("name", REVERSED)
def test_reversed_subtraction(machine: Machine, name: str) -> None:
    bits = width(name)
    data, now = pattern(9, LANES), 5
    answer = machine.step(
        ds(name, 6, 1, 4),
        vgprs={1: [64], 4: data, 5: [3]},
        read=["v 6", "v 7", "lds 64 2"],
        extra=[f"lds 64 {halves(now, bits)}"],
    )
    for lane, low in enumerate(data):
        assert pair(answer, lane, bits) == (now if "_rtn_" in name else 0)
        now = (low | (3 << 32 if bits == 64 else 0)) - now & ((1 << bits) - 1)
    assert answer[2 * LANES] | (answer[2 * LANES + 1] << 32 if bits == 64 else 0) == now


def integer_src2(name: str, old: int, second: int, bits: int) -> int:
    """What ds_OP_src2_TYPE leaves for integers."""
    operation, _, kind = name.removeprefix("ds_").partition("_src2_")
    if operation == "rsub":
        return second - old
    known: dict[str, Callable[[int, int, int], int]] = ATOMICS
    return known[NAMED.get(f"{operation}_{kind[0]}", operation)](old, second, bits)


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("name", SRC2)
def test_second_operand_in_lds(machine: Machine, *, name: str, far: bool) -> None:
    """The distance is in the offset, or in the address's high bits where the offset's top bit says so."""
    bits, fmt = width(name), fmt_of(name)
    draw = random.Random(name)  # noqa: S311
    is_float = ROWS[name].mem.startswith("F")
    old, second = ((number(draw, fmt) if is_float else draw.getrandbits(bits)) for _ in range(2))
    distance = -6
    address = 96 | (((distance & 0x7FFF) << 17) if far else 0)
    offset = 0x8000 if far else (distance & 0x7FFF)
    answer = machine.step(
        ds(name, 0, 1, 0, offset=offset),
        vgprs={1: [address]},
        scalars={126: 1},
        read=["lds 96 2"],
        extra=[f"lds 96 {halves(old, bits)}", f"lds {96 + 4 * distance} {halves(second, bits)}"],
    )
    want = float_result(name, fmt, old, second) if is_float else integer_src2(name, old, second, bits)
    assert answer[0] | (answer[1] << 32 if bits == 64 else 0) == want & ((1 << bits) - 1)


@pytest.mark.parametrize("name", EXCHANGES)
def test_exchange_of_two(machine: Machine, name: str) -> None:
    bits = 64 if name.endswith("64") and "st64_rtn_b32" not in name else 32
    unit = bits // 8 * (64 if "st64" in name else 1)
    words = pattern(2, 1024)
    answer = machine.step(
        ds(name, 10, 1, 4, data1=6, offset=1 | 3 << 8),
        vgprs={1: [8], 4: [0xA0], 5: [0xA1], 6: [0xB0], 7: [0xB1]},
        scalars={126: 1},
        read=["v 10", "v 11", "v 12", "v 13", f"lds {8 + unit} 2", f"lds {8 + 3 * unit} 2"],
        extra=["lds 0 " + " ".join(f"{x:x}" for x in words)],
    )
    count = bits // 32
    places = [(8 + k * unit) // 4 for k in (1, 3)]
    got = [answer[k * LANES] for k in range(2 * count)]
    assert got == [words[place + k] for place in places for k in range(count)]
    left = answer[4 * LANES :]
    assert left[:count] == [0xA0, 0xA1][:count]
    assert left[2 : 2 + count] == [0xB0, 0xB1][:count]


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(machine: Machine, name: str) -> None:
    """Offsets count elements, or 64 of them."""
    size = 8 if name.endswith("b64") else 4
    unit, count = size * (64 if "st64" in name else 1), size // 4
    words = pattern(4, 1024)
    answer = machine.step(
        ds(name, 10, 1, 4, data1=6, offset=1 | 2 << 8),
        vgprs={1: [16], 4: [0xA0], 5: [0xA1], 6: [0xB0], 7: [0xB1]},
        scalars={126: 1},
        read=["v 10", "v 11", "v 12", "v 13", f"lds {16 + unit} 2", f"lds {16 + 2 * unit} 2"],
        extra=["lds 0 " + " ".join(f"{x:x}" for x in words)],
    )
    places = [(16 + k * unit) // 4 for k in (1, 2)]
    if "read" in name:
        got = [answer[k * LANES] for k in range(2 * count)]
        assert got == [words[place + k] for place in places for k in range(count)]
    else:
        left = answer[4 * LANES :]
        assert left[:count] == [0xA0, 0xA1][:count]
        assert left[2 : 2 + count] == [0xB0, 0xB1][:count]


@pytest.mark.parametrize(("name", "want"), [("ds_append", 105), ("ds_consume", 95)])
def test_append_counts_active_lanes(machine: Machine, name: str, want: int) -> None:
    """One addition for the wave; every active lane gets the value before it. M0 has the base."""
    answer = machine.step(
        ds(name, 6, 0, 0, offset=4),
        vgprs={6: [7]},
        scalars={124: 32, 126: 0b11111},
        read=["v 6", "lds 36 1"],
        extra=["lds 36 64"],
    )
    assert answer[:LANES] == [100] * 5 + [7] * 27
    assert answer[LANES] == want


def test_addresses_by_lane(machine: Machine) -> None:
    """*_addtid: M0, the offset and four bytes a lane; there is no address register."""
    words = pattern(6, 64)
    read = machine.step(
        ds("ds_read_addtid_b32", 6, 0, 0, offset=8),
        scalars={124: 16},
        read=["v 6"],
        extra=["lds 0 " + " ".join(f"{x:x}" for x in words)],
    )
    assert read == words[6 : 6 + LANES]
    data = pattern(8, LANES)
    written = machine.step(
        ds("ds_write_addtid_b32", 0, 0, 4, offset=8),
        vgprs={4: data},
        scalars={124: 16},
        read=[f"lds 24 {LANES}"],
    )
    assert written == data


def test_conditional_exchange(machine: Machine) -> None:
    """Each dword is stored, without its top bit, only where that bit is set."""
    answer = machine.step(
        ds("ds_condxchg32_rtn_b64", 6, 1, 4),
        vgprs={1: [16], 4: [0x80000012], 5: [0x34]},
        scalars={126: 1},
        read=["v 6", "v 7", "lds 16 2"],
        extra=["lds 16 a b"],
    )
    assert (answer[0], answer[LANES]) == (0xA, 0xB)
    assert answer[2 * LANES :] == [0x12, 0xB]


def test_nop_does_nothing(machine: Machine) -> None:
    assert machine.step(ds("ds_nop", 4, 1, 0), vgprs={4: [9]}, read=["v 4"]) == [9] * LANES


def test_signed_and_unsigned_minima_differ() -> None:
    """The oracle's own names: a signed and an unsigned minimum of -1 and 1."""
    assert integer_src2("ds_min_src2_i32", M32, 1, 32) == signed(M32)
    assert integer_src2("ds_min_src2_u32", M32, 1, 32) == 1
