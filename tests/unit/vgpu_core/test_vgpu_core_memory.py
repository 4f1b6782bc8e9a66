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
from tests.unit.vgpu_core.table import ROWS, ds, global_memory

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


@pytest.mark.parametrize("name", [*loads("ds_read"), *loads("global_load")])
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
        (base,) = machine.ask(["get base"])
        vgprs |= {1: [base + p & M32 for p in places], 2: [base + p >> 32 for p in places]}
        words2 = global_memory(name, 4, 1, 0, offset=-16)
        answer = machine.step(
            words2, vgprs=vgprs, read=[f"v {k}" for k in range(4, 8)], extra=["mem 16 " + filled]
        )
        memory = bytes(16) + memory
        skip = -16
    for lane, place in enumerate(places):
        want = in_register(memory[place + skip : place + skip + size], row.mem, name, old)
        assert [answer[k * LANES + lane] for k in range(len(want))] == want, lane


@pytest.mark.parametrize("name", [*stores("ds_write"), *stores("global_store")])
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
            global_memory(name, 0, 1, 4), vgprs=vgprs, scalars={126: exec_mask}, read=["mem 0 1024"]
        )
    assert answer == list(struct.unpack("<1024I", image))


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


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("op", sorted(ATOMICS))
@settings(max_examples=5)
@given(seed=st.integers(0, M32))
def test_global_atomic(machine: Machine, *, op: str, wide: bool, seed: int) -> None:
    """All lanes on four addresses, one after another; each gets the value before its own."""
    name, bits = f"global_atomic_{op}" + ("_x2" if wide else ""), 64 if wide else 32
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
    answer = machine.step(
        global_memory(name, 6, 1, 4, glc=True),
        vgprs=vgprs,
        read=["v 6", "v 7", f"mem 0 {step}"],
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


DS_NAMES = {
    "add_rtn_u32": "add",
    "sub_rtn_u32": "sub",
    "inc_rtn_u32": "inc",
    "dec_rtn_u32": "dec",
    "min_rtn_i32": "smin",
}
DS_NAMES |= {
    "max_rtn_i32": "smax",
    "min_rtn_u32": "umin",
    "max_rtn_u32": "umax",
    "and_rtn_b32": "and",
    "or_rtn_b32": "or",
}
DS_NAMES |= {"xor_rtn_b32": "xor", "wrxchg_rtn_b32": "swap"}


@pytest.mark.parametrize("name", sorted(DS_NAMES))
@settings(max_examples=5)
@given(seed=st.integers(0, M32))
def test_lds_atomic(machine: Machine, name: str, seed: int) -> None:
    data = pattern(seed, LANES)
    answer = machine.step(
        ds("ds_" + name, 6, 1, 4), vgprs={1: [64], 4: data}, read=["v 6", "lds 64 1"], extra=["lds 64 5"]
    )
    now = 5
    for lane in range(LANES):
        assert answer[lane] == now
        now = ATOMICS[DS_NAMES[name]](now, data[lane], 32) & M32
    assert answer[LANES] == now


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
        global_memory("global_atomic_cmpswap", 6, 1, 4, glc=True),
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
        machine.step(global_memory("global_load_dword", 4, 1, 0), vgprs=outside, read=["v 4"])
    code = {1: [base + 2 & M32], 2: [base >> 32]}
    with pytest.raises(MachineFaultError, match="misaligned"):
        machine.step(global_memory("global_atomic_add", 4, 1, 5), vgprs=code, read=["v 4"])
    with pytest.raises(MachineFaultError, match="LDS access out of range"):
        machine.step(ds("ds_write_b32", 0, 1, 4), vgprs={1: [65536]}, read=["v 4"])
    assert machine.step(ds("ds_read_b32", 4, 1, 0), vgprs={1: [65536], 4: [9]}, read=["v 4"]) == [0] * LANES
    with pytest.raises(MachineFaultError, match="illegal instruction"):
        machine.step([0xFFFFFFFF], read=["v 4"])
