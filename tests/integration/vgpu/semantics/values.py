"""Values to compute with: the edges of each type, and Hypothesis's strategies over them and all others.

A value is the word that a lane gets: the type's bits, zeros above them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from hypothesis import strategies as st
from tests.integration.vgpu.semantics.operations import FLOATS, width

#: bits of the mantissa
_MANTISSA = {"f16": 10, "f32": 23, "f64": 52}
#: How many lanes take part: less than a wave, a wave and some, more than a workgroup of 64.
_LANES = (1, 3, 33, 70)


@functools.cache
def edges(name: str) -> tuple[int, ...]:
    """Give the words of a type's edge values."""
    bits = width(name)
    mask = (1 << bits) - 1
    if name in FLOATS:
        return tuple(dict.fromkeys(word & mask for word in _float_edges(name)))
    top = 1 << (bits - 1)
    near = [0, 1, 2, 3, 5, 7, bits - 1, bits, bits + 1, -1, -2, -3]
    far = [top, top - 1, top + 1, top >> 1, (top >> 1) - 1, mask // 3, mask // 3 * 2, 1 << (bits // 2)]
    return tuple(dict.fromkeys(word & mask for word in near + far))


def _float_edges(name: str) -> list[int]:
    bits, mantissa = width(name), _MANTISSA[name]
    bias = (1 << (bits - 2 - mantissa)) - 1
    one = bias << mantissa
    infinity = (2 * bias + 1) << mantissa
    positive = [
        *(0, 1, 2, (1 << mantissa) - 1, 1 << mantissa, (1 << mantissa) + 1),  # denormals and their end
        *(one, one + 1, one - 1, one + (1 << mantissa), one - (1 << mantissa)),  # 1, 2, 0.5
        *(one + (1 << (mantissa - 1)), one + (5 << (mantissa - 2))),  # 1.5, 2.5
        one - (1 << mantissa) * 2 + (1 << mantissa) // 3,  # a third
        *(infinity, infinity - 1, infinity + (1 << (mantissa - 1))),  # infinity, the largest, a NaN
    ]
    # Where the integer types end, and where the type stops holding odd and even integers.
    for power in (7, 8, 15, 16, 31, 32, 63, 64, mantissa, mantissa + 1):
        if power <= bias:
            limit = (bias + power) << mantissa
            positive += [limit, limit - 1]
    sign = 1 << (bits - 1)
    return positive + [word | sign for word in positive]


def words(name: str) -> st.SearchStrategy[int]:
    """Draw words of a type: edges and all others."""
    return st.one_of(st.sampled_from(edges(name)), st.integers(0, (1 << width(name)) - 1))


def lanes(types: Sequence[str]) -> st.SearchStrategy[list[tuple[int, ...]]]:
    """Draw the inputs of some lanes."""
    lane = st.tuples(*(words(name) for name in types))
    return st.sampled_from(_LANES).flatmap(lambda count: st.lists(lane, min_size=count, max_size=count))


def pairs(name: str) -> list[tuple[int, int, int]]:
    """Give pairs of edge values, with a third in turn: all of an integer type, every fifth of a float's."""
    every = edges(name)
    found = [
        (a, b, every[(i * 7 + j * 3) % len(every)]) for i, a in enumerate(every) for j, b in enumerate(every)
    ]
    step = 5 if name in FLOATS else 1
    return found[::step]
