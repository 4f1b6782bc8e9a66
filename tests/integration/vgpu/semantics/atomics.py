"""What atomic operations must have left behind, whatever the order in which the lanes came.

Every operation turns an old value into a new one. In whatever order they came, each new value was the next
one's old value or is still there: the old values with the final one are the new values with the first, and
every old value can be reached from the first. That is when an order exists (a graph's Euler path).
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Sequence

from tests.integration.vgpu.semantics.machine import Words

SLOTS = 4
#: lanes give their operand, their slot, what a compare-and-swap expects
VALUE, SLOT, EXPECTED = range(3)
_FORMATS = {32: ("<I", "<f"), 64: ("<Q", "<d")}
_Step = Callable[[int, int, int, int], int]


def _signed(word: int, bits: int) -> int:
    return word - (word >> (bits - 1) << bits)


def _float_add(old: int, value: int, expected: int, bits: int) -> int:
    del expected
    integer, real = _FORMATS[bits]
    (before,) = struct.unpack(real, struct.pack(integer, old))
    (after,) = struct.unpack(integer, struct.pack(real, before + (value & 0xFF)))
    return int(after)


#: in the order of ATOMIC_STEPS in programs/semantics/waves.h
STEPS: dict[str, _Step] = {
    "add": lambda old, value, _, bits: (old + value) % (1 << bits),
    "sub": lambda old, value, _, bits: (old - value) % (1 << bits),
    "umin": lambda old, value, *_: min(old, value),
    "umax": lambda old, value, *_: max(old, value),
    "smin": lambda old, value, _, bits: min(old, value, key=lambda word: _signed(word, bits)),
    "smax": lambda old, value, _, bits: max(old, value, key=lambda word: _signed(word, bits)),
    "and": lambda old, value, *_: old & value,
    "or": lambda old, value, *_: old | value,
    "xor": lambda old, value, *_: old ^ value,
    "exchange": lambda old, value, *_: value,  # noqa: ARG005  the table's form
    "compare and swap": lambda old, value, expected, _: value if old == expected else old,
    "float add": _float_add,
}


def first_words(bits: int, drawn: Sequence[int]) -> Words:
    """Give what lies in the slots before: drawn words, and small whole numbers where floats are added."""
    integer, real = _FORMATS[bits]
    words = [drawn[i % len(drawn)] for i in range((len(STEPS) - 1) * SLOTS)]
    floats = [struct.unpack(integer, struct.pack(real, float(i)))[0] for i in range(SLOTS)]
    return (*words, *floats)


def _possible(first: int, final: int, changes: Sequence[tuple[int, int]]) -> bool:
    """Tell whether the changes (old, new), in some order, lead from the first value to the final one."""
    olds, news = [old for old, _ in changes], [new for _, new in changes]
    reached: set[int] = set()
    more = {first}
    while more:
        reached |= more
        more = {new for old, new in changes if old in reached} - reached
    return Counter([*olds, final]) == Counter([*news, first]) and reached.issuperset(olds)


def problems(bits: int, lanes: Sequence[Words], first: Words, got: Words) -> list[str]:
    """Give the slots whose history is impossible. `got`: each lane's old values, then the slots."""
    final = got[len(lanes) * len(STEPS) :]
    found = []
    for number, (name, step) in enumerate(STEPS.items()):
        for slot in range(SLOTS):
            at = number * SLOTS + slot
            here = [(i, lane) for i, lane in enumerate(lanes) if lane[SLOT] == slot]
            olds = [got[i * len(STEPS) + number] for i, _ in here]
            news = [
                step(old, lane[VALUE], lane[EXPECTED], bits)
                for old, (_, lane) in zip(olds, here, strict=True)
            ]
            if not _possible(first[at], final[at], list(zip(olds, news, strict=True))):
                found.append(
                    f"{name}, slot {slot}: first {first[at]:#x}, final {final[at]:#x}, "
                    f"operands {[hex(lane[VALUE]) for _, lane in here]}, old {[hex(old) for old in olds]}"
                )
    return found
