"""LDS and global memory: loads and stores of every width, atomics, bounds and alignment faults."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.vgpu_core.integers import M32, signed
from tests.unit.vgpu_core.machine import LANES, Machine, MachineFaultError
from tests.unit.vgpu_core.table import ROWS, buffer, ds, far_memory

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = {"U8": 1, "I8": 1, "B8": 1, "U16": 2, "I16": 2, "B16": 2, "B32": 4, "B64": 8, "B96": 12, "B128": 16}


def pattern(seed: int, count: int) -> list[int]:
    """Dwords that look like nothing in particular."""
    draw = random.Random(seed)  # noqa: S311
    return [draw.getrandbits(32) for _ in range(count)]


def in_register(data: bytes, kind: str, name: str, old: int) -> list[int]:
    """What a load of an element leaves in registers."""
    if SIZES[kind] >= 4:
        return list(struct.unpack(f"<{len(data) // 4}I", data))
    value = int.from_bytes(data, "little", signed=kind[0] == "I")
    if name.endswith("_d16_hi"):
        return [old & 0xFFFF | (value & 0xFFFF) << 16]
    if name.endswith("_d16"):
        return [old & 0xFFFF0000 | value & 0xFFFF]
    return [value & M32]


def loads(prefix: str) -> list[str]:
    """Plain loads to registers, one element a lane."""
    plain = {"LOAD"}
    return sorted(
        n
        for n, r in ROWS.items()
        if n.startswith(prefix) and plain <= r.flags and "TWO" not in r.flags and r.mem in SIZES and r.src
    )


def stores(prefix: str) -> list[str]:
    """Plain stores, one element a lane."""
    return sorted(
        n
        for n, r in ROWS.items()
        if n.startswith(prefix) and "STORE" in r.flags and "TWO" not in r.flags and "addtid" not in n
    )


@pytest.mark.parametrize("name", [*loads("ds_read"), *loads("global_load"), *loads("flat_load")])
@pytest.mark.parametrize("scatter", [False, True])
def test_load(machine: Machine, *, name: str, scatter: bool) -> None:
    row = ROWS[name]
    size, words = SIZES[row.mem], pattern(7, 1024)
    memory = struct.pack("<1024I", *words)
    draw = random.Random(3)  # noqa: S311
    places = [draw.randrange(16, 4000 - 16) if scatter else 64 + lane * size for lane in range(LANES)]
    old = 0x89ABCDEF
    vgprs: dict[int, list[int]] = {k: [old] for k in range(4, 8)}
    filled = " ".join(f"{x:x}" for x in words)
    if row.fmt == "DS":
        vgprs[1] = places
        answer = machine.step(
            ds(name, 4, 1, 0, offset=8),
            vgprs=vgprs,
            read=[f"v {k}" for k in range(4, 8)],
            extra=["lds 0 " + filled],
        )
        skip = 8
    else:
        skip = -16 if row.fmt == "GLOBAL" else 32
        (base,) = machine.ask(["get base"])
        vgprs |= {1: [base + p & M32 for p in places], 2: [base + p >> 32 for p in places]}
        words2 = far_memory(name, 4, 1, 0, offset=skip)
        answer = machine.step(
            words2, vgprs=vgprs, read=[f"v {k}" for k in range(4, 8)], extra=["mem 16 " + filled]
        )
        memory = bytes(16) + memory
    for lane, place in enumerate(places):
        want = in_register(memory[place + skip : place + skip + size], row.mem, name, old)
        assert [answer[k * LANES + lane] for k in range(len(want))] == want, lane


@pytest.mark.parametrize("name", [*stores("ds_write"), *stores("global_store"), *stores("flat_store")])
def test_store(machine: Machine, name: str) -> None:
    row = ROWS[name]
    if row.mem not in SIZES or not row.src:
        pytest.fail(f"{name} is no plain store")
    size = SIZES[row.mem]
    draw = random.Random(5)  # noqa: S311
    places = draw.sample(range(0, 4000, 16), LANES)
    data = {k: pattern(k, LANES) for k in range(4, 8)}
    exec_mask = 0xF0F0FFFF
    image = bytearray(4096)
    for lane, place in enumerate(places):
        if exec_mask >> lane & 1:
            raw = struct.pack("<4I", *(data[k][lane] for k in range(4, 8)))
            image[place : place + size] = raw[2 : 2 + size] if name.endswith("_d16_hi") else raw[:size]
    if row.fmt == "DS":
        answer = machine.step(
            ds(name, 0, 1, 4),
            vgprs={1: places, **data},
            scalars={126: exec_mask},
            read=["lds 0 1024"],
            extra=["lds 0 " + "0 " * 1024],
        )
    else:
        (base,) = machine.ask(["get base"])
        vgprs = {1: [base + p & M32 for p in places], 2: [base + p >> 32 for p in places], **data}
        answer = machine.step(
            far_memory(name, 0, 1, 4), vgprs=vgprs, scalars={126: exec_mask}, read=["mem 0 1024"]
        )
    assert answer == list(struct.unpack("<1024I", image))


def raw_resource(base: int, size: int) -> dict[int, int]:
    """s[4:7]: a buffer of bytes, checked as raw memory."""
    return {4: base & M32, 5: base >> 32, 6: size, 7: 3 << 28 | 1 << 24 | 20 << 12}


def both(function: Callable[[int, int], int]) -> Callable[[int, int, int], int]:
    """An atomic of old value and data."""
    return lambda old, data, _bits: function(old, data)


ATOMICS: dict[str, Callable[[int, int, int], int]] = {
    "swap": both(lambda _old, data: data),
    "add": both(lambda old, data: old + data),
    "sub": both(lambda old, data: old - data),
    "smin": lambda old, data, bits: min(signed(old, bits), signed(data, bits)),
    "smax": lambda old, data, bits: max(signed(old, bits), signed(data, bits)),
    "umin": both(min),
    "umax": both(max),
    "and": both(lambda old, data: old & data),
    "or": both(lambda old, data: old | data),
    "xor": both(lambda old, data: old ^ data),
    "inc": both(lambda old, data: 0 if old >= data else old + 1),
    "dec": both(lambda old, data: data if old == 0 or old > data else old - 1),
}


@pytest.mark.parametrize("segment", ["global", "flat", "buffer"])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("op", sorted(ATOMICS))
@settings(max_examples=5)
@given(seed=st.integers(0, M32))
def test_global_atomic(machine: Machine, *, op: str, wide: bool, segment: str, seed: int) -> None:
    """All lanes on four addresses, one after another; each gets the value before its own."""
    name, bits = f"{segment}_atomic_{op}" + ("_x2" if wide else ""), 64 if wide else 32
    draw = random.Random(seed)  # noqa: S311
    mask = (1 << bits) - 1
    start = [draw.getrandbits(bits) for _ in range(4)]
    data = [
        draw.choice((draw.getrandbits(bits), draw.randrange(4), start[lane & 3])) for lane in range(LANES)
    ]
    (base,) = machine.ask(["get base"])
    step = bits // 8
    vgprs = {
        1: [base + step * (lane & 3) & M32 for lane in range(LANES)],
        2: [base >> 32],
        4: [x & M32 for x in data],
        5: [x >> 32 for x in data],
    }
    fill = "mem 0 " + " ".join(f"{x & M32:x} {x >> 32:x}" if wide else f"{x:x}" for x in start)
    words = (
        far_memory(name, 6, 1, 4, glc=True)
        if segment != "buffer"
        else buffer(name, 4, 1, offen=True, glc=True)
    )
    if segment == "buffer":  # the old value comes back in the data registers
        vgprs[1] = [step * (lane & 3) for lane in range(LANES)]
    back = 4 if segment == "buffer" else 6
    answer = machine.step(
        words,
        vgprs=vgprs,
        scalars=raw_resource(base, 4096),
        read=[f"v {back}", f"v {back + 1}", f"mem 0 {step}"],
        extra=[fill],
    )
    now = list(start)
    for lane in range(LANES):
        got = answer[lane] | (answer[LANES + lane] << 32 if wide else 0)
        assert got == now[lane & 3], lane
        now[lane & 3] = ATOMICS[op](now[lane & 3], data[lane], bits) & mask
    left = answer[2 * LANES :]
    assert (
        [lo | hi << 32 for lo, hi in zip(left[::2], left[1::2], strict=True)] == now
        if wide
        else left[:4] == now
    )


DS_OPS = {"add_u": "add", "sub_u": "sub", "inc_u": "inc", "dec_u": "dec", "min_i": "smin", "max_i": "smax"}
DS_OPS |= {"min_u": "umin", "max_u": "umax", "and_b": "and", "or_b": "or", "xor_b": "xor"}
DS_NAMES = {
    f"{op[:-2]}{rtn}{op[-2:]}{bits}": to
    for op, to in DS_OPS.items()
    for rtn in ("", "_rtn")
    for bits in (32, 64)
}
DS_NAMES |= {"wrxchg_rtn_b32": "swap", "wrxchg_rtn_b64": "swap"}


@pytest.mark.parametrize("name", sorted(DS_NAMES))
@settings(max_examples=3)
@given(seed=st.integers(0, M32))
def test_lds_atomic(machine: Machine, name: str, seed: int) -> None:
    low, high = pattern(seed, LANES), pattern(seed + 1, LANES)
    bits = 64 if name.endswith("64") else 32
    fill = ["lds 64 5 7"]
    answer = machine.step(
        ds("ds_" + name, 6, 1, 4),
        vgprs={1: [64], 4: low, 5: high},
        read=["v 6", "v 7", "lds 64 2"],
        extra=fill,
    )
    now = 5 | 7 << 32 if bits == 64 else 5
    for lane in range(LANES):
        got = answer[lane] | (answer[LANES + lane] << 32 if bits == 64 else 0)
        assert got == (now if "_rtn_" in name else 0)
        data = low[lane] | (high[lane] << 32 if bits == 64 else 0)
        now = ATOMICS[DS_NAMES[name]](now, data, bits) & ((1 << bits) - 1)
    left = answer[2 * LANES] | answer[2 * LANES + 1] << 32
    assert left == (now if bits == 64 else now | 7 << 32)


def test_compare_and_swap_orders_its_operands(machine: Machine) -> None:
    """DS has the comparand first, global memory the new value."""
    lds = machine.step(
        ds("ds_cmpst_rtn_b32", 6, 1, 4, data1=5),
        vgprs={1: [0], 4: [7], 5: [9]},
        read=["v 6", "lds 0 1"],
        extra=["lds 0 7"],
    )
    assert lds[:2] == [7, 9]
    assert lds[LANES] == 9
    (base,) = machine.ask(["get base"])
    vgprs = {1: [base & M32], 2: [base >> 32], 4: [9], 5: [7]}
    far = machine.step(
        far_memory("global_atomic_cmpswap", 6, 1, 4, glc=True),
        vgprs=vgprs,
        read=["v 6", "mem 0 1"],
        extra=["mem 0 7"],
    )
    assert far[:2] == [7, 9]
    assert far[LANES] == 9


def test_two_element_lds(machine: Machine) -> None:
    """Offsets count elements; the destination may be the address register."""
    fill = ["lds 0 " + " ".join(f"{x:x}" for x in range(600))]
    near = machine.step(
        ds("ds_read2_b32", 1, 1, 0, offset=3 | 5 << 8), vgprs={1: [16]}, read=["v 1", "v 2"], extra=fill
    )
    assert (near[0], near[LANES]) == (7, 9)
    far = machine.step(
        ds("ds_read2st64_b32", 4, 1, 0, offset=1 | 2 << 8), vgprs={1: [0]}, read=["v 4", "v 5"], extra=fill
    )
    assert (far[0], far[LANES]) == (64, 128)
    vgprs = {1: [8], 4: [0xAA], 6: [0xBB]}
    kept = machine.step(
        ds("ds_write2_b32", 0, 1, 4, data1=6, offset=1 | 2 << 8),
        vgprs=vgprs,
        scalars={126: 1},
        read=["lds 8 3"],
        extra=["lds 8 0 0 0"],
    )
    assert kept == [0, 0xAA, 0xBB]


def test_faults(machine: Machine) -> None:
    (base,) = machine.ask(["get base"])
    outside = {1: [0x1000], 2: [0]}
    with pytest.raises(MachineFaultError, match=r"memory access fault.*4-byte read at 0x1000"):
        machine.step(far_memory("global_load_dword", 4, 1, 0), vgprs=outside, read=["v 4"])
    code = {1: [base + 2 & M32], 2: [base >> 32]}
    with pytest.raises(MachineFaultError, match="misaligned"):
        machine.step(far_memory("global_atomic_add", 4, 1, 5), vgprs=code, read=["v 4"])
    with pytest.raises(MachineFaultError, match="LDS access out of range"):
        machine.step(ds("ds_write_b32", 0, 1, 4), vgprs={1: [65536]}, read=["v 4"])
    assert machine.step(ds("ds_read_b32", 4, 1, 0), vgprs={1: [65536], 4: [9]}, read=["v 4"]) == [0] * LANES
    with pytest.raises(MachineFaultError, match="illegal instruction"):
        machine.step([0xFFFFFFFF], read=["v 4"])


PLAIN = [n for n in (*loads("buffer_load"), *stores("buffer_store")) if ROWS[n].mem in SIZES]


@pytest.mark.parametrize("name", PLAIN)
def test_buffer(machine: Machine, name: str) -> None:
    """Raw bounds: what lies past the end reads as zero and is not written."""
    row, end = ROWS[name], 512
    size, words, old = SIZES[row.mem], pattern(11, 256), 0x89ABCDEF
    (base,) = machine.ask(["get base"])
    places = [lane * 16 + (lane % 4) * 4 for lane in range(LANES)]
    data = (
        {k: pattern(k, LANES) for k in range(4, 8)}
        if "STORE" in row.flags
        else {k: [old] for k in range(4, 8)}
    )
    answer = machine.step(
        buffer(name, 4, 1, offen=True, offset=16),
        vgprs={1: places, **data},
        scalars=raw_resource(base, end),
        read=[*(f"v {k}" for k in range(4, 8)), "mem 0 256"],
        extra=["mem 0 " + " ".join(f"{x:x}" for x in words)],
    )
    image = bytearray(struct.pack("<256I", *words))
    for lane, place in enumerate(places):
        at = place + 16
        if "STORE" in row.flags:
            raw = struct.pack("<4I", *(data[k][lane] for k in range(4, 8)))
            raw = raw[2 : 2 + size] if name.endswith("_d16_hi") else raw[:size]
            for k in range(size):
                if at + k < end:
                    image[at + k] = raw[k]
        else:
            inside = image[at : min(at + size, end)]
            want = in_register(bytes(inside) + bytes(size - len(inside)), row.mem, name, old)
            assert [answer[k * LANES + lane] for k in range(len(want))] == want, lane
    assert answer[4 * LANES :] == list(struct.unpack("<256I", image))


def test_structured_and_swizzled_buffers(machine: Machine) -> None:
    (base,) = machine.ask(["get base"])
    fill = ["mem 0 " + " ".join(f"{x:x}" for x in range(1024))]
    lanes = list(range(LANES))
    # Records of 12 bytes, 20 of them: the index is checked, not the byte.
    structured = {4: base & M32, 5: base >> 32 | 12 << 16, 6: 20, 7: 1 << 24 | 20 << 12}
    answer = machine.step(
        buffer("buffer_load_dword", 4, 1, idxen=True, offset=4),
        vgprs={1: lanes},
        scalars=structured,
        read=["v 4"],
        extra=fill,
    )
    assert answer == [3 * k + 1 if k < 20 else 0 for k in lanes]
    # Scratch: the lane is added to the index, dwords of all lanes alternate.
    scratch = {
        4: base & M32,
        5: base >> 32 | 1 << 31,
        6: M32,
        7: 2 << 28 | 1 << 24 | 1 << 23 | 2 << 21 | 20 << 12,
    }
    answer = machine.step(
        buffer("buffer_load_dword", 4, 1, offset=8), scalars=scratch, read=["v 4"], extra=fill
    )
    assert answer == [2 * LANES + k for k in lanes]
