"""Elementwise work and reductions over every layout and size that picks another kernel.

Empty, one element, odd sizes, exactly and just past a block, past 65536 blocks' worth of
elements, strided, transposed, expanded, unaligned; all dtypes. The reference is float64.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from suite.device import integers, move, normal
from suite.guard import gpu_only
from suite.record import Record
from suite.tolerance import check

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
SIZES = {
    "slice": (0, 1, 33, 1025),
    "quick": (0, 1, 33, 1025, 70_001),
    "full": (0, 1, 3, 31, 33, 64, 255, 257, 1023, 1025, 70_001, 4_194_305, 16_777_219),
}

Binary = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
ELEMENTWISE: dict[str, Binary] = {
    "mul-add": lambda x, y: x * y + x,
    "divide": lambda x, y: x / (y * y + 1),
    "exp-tanh": lambda x, y: torch.exp(-x.abs()) + torch.tanh(y),
    "where": lambda x, y: torch.where(x > y, x, -y),
    "clamp": lambda x, y: torch.clamp(x, -0.5, 0.5) * y.sign(),
}
REDUCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sum": lambda x: x.sum(),
    "sum-rows": lambda x: x.sum(-1),
    "sum-columns": lambda x: x.sum(0),
    "mean": lambda x: x.mean(),
    "amax-columns": lambda x: x.amax(0),
    "amin-rows": lambda x: x.amin(-1),
    "norm-rows": lambda x: torch.linalg.vector_norm(x, dim=-1),
    "var-columns": lambda x: x.var(0),
    "logsumexp-rows": lambda x: x.logsumexp(-1),
}
LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "dense": lambda x: x,
    "transposed": lambda x: x.t().contiguous().t(),
    "every-second": lambda x: x.repeat_interleave(2, 1)[:, ::2],
    "expanded": lambda x: x[:1].expand(x.shape),
    "unaligned": lambda x: torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape),
    "channels-last": lambda x: x[None, :, :, None].contiguous(memory_format=torch.channels_last)[0, :, :, 0],
}


def _sizes(tier: str) -> tuple[int, ...]:
    return SIZES[tier]


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_elementwise_sizes(
    name: str, dtype: torch.dtype, tier: str, gpu: torch.device, record: Record
) -> None:
    run = ELEMENTWISE[name]
    for size in _sizes(tier):
        x, y = normal(size, dtype=dtype, seed=1), normal(size, dtype=dtype, seed=2)
        want = run(x.double(), y.double())
        with gpu_only():
            got = run(move(x, gpu), move(y, gpu))
        magnitude = 1 + x.double().abs() * (1 + y.double().abs())
        # Each of the up to three steps is stored, so each rounds in the narrow type.
        check(record, f"{size} elements", got, want, length=2, magnitude=magnitude * _narrow(dtype))


def _narrow(dtype: torch.dtype) -> float:
    """Give the stored type's eps over the accumulating type's: intermediate results are stored here."""
    eps = torch.finfo(dtype).eps
    return eps / torch.finfo(torch.float32).eps if dtype in (torch.float16, torch.bfloat16) else 1.0


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str, layout: str, tier: str, gpu: torch.device, record: Record) -> None:
    shapes = {"slice": [(7, 65)], "quick": [(7, 65), (129, 1025)]}.get(
        tier, [(1, 1), (2, 3), (7, 65), (129, 1025), (3, 100_003), (65_537, 33)]
    )
    dtypes = (torch.float32,) if tier == "slice" else FLOATS
    for shape in shapes:
        for dtype in dtypes:
            if name == "var-columns" and shape[0] == 1:
                continue
            x = LAYOUTS[layout](normal(*shape, dtype=dtype, seed=3))
            wide = x.double()
            want = REDUCTIONS[name](wide)
            with gpu_only():
                got = REDUCTIONS[name](move(x, gpu))
            magnitude = {
                "sum": wide.abs().sum(),
                "mean": wide.abs().mean(),
                "sum-rows": wide.abs().sum(-1),
                "sum-columns": wide.abs().sum(0),
                "var-columns": (wide * wide).mean(0) * 2,
            }.get(name, want.abs() + 1)
            length = {"sum": x.numel(), "mean": x.numel()}.get(name, max(shape))
            check(record, f"{shape} {dtype}", got, want, length=length, magnitude=magnitude)


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.uint8, torch.bool], ids=str)
def test_whole_numbers_are_exact(dtype: torch.dtype, tier: str, gpu: torch.device, record: Record) -> None:
    high = 2 if dtype == torch.bool else 50
    for size in _sizes(tier):
        x, y = integers(0, high, size, seed=4).to(dtype), integers(1, high, size, seed=5).to(dtype)
        with gpu_only():
            a, b = move(x, gpu), move(y, gpu)
            outs = [a ^ b, a & b, (a == b).sum(), a.sum(), a.any(), b.all()]
            outs += [] if dtype == torch.bool else [a * b, a // b, a % b, a + b, a << 1]
        wants = [x ^ y, x & y, (x == y).sum(), x.sum(), x.any(), y.all()]
        wants += [] if dtype == torch.bool else [x * y, x // y, x % y, x + y, x << 1]
        for place, (got, want) in enumerate(zip(outs, wants, strict=True)):
            check(record, f"{size} elements, result {place}", got, want)


@pytest.mark.quick
@pytest.mark.slice
def test_broadcast_and_its_gradient(gpu: torch.device, record: Record) -> None:
    x, y = normal(5, 1, 7, seed=6).requires_grad_(), normal(1, 33, 1, seed=7).requires_grad_()
    wide = [t.detach().double().requires_grad_() for t in (x, y)]
    want = torch.autograd.grad((wide[0] * wide[1].exp()).sum(), wide)
    narrow = [move(t, gpu) for t in (x, y)]
    with gpu_only():
        got = torch.autograd.grad((narrow[0] * narrow[1].exp()).sum(), narrow)
    terms = (wide[0] * wide[1].exp()).detach().abs()
    check(record, "x", got[0], want[0], length=33, magnitude=terms.sum(1, keepdim=True) + want[0].abs())
    check(record, "y", got[1], want[1], length=35, magnitude=terms.sum((0, 2), keepdim=True))


@pytest.mark.quick
@pytest.mark.slice
def test_copies_between_layouts_and_types(gpu: torch.device, record: Record) -> None:
    x = normal(37, 65, seed=8)
    with gpu_only():
        a = move(x, gpu)
        turned = a.t().contiguous()
        cut = a[3:30:2, 5::3].clone()
        types = [a.to(kind) for kind in (torch.float16, torch.bfloat16, torch.float64, torch.int32)]
        strided = torch.zeros(74, 130, device=gpu)
        strided[::2, ::2].copy_(a)
    check(record, "transpose", turned, x.t().contiguous().double())
    check(record, "cut", cut, x[3:30:2, 5::3].double())
    for got in types:
        assert torch.equal(got.cpu(), x.to(got.dtype)), f"conversion to {got.dtype} is not torch's rounding"
    assert torch.equal(strided[::2, ::2].cpu(), x)
    assert float(strided.abs().sum().cpu()) == pytest.approx(float(x.abs().sum()), rel=1e-4)


def test_more_elements_than_32_bits_of_bytes(gpu: torch.device, memory: int) -> None:
    """Index arithmetic past 2**31 elements, in one byte each; needs 4.5 GiB of device memory."""
    size = 2**31 + 65
    if memory < 2 * size + (1 << 28):
        pytest.skip(f"needs {2 * size + (1 << 28)} bytes of device memory, {memory} may be taken")
    with gpu_only():
        x = torch.zeros(size, dtype=torch.uint8, device=gpu)
        x[-3:] = 7
        y = x + 1
        ends = y[-4:].clone(), y[:4].clone()
        total = int(torch.count_nonzero(x))
    assert ends[0].tolist() == [1, 8, 8, 8]
    assert ends[1].tolist() == [1, 1, 1, 1]
    assert total == 3
    del x, y
    torch.cuda.empty_cache()
