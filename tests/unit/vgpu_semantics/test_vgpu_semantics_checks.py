"""The checks of the comparison with the CPU: they take what is right and find what is wrong."""

from __future__ import annotations

import math
import struct
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.vgpu.semantics import atomics, maths, operations, randomprograms, values
from tests.integration.vgpu.semantics.machine import WAYS, Answer, Way, Words, differences

LANES: list[Words] = [(7 * i + 1, i % 2, 8 * i) for i in range(9)]


def history(bits: int, first: Words, order: list[int]) -> list[int]:
    """Run the operations of LANES one after the other in an order of lanes; give old values and slots."""
    slots = list(first)
    olds = [0] * (len(LANES) * len(atomics.STEPS))
    for lane in order:
        value, slot, expected = LANES[lane]
        for number, step in enumerate(atomics.STEPS.values()):
            at = number * atomics.SLOTS + slot
            olds[lane * len(atomics.STEPS) + number] = slots[at]
            slots[at] = step(slots[at], value, expected, bits)
    return olds + slots


@pytest.mark.parametrize("bits", [32, 64])
@given(order=st.permutations(range(len(LANES))))
def test_every_order_of_atomics_is_a_possible_history(bits: int, order: list[int]) -> None:
    first = atomics.first_words(bits, [3, 1 << (bits - 1)])
    assert atomics.problems(bits, LANES, first, tuple(history(bits, first, order))) == []


@pytest.mark.parametrize("name", atomics.STEPS)
def test_a_wrong_update_is_no_possible_history(name: str) -> None:
    first = atomics.first_words(32, [12345, 54321])
    got = history(32, first, list(range(len(LANES))))
    number = list(atomics.STEPS).index(name)
    for at in (len(LANES) * len(atomics.STEPS) + number * atomics.SLOTS, 4 * len(atomics.STEPS) + number):
        spoilt = [*got]
        spoilt[at] ^= 1 << 30
        (found,) = atomics.problems(32, LANES, first, tuple(spoilt))
        assert found.startswith(f"{name}, slot 0: ")


@pytest.mark.parametrize(
    ("kind", "right", "got", "error"),
    [
        ("f32", 1.0, 1.0, 0),
        ("f32", 1.0, 1.0 + 2**-22, 2),
        ("f32", 1.0, 1.0 - 2**-24, 0.5),
        ("f32", 2**-149, 0.0, 1),
        ("f32", 1e300, math.inf, 0),
        ("f32", 3.4028234663852886e38, math.inf, 1),
        ("f32", math.nan, math.nan, 0),
        ("f32", math.nan, 1.0, math.inf),
        ("f32", 0.0, 2**-148, 2),
        ("f64", 1.0, 1.0 + 2**-52, 1),
        ("f64", -math.inf, math.inf, math.inf),
        ("f64", 1.0, math.inf, math.inf),
    ],
)
def test_errors_are_counted_in_units_in_the_last_place(
    kind: str, right: float, got: float, error: float
) -> None:
    assert maths.errors_in_ulps(kind, right, got) == error


def test_a_result_beyond_its_bound_is_named() -> None:
    right, wrong = (struct.unpack("<Q", struct.pack("<d", one))[0] for one in (1.0, 1.0 + 2**-20))
    count = len(maths.BOUNDS)
    got = (*(right,) * 2, wrong, *(right,) * (count - 3))
    (found,) = maths.problems("f32", [(1, 2)], (right,) * count, got)
    assert found == "exp of f32 (0x1, 0x2): 1.0000009536743164 for 1.0, 8.0 ulp of 3 allowed"


def test_a_difference_is_placed() -> None:
    cpu: dict[int, Words] = {32: (1, 2, 3, 4), 64: (1, 2, 3, 4)}
    card: dict[Way, Words] = dict.fromkeys(WAYS, (1, 2, 3, 4))
    assert list(differences(Answer(cpu=cpu, card=card), 2)) == []
    card[WAYS[5]] = (1, 2, 3, 5)
    assert list(differences(Answer(cpu=cpu, card=card), 2)) == [(WAYS[5], 1, 1)]


def test_programs_follow_from_their_seed() -> None:
    one, same, other = (randomprograms.make("p", Random(seed)) for seed in (1, 1, 2))  # noqa: S311
    assert one == same
    assert one.source != other.source


@pytest.mark.parametrize("kind", operations.TYPES)
def test_edge_values_fit_their_type_and_reach_its_ends(kind: str) -> None:
    top = (1 << operations.width(kind)) - 1
    assert all(0 <= word <= top for word in values.edges(kind))
    assert {0, 1, top // 2 + 1} <= set(values.edges(kind))
