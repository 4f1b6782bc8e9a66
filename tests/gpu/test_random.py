"""Random generators and dropout: the right distribution, the same numbers for the same seed.

Bounds are five standard deviations of the estimated quantity, so a right generator fails
once in two million; the seeds are fixed, so a pass stays a pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from suite.device import move
from suite.guard import gpu_only
from suite.record import Record

DEVIATIONS = 5
pytestmark = [pytest.mark.quick, pytest.mark.slice]

#: name -> how to draw n numbers, their mean, their variance
DRAWS: dict[str, tuple[Callable[[int, torch.device], torch.Tensor], float, float]] = {
    "uniform": (lambda n, d: torch.rand(n, device=d), 0.5, 1 / 12),
    "normal": (lambda n, d: torch.randn(n, device=d), 0.0, 1.0),
    "normal-half": (lambda n, d: torch.randn(n, device=d, dtype=torch.float16), 0.0, 1.0),
    "randint": (lambda n, d: torch.randint(0, 10, (n,), device=d).float(), 4.5, 99 / 12),
    "bernoulli": (lambda n, d: torch.full((n,), 0.3, device=d).bernoulli(), 0.3, 0.21),
    "exponential": (lambda n, d: torch.empty(n, device=d).exponential_(2.0), 0.5, 0.25),
    "poisson": (lambda n, d: torch.poisson(torch.full((n,), 4.0, device=d)), 4.0, 4.0),
    "log-normal": (
        lambda n, d: torch.empty(n, device=d).log_normal_(0.0, 0.25),
        math.exp(1 / 32),
        (math.exp(1 / 16) - 1) * math.exp(1 / 16),
    ),
}


def _count(tier: str) -> int:
    return 4096 if tier == "slice" else 200_003


@pytest.mark.parametrize("name", DRAWS)
def test_distribution(name: str, tier: str, gpu: torch.device, record: Record) -> None:
    draw, mean, variance = DRAWS[name]
    count = _count(tier)
    with gpu_only():
        x = draw(count, gpu)
    values = x.cpu().double()
    near = DEVIATIONS * math.sqrt(variance / count)
    record.error(
        "mean",
        error=abs(float(values.mean()) - mean),
        tolerance=near,
        ratio=abs(float(values.mean()) - mean) / near,
    )
    assert abs(float(values.mean()) - mean) < near
    fourth = float(((values - mean) ** 4).mean())
    near = DEVIATIONS * math.sqrt(max(fourth - variance**2, 1e-12) / count) + 1e-3 * variance
    assert abs(float(((values - mean) ** 2).mean()) - variance) < near
    # Neighbours, and elements one wave and one block apart, must not be correlated.
    centred = values - values.mean()
    for lag in (1, 4, 32, 64, 256):
        correlation = float((centred[:-lag] * centred[lag:]).mean() / centred.var())
        assert abs(correlation) < DEVIATIONS / math.sqrt(count - lag), f"elements {lag} apart are correlated"


@pytest.mark.parametrize("name", DRAWS)
def test_the_seed_decides(name: str, gpu: torch.device) -> None:
    draw = DRAWS[name][0]
    with gpu_only():
        torch.manual_seed(7)
        first, second = draw(1025, gpu), draw(1025, gpu)
        torch.manual_seed(7)
        again = draw(1025, gpu)
        torch.manual_seed(8)
        other = draw(1025, gpu)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)


def test_the_state_resumes(gpu: torch.device) -> None:
    torch.manual_seed(9)
    with gpu_only():
        torch.rand(100, device=gpu)
    state = torch.cuda.get_rng_state(gpu)
    with gpu_only():
        first = torch.rand(100, device=gpu)
    torch.cuda.set_rng_state(state, gpu)
    with gpu_only():
        assert torch.equal(first, torch.rand(100, device=gpu))


def test_uniform_fills_its_range_evenly(tier: str, gpu: torch.device) -> None:
    count = _count(tier)
    with gpu_only():
        x = torch.rand(count, device=gpu)
    assert float(x.min()) >= 0
    assert float(x.max()) < 1
    seen = torch.histc(x.cpu().double(), 64, 0, 1)
    chi = float(((seen - count / 64) ** 2 / (count / 64)).sum())
    assert chi < 63 + DEVIATIONS * math.sqrt(2 * 63)


def test_permutation(tier: str, gpu: torch.device) -> None:
    for size in (0, 1, 2, 33, 1025, 30_001 if tier == "slice" else 100_003):
        with gpu_only():
            x = torch.randperm(size, device=gpu)
        assert torch.equal(x.cpu().sort().values, torch.arange(size))
    assert not torch.equal(x.cpu(), torch.arange(size))


def test_multinomial(tier: str, gpu: torch.device) -> None:
    weights = torch.tensor([1.0, 2.0, 0.0, 5.0])
    count = _count(tier) // 4
    with gpu_only():
        x = torch.multinomial(move(weights, gpu), count, replacement=True)
        few = torch.multinomial(move(weights, gpu), 3, replacement=False)
    seen = torch.bincount(x.cpu(), minlength=4).double() / count
    want = weights.double() / weights.sum()
    assert bool(((seen - want).abs() <= DEVIATIONS * (want * (1 - want) / count).sqrt()).all())
    assert sorted(few.tolist()) == [0, 1, 3]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_dropout(rate: float, dtype: torch.dtype, tier: str, gpu: torch.device) -> None:
    count = _count(tier)
    x = torch.ones(count, device=gpu, dtype=dtype, requires_grad=True)
    with gpu_only():
        torch.manual_seed(3)
        y = F.dropout(x, rate)
        (grad,) = torch.autograd.grad(y.sum(), x)
        torch.manual_seed(3)
        again = F.dropout(x, rate)
    assert torch.equal(y, again), "the same seed dropped other elements"
    assert torch.equal(y.detach() != 0, grad != 0), "the gradient's mask is another"
    y = y.detach()
    kept = float((y != 0).double().mean())
    assert abs(kept - (1 - rate)) <= DEVIATIONS * math.sqrt(rate * (1 - rate) / count) + 1e-9
    if rate < 1:
        scale = torch.tensor(1 / (1 - rate), dtype=dtype)
        assert float((y[y != 0] - scale.to(gpu)).abs().max()) <= float(scale) * torch.finfo(dtype).eps
