"""Products: mm, bmm, addmm, linear and einsum in all transposes and odd sizes; attention; embedding.

The magnitude of each result is |A|@|B|, computed with it, so the tolerance follows from the
length of the sum alone (suite/tolerance.py, steps 1 and 2).
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from suite.device import integers, move, normal
from suite.guard import gpu_only
from suite.record import Record
from suite.tolerance import check

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
SHAPES = {
    "slice": [(1, 1, 1), (5, 7, 3), (17, 33, 9), (31, 31, 31)],
    "quick": [(1, 1, 1), (5, 7, 3), (17, 33, 9), (31, 31, 31), (65, 127, 63), (129, 257, 129)],
    "full": [
        (1, 1, 1), (1, 64, 1), (64, 1, 64), (5, 7, 3), (17, 33, 9), (31, 31, 31), (63, 65, 64), (64, 64, 64),
        (65, 127, 63), (128, 128, 128), (129, 257, 129), (1, 1024, 257), (513, 1, 255), (256, 2049, 33), (1023, 511, 1025),
    ],
}  # fmt: skip


def _operand(rows: int, columns: int, dtype: torch.dtype, seed: int, *, turned: bool) -> torch.Tensor:
    x = normal(rows, columns, dtype=dtype, seed=seed)
    return x.t().contiguous().t() if turned else x


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize(
    "turned", list(itertools.product([False, True], repeat=2)), ids=["NN", "NT", "TN", "TT"]
)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_mm(
    turned: tuple[bool, bool], dtype: torch.dtype, tier: str, gpu: torch.device, record: Record
) -> None:
    for m, k, n in SHAPES[tier]:
        a = _operand(m, k, dtype, 1, turned=turned[0])
        b = _operand(k, n, dtype, 2, turned=turned[1])
        with gpu_only():
            got = move(a, gpu) @ move(b, gpu)
        wide = a.double(), b.double()
        check(
            record, f"{m}x{k}x{n}", got, wide[0] @ wide[1], length=k, magnitude=wide[0].abs() @ wide[1].abs()
        )


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize(
    "turned", list(itertools.product([False, True], repeat=2)), ids=["NN", "NT", "TN", "TT"]
)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_bmm_and_gradients(
    turned: tuple[bool, bool], dtype: torch.dtype, tier: str, gpu: torch.device, record: Record
) -> None:
    for batch, (m, k, n) in itertools.product((1, 3), SHAPES[tier][: 6 if tier == "full" else 3]):
        a = normal(batch, m, k, dtype=dtype, seed=3)
        b = normal(batch, k, n, dtype=dtype, seed=4)
        a = a.mT.contiguous().mT if turned[0] else a
        b = b.mT.contiguous().mT if turned[1] else b
        c = normal(batch, m, n, dtype=dtype, seed=5)
        x, y = move(a, gpu).requires_grad_(), move(b, gpu).requires_grad_()
        with gpu_only():
            out = torch.bmm(x, y)
            dx, dy = torch.autograd.grad(out, (x, y), move(c, gpu))
        a, b, c = a.double(), b.double(), c.double()
        label = f"{batch}x{m}x{k}x{n}"
        check(record, label, out, a @ b, length=k, magnitude=a.abs() @ b.abs())
        check(record, label + " dA", dx, c @ b.mT, length=n, magnitude=c.abs() @ b.abs().mT)
        check(record, label + " dB", dy, a.mT @ c, length=m, magnitude=a.abs().mT @ c.abs())


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_linear_and_gradients(
    bias: bool,
    dtype: torch.dtype,
    tier: str,
    gpu: torch.device,
    record: Record,
) -> None:
    for m, k, n in SHAPES[tier]:
        host = [normal(m, k, dtype=dtype, seed=6), normal(n, k, dtype=dtype, seed=7)]
        host += [normal(n, dtype=dtype, seed=8)] if bias else []
        up = normal(m, n, dtype=dtype, seed=9)
        mine = [move(t, gpu).requires_grad_() for t in host]
        with gpu_only():
            out = F.linear(*mine)
            grads = torch.autograd.grad(out, mine, move(up, gpu))
        wide = [t.double() for t in host]
        u, (x, w) = up.double(), wide[:2]
        extra = wide[2] if bias else torch.zeros(n, dtype=torch.float64)
        label = f"{m}x{k}x{n}"
        size, product = x.abs() @ w.abs().t() + extra.abs(), x @ w.t()
        check(
            record,
            label,
            out,
            product + extra,
            length=k + 1,
            magnitude=size,
            stored=product.abs() + extra.abs(),
        )
        check(record, label + " dx", grads[0], u @ w, length=n, magnitude=u.abs() @ w.abs())
        check(record, label + " dw", grads[1], u.t() @ x, length=m, magnitude=u.abs().t() @ x.abs())
        if bias:
            check(record, label + " db", grads[2], u.sum(0), length=m, magnitude=u.abs().sum(0))


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize("scales", [(0.0, 1.0), (1.0, 1.0), (-0.5, 2.0)], ids=str)
def test_addmm_scales(scales: tuple[float, float], gpu: torch.device, record: Record) -> None:
    beta, alpha = scales
    c, a, b = normal(33, 17, seed=1), normal(33, 65, seed=2), normal(65, 17, seed=3)
    with gpu_only():
        got = torch.addmm(move(c, gpu), move(a, gpu), move(b, gpu), beta=beta, alpha=alpha)
    want = beta * c.double() + alpha * (a.double() @ b.double())
    terms = abs(beta) * c.double().abs() + abs(alpha) * (a.double().abs() @ b.double().abs())
    check(record, "addmm", got, want, length=66, magnitude=terms)


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_attention(
    causal: bool,
    dtype: torch.dtype,
    tier: str,
    gpu: torch.device,
    record: Record,
) -> None:
    shapes = {"slice": [(1, 2, 9, 8)], "quick": [(1, 2, 9, 8), (2, 3, 65, 32)]}.get(
        tier, [(1, 1, 1, 8), (1, 2, 9, 8), (2, 3, 65, 32), (1, 4, 257, 64)]
    )
    for shape in shapes:
        host = [normal(*shape, dtype=dtype, seed=seed) for seed in (1, 2, 3)]
        up = normal(*shape, dtype=dtype, seed=4)
        wide = [t.double().requires_grad_() for t in host]
        scores = wide[0] @ wide[1].mT / math.sqrt(shape[-1])
        if causal:
            scores = scores.masked_fill(torch.ones(shape[-2], shape[-2], dtype=torch.bool).triu(1), -math.inf)
        want = scores.softmax(-1) @ wide[2]
        grads = torch.autograd.grad(want, wide, up.double())
        mine = [move(t, gpu).requires_grad_() for t in host]
        with gpu_only():
            out = F.scaled_dot_product_attention(*mine, is_causal=causal)
            got = torch.autograd.grad(out, mine, move(up, gpu))
        # Scores and weights may be stored in the narrow type between the steps: their rounding,
        # of size eps * |score| with |score| up to 5 here, moves every weight, and the backward
        # pass multiplies by at most |v|, |up| and |k|, each below 5.
        narrow = torch.finfo(dtype).eps / min(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
        length = shape[-1] + shape[-2]
        check(record, f"{shape}", out, want.detach(), length=length, magnitude=2 * narrow)
        for name, a, b in zip("qkv", got, grads, strict=True):
            size = 2 * narrow * (1 + b.abs().max())
            check(record, f"{shape} d{name}", a, b, length=length, magnitude=size)


@pytest.mark.quick
@pytest.mark.slice
def test_embedding_and_its_gradient(gpu: torch.device, record: Record) -> None:
    table, picks = normal(53, 17, seed=1), integers(0, 53, 7, 41, seed=2)
    picks[0, :20] = 5  # many to one row: sums collide
    up = normal(7, 41, 17, seed=3)
    mine = move(table, gpu).requires_grad_()
    with gpu_only():
        out = F.embedding(move(picks, gpu), mine, padding_idx=3)
        (grad,) = torch.autograd.grad(out, mine, move(up, gpu))
    want = torch.zeros(53, 17, dtype=torch.float64).index_add(0, picks.flatten(), up.double().flatten(0, 1))
    size = torch.zeros(53, 17, dtype=torch.float64).index_add(
        0, picks.flatten(), up.double().abs().flatten(0, 1)
    )
    want[3] = 0
    assert torch.equal(out.detach().cpu(), table[picks])
    check(record, "gradient", grad, want, length=60, magnitude=size)


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_softmax_sums_to_one(dtype: torch.dtype, tier: str, gpu: torch.device, record: Record) -> None:
    for columns in (1, 7, 33, 1025) if tier == "slice" else (1, 7, 33, 1023, 1025, 4097, 70_001):
        x = normal(5, columns, dtype=dtype, seed=columns) * 3
        with gpu_only():
            narrow, log = torch.softmax(move(x, gpu), -1), torch.log_softmax(move(x, gpu), -1)
            wide = torch.softmax(move(x, gpu), -1, dtype=torch.float32)
        check(record, f"{columns}", narrow, x.double().softmax(-1), length=columns)
        check(record, f"{columns} log", log, x.double().log_softmax(-1), length=columns)
        ones = torch.ones(5, dtype=torch.float64)
        check(
            record, f"{columns} total", wide.double().sum(-1), ones, length=columns, eps_dtype=torch.float32
        )
