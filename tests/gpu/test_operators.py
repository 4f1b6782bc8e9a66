"""Every operator of torch's database, forward and backward, against float64 on the CPU.

One test an operator and dtype. Operators that draw random numbers are recognised by two
references that differ; for them the seed's effect, the shape and the dtype are checked here,
the statistics in test_random.py.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from suite import ops
from suite.guard import gpu_only
from suite.record import Record
from suite.tolerance import Opinion, check, eps_of

#: What torch raises when an operator does not take an input.
REFUSALS = (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError, AssertionError)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Take the tier's operators."""
    tier = metafunc.config.getoption("--tier")
    rows = [
        pytest.param(op, dtype, id=f"{ops.full_name(op)}-{str(dtype).removeprefix('torch.')}")
        for op, dtype in ops.cases(tier)
    ]
    metafunc.parametrize(("op", "dtype"), rows)


@contextlib.contextmanager
def _wide() -> Iterator[None]:
    """Let whole numbers be promoted to float64 as the inputs are, without the reference's warnings."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_default_dtype(before)


class Reference:
    """The CPU's answers for one sample; each is computed when it is first asked for."""

    def __init__(self, op: Any, sample: Any, *, grad: bool) -> None:
        self.run = partial(self._run, op, sample, grad=grad)
        self.kept: dict[tuple[bool, int], list[torch.Tensor] | None] = {}

    @staticmethod
    def _run(op: Any, sample: Any, *, wide: bool, jitter: int, grad: bool) -> list[torch.Tensor] | None:
        inputs = ops.on_checker(sample, wide=wide, jitter=jitter)
        torch.manual_seed(1)
        try:
            finish, eps = sample.output_process_fn_grad, ops.coarsest_eps(sample)
            with _wide() if wide else contextlib.nullcontext():
                out, grads = ops.results(op.op, inputs, finish, grad=grad, jitter=jitter, eps=eps)
        except REFUSALS:
            return None
        return [torch.as_tensor(leaf) for leaf in out] + [
            g if g is not None else torch.zeros(()) for g in grads
        ]

    def answer(self, *, wide: bool = True, jitter: int = 0) -> list[torch.Tensor] | None:
        """Give the results and then the gradients; nothing where the CPU refuses the input."""
        key = (wide, jitter)
        if key not in self.kept:
            self.kept[key] = self.run(wide=wide, jitter=jitter)
        return self.kept[key]

    def moved(self) -> list[list[torch.Tensor]]:
        """Give the answers for inputs moved by an eps."""
        return [found for k in (1, 2, 3) if (found := self.answer(jitter=k)) is not None]

    @staticmethod
    def random(op: Any, sample: Any) -> bool:
        """Say whether the result depends on the seed; upstream's wrappers that set one are hindered."""
        answers = []
        with pytest.MonkeyPatch.context() as patch, _wide():
            seed = torch.manual_seed
            patch.setattr(torch, "manual_seed", lambda _: None)
            for number in (2, 3):
                seed(number)
                inputs = ops.on_checker(sample, wide=True)
                out, _ = ops.results(op.op, inputs, sample.output_process_fn_grad, grad=False)
                answers.append([torch.as_tensor(leaf) for leaf in out])
        return any(
            a.shape != b.shape or not bool(((a == b) | ((a != a) & (b != b))).all())  # noqa: PLR0124  (NaN)
            for a, b in zip(*answers, strict=True)
        )


def _length(inputs: ops.Inputs, out: list[Any]) -> int:
    """Give the number of terms that meet in one result: the longest dimension, or inputs per result."""
    tensors = [leaf for leaf in ops.tree_leaves(inputs) if isinstance(leaf, torch.Tensor)]
    sizes = [max((leaf.numel() for leaf in tensors), default=1)]
    sizes += [leaf.numel() for leaf in out if isinstance(leaf, torch.Tensor) and leaf.numel()]
    longest = max((size for leaf in tensors for size in leaf.shape), default=1)
    return max(longest, max(sizes) // max(min(sizes), 1), 1)


def _coarsest(inputs: ops.Inputs, got: torch.Tensor) -> torch.dtype:
    kinds = [
        leaf.dtype
        for leaf in ops.tree_leaves(inputs)
        if isinstance(leaf, torch.Tensor) and eps_of(leaf.dtype)
    ]
    return max([*kinds, got.dtype], key=eps_of) if eps_of(got.dtype) else got.dtype


@pytest.mark.quick
@pytest.mark.slice
def test_operator(op: Any, dtype: torch.dtype, tier: str, gpu: torch.device, record: Record) -> None:
    """Compare all samples of one operator and dtype."""
    differentiable = op.supports_autograd and dtype in op.supported_backward_dtypes("cuda")
    grad = bool(differentiable and dtype.is_floating_point)
    compared = 0
    for number, sample in enumerate(ops.samples(op, dtype, tier, grad=grad)):
        compared += _one(op, sample, gpu, record, f"sample {number}", grad=grad)
    if not compared:
        pytest.skip("no sample has a reference on the CPU")


def _one(op: Any, sample: Any, gpu: torch.device, record: Record, label: str, *, grad: bool) -> bool:
    reference = Reference(op, sample, grad=grad)
    want = reference.answer()
    if want is None:
        want = reference.answer(wide=False)
    if want is None and grad:
        return _one(op, sample, gpu, record, label, grad=False)
    if want is None:
        return False
    inputs = ops.on_gpu(sample, gpu)
    torch.manual_seed(1)
    with gpu_only():
        out, grads = ops.results(op.op, inputs, sample.output_process_fn_grad, grad=grad)
    got = [leaf if isinstance(leaf, torch.Tensor) else torch.as_tensor(leaf) for leaf in out]
    if reference.answer() is not None and reference.random(op, sample):
        _same_seed(op, sample, gpu, got)
        return True
    assert len(got) + len(grads) == len(want), (
        f"{label}: {len(got)}+{len(grads)} results, expected {len(want)}"
    )
    atomic = op.name.startswith(ops.ATOMIC)
    least = 0.75 if op.name in (*ops.NORMALIZING, *ops.CENTRING) else 0.0
    opinion = Opinion(reference.moved, lambda: reference.answer(wide=False), atomic=atomic, least=least)
    length = _length(inputs, out)
    # Where values are equal, their order is free: places and the gradient's places are not compared.
    free = op.name in ops.FREE_ORDER and ops.ties(sample)
    first_only = op.name in ops.FIRST_ONLY
    for place, (mine, other) in enumerate(zip([*got, *grads], want, strict=True)):
        if mine is None or (free and (place >= len(got) or not eps_of(mine.dtype))):
            continue
        if first_only and 0 < place < len(got):
            continue
        name = f"{label} result {place}" if place < len(got) else f"{label} gradient {place - len(got)}"
        check(
            record,
            name,
            mine,
            other,
            length=length,
            eps_dtype=torch.float32
            if op.name in ops.SINGLE_CONSTANTS and mine.dtype == torch.float64
            else _coarsest(inputs, mine),
            opinion=opinion,
            position=place,
        )
    return True


def _same_seed(op: Any, sample: Any, gpu: torch.device, got: list[torch.Tensor]) -> None:
    """Check that the seed alone decides: the second run with it gives the same bits."""
    inputs = ops.on_gpu(sample, gpu)
    torch.manual_seed(1)
    with gpu_only():
        out, _ = ops.results(op.op, inputs, sample.output_process_fn_grad, grad=False)
    for first, second in zip(got, out, strict=True):
        if isinstance(second, torch.Tensor):
            assert first.shape == second.shape
            assert torch.equal(first.nan_to_num(), second.nan_to_num()), "the same seed gave another result"
