"""Results that have exactly one right value: what IEEE 754 wants rounded correctly, to the last bit.

Division and square root come out of a chain of fused multiply-adds, each of which has to round once
(AMD: v_div_scale, v_rcp, v_fma, v_div_fmas, v_div_fixup). An error far below any tolerance of a sum shows here.
The reference is float64: it has more than twice float32's digits and two, so that rounding its quotient
or root again to float32 or less changes nothing (Figueroa, When is double rounding innocuous?).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from suite.device import move
from suite.guard import gpu_only
from suite.record import Record
from suite.tolerance import check

pytestmark = [pytest.mark.quick, pytest.mark.slice]

COUNT = {"slice": 20_000, "quick": 200_000, "full": 4_000_000}
OPERATIONS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "div": torch.div,
    "reciprocal": lambda x, _: torch.reciprocal(x),
    "sqrt": lambda x, _: torch.sqrt(x.abs()),
}


def numbers(count: int, seed: int) -> torch.Tensor:
    """Give float32 values of every exponent that keeps quotients normal, both signs, all mantissas."""
    made = torch.Generator().manual_seed(seed)
    mantissas = torch.randint(0, 1 << 23, (count,), generator=made, dtype=torch.int32)
    exponents = torch.randint(127 - 60, 127 + 60, (count,), generator=made, dtype=torch.int32)
    signs = torch.randint(-1, 1, (count,), generator=made, dtype=torch.int32) << 31
    return (mantissas | exponents << 23 | signs).view(torch.float32)


@pytest.mark.parametrize("name", OPERATIONS)
def test_rounded_correctly(name: str, tier: str, gpu: torch.device, record: Record) -> None:
    x, y = numbers(COUNT[tier], 1), numbers(COUNT[tier], 2)
    operation = OPERATIONS[name]
    with gpu_only():
        got = operation(move(x, gpu), move(y, gpu))
    wanted = operation(x.double(), y.double()).float()
    wrong = (got.cpu() != wanted).nonzero().flatten()
    assert len(wrong) == 0, (
        f"{len(wrong)} of {len(x)} are not rounded correctly, first: {name}({x[wrong[0]].item()!r}, "
        f"{y[wrong[0]].item()!r}) gave {got[wrong[0]].item()!r}, right is {wanted[wrong[0]].item()!r}"
    )
    check(record, name, got.view(torch.int32), wanted.view(torch.int32))
