"""Memory beyond plain access: float atomics, compare-and-swap, private memory, formatted buffers."""

from __future__ import annotations

import random
import struct
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from tests.unit.vgpu_core import floats
from tests.unit.vgpu_core.floats import DOUBLE, SINGLE
from tests.unit.vgpu_core.integers import M32
from tests.unit.vgpu_core.machine import LANES
from tests.unit.vgpu_core.table import ROWS, buffer, far_memory, scratch, smem, typed_buffer
from tests.unit.vgpu_core.test_vgpu_core_lds import number
from tests.unit.vgpu_core.test_vgpu_core_memory import (
    SIZES,
    in_register,
    loads,
    pattern,
    raw_resource,
    stores,
)

if TYPE_CHECKING:
    from tests.unit.vgpu_core.machine import Machine

SEGMENTS = ("global", "flat", "buffer")
FLOAT_ATOMICS = [f"{s}_atomic_{op}{w}" for s in SEGMENTS for op in ("fmin", "fmax") for w in ("", "_x2")]
SWAPS = [f"{s}_atomic_{op}{w}" for s in SEGMENTS for op in ("cmpswap", "fcmpswap") for w in ("", "_x2")]
SCALAR_SWAPS = [f"s_{k}atomic_cmpswap{w}" for k in ("", "buffer_") for w in ("", "_x2")]
SCRATCH = [*loads("scratch_load"), *stores("scratch_store")]
#: Unified formats of gfx10 with floats of 32 and 16 bits, by their number of components.
FLOAT32 = {1: 22, 2: 64, 3: 74, 4: 77}
FLOAT16 = {1: 13, 2: 29, 3: 71, 4: 71}
FORMATTED = sorted(n for n, r in ROWS.items() if r.fmt in ("MUBUF", "MTBUF") and "_format_" in n)
COVERED = {*FLOAT_ATOMICS, *SWAPS, *SCALAR_SWAPS, *SCRATCH, *FORMATTED} & ROWS.keys()


def code_of(name: str) -> tuple[list[int], int]:
    """A returning atomic on v[1:2] or a buffer offset in v1, and where the old value comes back."""
    if name.startswith("buffer"):
        return buffer(name, 4, 1, offen=True, glc=True), 4
    return far_memory(name, 10, 1, 4, glc=True), 10


def place(machine: Machine, name: str) -> tuple[dict[int, list[int]], dict[int, int]]:
    """Registers that name byte 16 of the page."""
    (base,) = machine.ask(["get base"])
    if name.startswith("buffer"):
        return {1: [16]}, raw_resource(base, 4096)
    return {1: [base + 16 & M32], 2: [base + 16 >> 32]}, {}


@pytest.mark.parametrize("name", FLOAT_ATOMICS)
def test_float_atomic(machine: Machine, name: str) -> None:
    wide = name.endswith("_x2")
    fmt = DOUBLE if wide else SINGLE
    draw = random.Random(name)  # noqa: S311
    data = [number(draw, fmt) for _ in range(LANES)]
    now = number(draw, fmt)
    words, back = code_of(name)
    vgprs, slots = place(machine, name)
    answer = machine.step(
        words,
        vgprs={**vgprs, 4: [x & M32 for x in data], 5: [x >> 32 for x in data]},
        scalars=slots,
        read=[f"v {back}", f"v {back + 1}", "mem 16 2"],
        extra=[f"mem 16 {now & M32:x} {now >> 32:x}"],
    )
    for lane, value in enumerate(data):
        got = answer[lane] | (answer[LANES + lane] << 32 if wide else 0)
        assert got == now, lane
        now = floats.minimum(fmt, now, value, largest="fmax" in name)
    assert answer[2 * LANES] | answer[2 * LANES + 1] << 32 == now


@pytest.mark.parametrize("name", SWAPS)
def test_compare_and_swap(machine: Machine, name: str) -> None:
    """The new value comes first; floats compare as numbers, so -0 is 0."""
    wide, is_float = name.endswith("_x2"), "fcmp" in name
    fmt = DOUBLE if wide else SINGLE
    one, new = (fmt.encode(Fraction(k)) for k in (1, 7))
    old = fmt.sign if is_float else one
    equal = 0 if is_float else one
    for comparand, stored in ((equal, True), (fmt.encode(Fraction(3)), False)):
        words, back = code_of(name)
        vgprs, slots = place(machine, name)
        data = [new & M32, new >> 32, comparand & M32, comparand >> 32] if wide else [new, comparand]
        answer = machine.step(
            words,
            vgprs={**vgprs, **{4 + k: [value] for k, value in enumerate(data)}},
            scalars={**slots, 126: 1},
            read=[f"v {back}", f"v {back + 1}", "mem 16 2"],
            extra=[f"mem 16 {old & M32:x} {old >> 32:x}"],
        )
        assert answer[0] | (answer[LANES] << 32 if wide else 0) == old
        assert answer[2 * LANES] | answer[2 * LANES + 1] << 32 == (new if stored else old)


@pytest.mark.parametrize("name", SCALAR_SWAPS)
def test_scalar_compare_and_swap(machine: Machine, name: str) -> None:
    wide = name.endswith("_x2")
    old, new = (0x1_0000_0002, 0x3_0000_0004) if wide else (2, 4)
    (base,) = machine.ask(["get base"])
    for comparand, stored in ((old, True), (9, False)):
        data = [new & M32, new >> 32, comparand & M32, comparand >> 32] if wide else [new, comparand]
        answer = machine.step(
            smem(name, 16, 4, offset=8, glc=True),
            scalars={**raw_resource(base, 4096), **{16 + k: value for k, value in enumerate(data)}},
            read=["s 16", "s 17", "mem 8 2"],
            extra=[f"mem 8 {old & M32:x} {old >> 32:x}"],
        )
        assert answer[0] | (answer[1] << 32 if wide else 0) == old
        assert answer[2] | answer[3] << 32 == (new if stored else old)


@pytest.mark.parametrize("name", SCRATCH)
def test_private_memory(machine: Machine, name: str) -> None:
    """Each lane has its own bytes; dwords of all lanes alternate in memory."""
    row, room = ROWS[name], 64
    size, old = SIZES[row.mem], 0x89ABCDEF
    words = pattern(5, room // 4 * LANES)
    draw = random.Random(name)  # noqa: S311
    step = min(size, 4)
    places = [draw.randrange((room - 16 - 8) // step) * step for _ in range(LANES)]
    is_store = "STORE" in row.flags
    data = {k: pattern(k, LANES) if is_store else [old] for k in range(4, 8)}
    answer = machine.step(
        scratch(name, 0 if is_store else 4, 1, 4 if is_store else 0, offset=8),
        vgprs={1: places, **data},
        read=[*(f"v {k}" for k in range(4, 8)), f"mem 0 {len(words)}"],
        extra=[f"scratch {room}", "mem 0 " + " ".join(f"{x:x}" for x in words)],
    )
    own = [bytearray(struct.pack(f"<{room // 4}I", *words[lane::LANES])) for lane in range(LANES)]
    for lane, at in enumerate(places):
        if is_store:
            raw = struct.pack("<4I", *(data[k][lane] for k in range(4, 8)))
            own[lane][at + 8 : at + 8 + size] = raw[2 : 2 + size] if name.endswith("_d16_hi") else raw[:size]
        else:
            want = in_register(bytes(own[lane][at + 8 : at + 8 + size]), row.mem, name, old)
            assert [answer[k * LANES + lane] for k in range(len(want))] == want, lane
    left = answer[4 * LANES :]
    for lane in range(LANES):
        assert left[lane::LANES] == list(struct.unpack(f"<{room // 4}I", own[lane])), lane


def components(name: str) -> int:
    """How many components a formatted instruction moves."""
    return len(name.rpartition("_")[2])


@pytest.mark.parametrize("name", FORMATTED)
def test_formatted(machine: Machine, name: str) -> None:
    """Floats of the format's own size pass unchanged; 16-bit registers hold two components."""
    count, d16, high = components(name), "_d16_" in name, "_d16_hi_" in name
    code = (FLOAT16 if d16 else FLOAT32)[count]
    (base,) = machine.ask(["get base"])
    # The resource's own format, components in order x y z w, raw bounds.
    slots = raw_resource(base, 4096)
    slots[7] = 3 << 28 | 1 << 24 | code << 12 | 7 << 9 | 6 << 6 | 5 << 3 | 4
    draw = random.Random(name)  # noqa: S311
    values = [floats.HALF.encode(Fraction(draw.randrange(-900, 900), 8)) for _ in range(4)]
    if not d16:
        values = [SINGLE.encode(Fraction(draw.randrange(-900, 900), 8)) for _ in range(4)]
    if d16:
        memory = [values[0] | values[1] << 16, values[2] | values[3] << 16]
        registers = [values[0] | (values[1] << 16 if count > 1 else 0)]
        registers += [values[2] | (values[3] << 16 if count > 3 else 0)] if count > 2 else []
    else:
        memory, registers = values, values[:count]
    if high:
        registers = [values[0] << 16 | 0xCDEF]
    words = (
        typed_buffer(name, 4, 1, code, offset=8)
        if ROWS[name].fmt == "MTBUF"
        else buffer(name, 4, 1, offen=True, offset=8)
    )
    if "STORE" not in ROWS[name].flags:
        answer = machine.step(
            words,
            vgprs={1: [8], **{k: [0x89ABCDEF] for k in range(4, 8)}},
            scalars=slots,
            read=[f"v {k}" for k in range(4, 8)],
            extra=["mem 16 " + " ".join(f"{x:x}" for x in memory)],
        )
        got = [answer[k * LANES] for k in range(4)]
        if d16 and count % 2 and not high:  # what the last half becomes is not said
            got[len(registers) - 1] &= 0xFFFF
        assert got == [*registers, *([0x89ABCDEF] * 4)][:4]
        return
    answer = machine.step(
        words,
        vgprs={1: [8], **{4 + k: [value] for k, value in enumerate(registers)}},
        scalars={**slots, 126: 1},
        read=["mem 16 4"],
    )
    size = 2 if d16 else 4
    raw = struct.pack("<4I", *answer)
    got = [int.from_bytes(raw[k * size : (k + 1) * size], "little") for k in range(count)]
    assert got == values[:count]


def test_normalised_and_packed_formats(machine: Machine) -> None:
    """8_8_8_8 as UNORM and SINT, 10_10_10_2 as UINT: bytes to components and back."""
    (base,) = machine.ask(["get base"])
    cases = {
        56: [SINGLE.encode(Fraction(k, 255)) for k in (255, 0, 128, 1)],
        60: [255, 0, 128, 1],
        54: [0x3FF, 0x155, 0x2AA, 2],
    }
    stored = {56: 0x018000FF, 60: 0x018000FF, 54: 0x3FF | 0x155 << 10 | 0x2AA << 20 | 2 << 30}
    for code, want in cases.items():
        answer = machine.step(
            typed_buffer("tbuffer_load_format_xyzw", 4, 1, code),
            vgprs={1: [0]},
            scalars=raw_resource(base, 64),
            read=[f"v {k}" for k in range(4, 8)],
            extra=[f"mem 0 {stored[code]:x}"],
        )
        assert [answer[k * LANES] for k in range(4)] == want, code
        back = machine.step(
            typed_buffer("tbuffer_store_format_xyzw", 4, 1, code),
            vgprs={1: [0], **{4 + k: [value] for k, value in enumerate(want)}},
            scalars={**raw_resource(base, 64), 126: 1},
            read=["mem 0 1"],
        )
        assert back == [stored[code]], code
