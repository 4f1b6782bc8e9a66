"""HIP code on the virtual card against the same code on the CPU, for -O0 to -O3, wave32 and wave64."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.vgpu.semantics import atomics, maths, operations, randomprograms
from tests.integration.vgpu.semantics.machine import (
    WAYS,
    Batch,
    Server,
    Words,
    compile_batch,
    differences,
)
from tests.integration.vgpu.semantics.values import lanes, pairs, words
from tests.integration.vgpu.vgputools import Card

from rocm_patch.vgpu.settings import Settings

pytestmark = [pytest.mark.sysroot, pytest.mark.slow]

#: The larger run of docs/vgpu.md sets these.
SEED = int(os.environ.get("VGPU_SEMANTICS_SEED", "1010"))
PROGRAMS = int(os.environ.get("VGPU_SEMANTICS_PROGRAMS", "12"))
EXAMPLES = int(os.environ.get("VGPU_SEMANTICS_EXAMPLES", "8"))

#: One process serves all examples; a shrink may take many.
drawn = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
_SHOWN = 6
#: one workgroup, as programs/semantics/waves.h has it
PLACES = 128
CROSS_OUTPUTS = 18
SHARED_OUTPUTS = 9


def made_programs() -> dict[str, randomprograms.Program]:
    random = Random(SEED)  # noqa: S311  programs that can be made again
    return {name: randomprograms.make(name, random) for name in (f"program_{i}" for i in range(PROGRAMS))}


RANDOM = made_programs()


@pytest.fixture(scope="session")
def batch(card: Card, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Give all that this file runs, compiled in every way."""
    parts = [
        '#include "maths.h"',
        '#include "waves.h"',
        *(operations.kernel(name) for name in operations.TYPES),
    ]
    parts += [program.source for program in RANDOM.values()]
    return compile_batch(card, tmp_path_factory.mktemp("semantics"), "\n".join(parts))


@pytest.fixture(scope="session")
def server(batch: Batch) -> Iterator[Server]:
    """Give the process that runs the batch."""
    with closing(batch.server()) as running:
        yield running


def compare(
    server: Server,
    name: str,
    given_lanes: Sequence[Words],
    outputs: int,
    title: Callable[[int], str],
    *,
    threads: int = 64,
) -> None:
    """Fail where the card's results are not the CPU's, with the lanes concerned."""
    answer = server.run(name, given_lanes, outputs=outputs, threads=threads)
    wrong = list(differences(answer, outputs))
    if wrong:
        lines = [f"{name}: {len(wrong)} results of {len(WAYS)} x {len(given_lanes) * outputs} differ"]
        for way, lane, output in wrong[:_SHOWN]:
            at = lane * outputs + output
            inputs = ", ".join(f"{word:#x}" for word in given_lanes[lane])
            lines += [
                f"{way.name}, lane {lane}, {title(output)} of ({inputs}):",
                f"  CPU {answer.cpu[way.wave][at]:#x}, card {answer.card[way][at]:#x}",
            ]
        raise AssertionError("\n".join(lines))


def compare_table(server: Server, kind: str, given_lanes: Sequence[Words]) -> None:
    titles = list(operations.results(kind))
    compare(server, f"table_{kind}", given_lanes, len(titles), lambda output: f"{kind} {titles[output]}")


@pytest.mark.parametrize("kind", operations.TYPES)
def test_every_operation_on_all_pairs_of_edge_values(server: Server, kind: str) -> None:
    compare_table(server, kind, pairs(kind))


@pytest.mark.parametrize("kind", operations.TYPES)
def test_every_operation_on_drawn_values(server: Server, kind: str) -> None:
    @drawn
    @given(lanes([kind] * 3))
    def check(given_lanes: list[Words]) -> None:
        compare_table(server, kind, given_lanes)

    check()


@pytest.mark.parametrize("name", RANDOM)
def test_random_programs(server: Server, name: str) -> None:
    program = RANDOM[name]

    @drawn
    @given(lanes(program.inputs))
    def check(given_lanes: list[Words]) -> None:
        try:
            compare(server, name, given_lanes, randomprograms.OUTPUTS, lambda output: f"out[{output}]")
        except AssertionError as error:
            told = f"{error}\nseed {SEED}; over programs/semantics/lane.h:\n{program.source}"
            raise AssertionError(told) from None

    check()


#: source lane, distance, log2 of the width, in a byte each
_wiring = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)).map(
    lambda parts: int.from_bytes(bytes(parts), "little")
)
#: bit 0: the lane takes part; bit 1: it votes. Mostly they do.
_part = st.sampled_from((3, 1, 1, 3, 0, 2))


def some_lanes(*parts: st.SearchStrategy[int]) -> st.SearchStrategy[list[Words]]:
    """Draw the words of one workgroup's lanes, whole waves and parts of them."""
    counts = st.sampled_from((1, 31, 32, 64, 77, PLACES))
    return counts.flatmap(lambda count: st.lists(st.tuples(*parts), min_size=count, max_size=count))


@drawn
@given(given_lanes=some_lanes(words("u32"), _wiring, _part))
def test_lanes_of_a_wave_exchange_values(server: Server, given_lanes: list[Words]) -> None:
    compare(server, "cross", given_lanes, CROSS_OUTPUTS, lambda output: f"out[{output}]", threads=PLACES)


@drawn
@given(given_lanes=some_lanes(words("u32"), words("u32")))
def test_waves_of_a_workgroup_share_lds(server: Server, given_lanes: list[Words]) -> None:
    compare(server, "shared", given_lanes, SHARED_OUTPUTS, lambda output: f"out[{output}]", threads=PLACES)


@pytest.mark.parametrize("place", ["global", "lds"])
@pytest.mark.parametrize("bits", [32, 64])
def test_atomics_leave_a_possible_history(server: Server, bits: int, place: str) -> None:
    word = words(f"u{bits}")

    @drawn
    @given(some_lanes(word, st.integers(0, atomics.SLOTS - 1), word), st.lists(word, min_size=1, max_size=8))
    def check(given_lanes: list[Words], drawn_first: list[int]) -> None:
        first = atomics.first_words(bits, drawn_first)
        answer = server.run(
            f"atomics{bits}_{place}", given_lanes, outputs=len(atomics.STEPS), tail=first, threads=PLACES
        )
        found = [
            f"{way.name}: {problem}"
            for way, got in answer.card.items()
            for problem in atomics.problems(bits, given_lanes, first, got)
        ]
        assert not found, "\n".join(found[:_SHOWN])

    check()


@pytest.mark.parametrize("kind", maths.TYPES)
def test_functions_of_the_maths_library_keep_their_bounds(server: Server, kind: str) -> None:
    @drawn
    @given(lanes([kind] * 2))
    def check(given_lanes: list[Words]) -> None:
        count = len(maths.BOUNDS)
        answer = server.run(f"maths_{kind}", given_lanes, outputs=count)
        found = [
            f"{way.name}, {problem}"
            for way, got in answer.card.items()
            for problem in maths.problems(kind, given_lanes, answer.cpu[way.wave], got)
        ]
        assert not found, "\n".join(found[:_SHOWN])

    check()


def _every_lane(count: int, *parts: int) -> list[Words]:
    return [(0x10001 * i, *parts) for i in range(count)]


#: what --inject plants -> a comparison that must see it
PLANTED: dict[str, Callable[[Server], None]] = {
    "fma-rounding": lambda server: compare_table(server, "f32", pairs("f32")),
    "dpp-row": lambda server: compare(
        server,
        "cross",
        _every_lane(PLACES, 0, 3),
        CROSS_OUTPUTS,
        lambda output: f"out[{output}]",
        threads=PLACES,
    ),
}


@pytest.mark.parametrize("defect", PLANTED)
def test_a_planted_defect_is_seen(batch: Batch, defect: str) -> None:
    with (
        closing(batch.server(Settings(inject=defect))) as running,
        pytest.raises(AssertionError, match=r"results of .* differ"),
    ):
        PLANTED[defect](running)
