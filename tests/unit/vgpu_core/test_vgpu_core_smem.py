"""Scalar memory: loads, stores and atomics, plain and through a buffer resource."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from tests.unit.vgpu_core.integers import M32
from tests.unit.vgpu_core.table import ROWS, smem
from tests.unit.vgpu_core.test_vgpu_core_memory import ATOMICS, pattern, raw_resource

if TYPE_CHECKING:
    from tests.unit.vgpu_core.machine import Machine

DWORDS = {"B32": 1, "B64": 2, "B128": 4, "B256": 8, "B512": 16}
MOVES = sorted(
    n
    for n, r in ROWS.items()
    if r.fmt == "SMEM" and r.mem in DWORDS and not r.flags & {"ATOMIC", "SCRATCHMEM"}
)
SCALAR_ATOMICS = {
    f"s_{kind}atomic_{op}{wide}": op for kind in ("", "buffer_") for op in ATOMICS for wide in ("", "_x2")
}
SCALAR_MEMORY = [*MOVES, *SCALAR_ATOMICS]


def base_registers(machine: Machine, size: int) -> dict[int, int]:
    """s[4:7] as an address or, for the buffer forms, a resource of `size` bytes."""
    (base,) = machine.ask(["get base"])
    return raw_resource(base, size)


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize(("soffset", "offset"), [(0, 0), (16, 8), (64, -4)])
def test_move(machine: Machine, name: str, soffset: int, offset: int) -> None:
    row = ROWS[name]
    count, words, end = DWORDS[row.mem], pattern(3, 64), 96
    if "buffer" in name:
        offset = abs(offset)
    at = (soffset + offset) // 4
    slots = base_registers(machine, end) | {10: soffset}
    code = smem(name, 16, 4, soffset=10, offset=offset)
    limit = end // 4 if "buffer" in name else 64
    fill = ["mem 0 " + " ".join(f"{x:x}" for x in words)]
    if "LOAD" in row.flags:
        answer = machine.step(code, scalars=slots, read=[f"s {16 + k}" for k in range(count)], extra=fill)
        assert answer == [words[at + k] if at + k < limit else 0 for k in range(count)]
    else:
        data = pattern(4, count)
        slots |= {16 + k: value for k, value in enumerate(data)}
        answer = machine.step(code, scalars=slots, read=["mem 0 64"], extra=fill)
        inside = {at + k: value for k, value in enumerate(data) if at + k < limit}
        assert answer == [inside.get(k, word) for k, word in enumerate(words)]


@pytest.mark.parametrize("name", sorted(SCALAR_ATOMICS))
def test_atomic(machine: Machine, name: str) -> None:
    bits = 64 if name.endswith("_x2") else 32
    draw = random.Random(1)  # noqa: S311
    for _ in range(4):
        old, data = draw.getrandbits(bits), draw.choice((draw.getrandbits(bits), 0, 3))
        slots = base_registers(machine, 4096) | {16: data & M32, 17: data >> 32}
        fill = [f"mem 8 {old & M32:x} {old >> 32:x}"]
        answer = machine.step(
            smem(name, 16, 4, offset=8, glc=True), scalars=slots, read=["s 16", "s 17", "mem 8 2"], extra=fill
        )
        want = ATOMICS[SCALAR_ATOMICS[name]](old, data, bits) & ((1 << bits) - 1)
        assert answer[0] | (answer[1] << 32 if bits == 64 else 0) == old
        assert answer[2] | answer[3] << 32 == want


def test_outside_memory_faults(machine: Machine) -> None:
    with pytest.raises(Exception, match="4-byte read at 0x2000"):
        machine.step(smem("s_load_dword", 16, 4), scalars={4: 0x2000, 5: 0}, read=["s 16"])
