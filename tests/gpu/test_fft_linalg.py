"""Fourier transforms and linear algebra, each checked by what defines its result.

A decomposition is not unique, so its factors are multiplied in float64 on the CPU and
compared with the matrix; the bound grows with the size as backward stability promises.
"""

from __future__ import annotations

import math

import pytest
import torch
from suite.device import move, normal
from suite.guard import gpu_only
from suite.record import Record
from suite.tolerance import SIGMAS, check

# Up to 32 rows a matrix is one wavefront on RDNA; behind it the waves have to wait for each other.
SIZES = {"slice": (1, 5, 17, 40), "quick": (1, 5, 33, 40, 65), "full": (1, 2, 5, 17, 33, 64, 65, 129, 257)}
KINDS = [torch.float32, torch.float64]
pytestmark = [pytest.mark.quick, pytest.mark.slice]


def _spd(size: int, dtype: torch.dtype, seed: int = 1) -> torch.Tensor:
    x = normal(size, size, dtype=torch.float64, seed=seed)
    return (x @ x.mT / size + torch.eye(size, dtype=torch.float64)).to(dtype)


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_fft(dtype: torch.dtype, tier: str, gpu: torch.device, record: Record) -> None:
    for size in (
        (1, 8, 15, 17, 64) if tier == "slice" else (1, 2, 8, 15, 17, 64, 97, 100, 1024, 2310, 4099, 65_536)
    ):
        x = normal(3, size, dtype=dtype, seed=size)
        with gpu_only():
            a = move(x, gpu)
            full, half = torch.fft.fft(a), torch.fft.rfft(a)
            back, real = torch.fft.ifft(full), torch.fft.irfft(half, size)
        wide = x.double()
        # log2(n) stages, each adding one rounding to values of size |x|_2 * sqrt(n) at most.
        terms = float(wide.norm(dim=-1).max())
        stages = 1 + math.ceil(math.log2(size + 1))
        check(record, f"fft {size}", full, torch.fft.fft(wide), length=stages, magnitude=terms * 4)
        check(record, f"rfft {size}", half, torch.fft.rfft(wide), length=stages, magnitude=terms * 4)
        size_back = terms * 8 / math.sqrt(size)
        check(record, f"irfft {size}", real, wide, length=stages, magnitude=size_back)
        check(record, f"ifft {size}", back, wide.to(torch.complex128), length=stages, magnitude=size_back)


def test_fft_of_planes_and_gradient(gpu: torch.device, record: Record) -> None:
    x = normal(2, 9, 15, seed=2)
    mine = move(x, gpu).requires_grad_()
    wide = x.double().requires_grad_()
    want = torch.fft.rfft2(wide).abs().pow(2).sum()
    (grad,) = torch.autograd.grad(want, wide)
    with gpu_only():
        out = torch.fft.rfft2(mine).abs().pow(2).sum()
        (got,) = torch.autograd.grad(out, mine)
    check(record, "energy", out, want.detach(), length=270)
    check(record, "gradient", got, grad, length=135, magnitude=float(grad.abs().max()))


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_cholesky_and_solves(dtype: torch.dtype, tier: str, gpu: torch.device, record: Record) -> None:
    for size in SIZES[tier]:
        a, b = _spd(size, dtype), normal(size, 3, dtype=dtype, seed=4)
        general = normal(size, size, dtype=dtype, seed=5) + size * torch.eye(size, dtype=dtype)
        with gpu_only():
            lower = torch.linalg.cholesky(move(a, gpu))
            by_cholesky = torch.cholesky_solve(move(b, gpu), lower)
            x = torch.linalg.solve(move(general, gpu), move(b, gpu))
            inverse = torch.linalg.inv(move(general, gpu))
            triangle = torch.linalg.solve_triangular(lower, move(b, gpu), upper=False)
        low = lower.cpu().double()
        check(
            record,
            f"L L^T {size}",
            (low @ low.mT).to(dtype),
            a.double(),
            length=size,
            magnitude=float(a.abs().max()) * 4,
        )
        assert float(low.triu(1).abs().max() if size > 1 else 0) == 0
        # |A x - b| <= c n eps |A| |x|: the definition of a backward stable solve.
        for name, matrix, answer in (("cholesky", a, by_cholesky), ("solve", general, x)):
            left = matrix.double() @ answer.cpu().double()
            size_of = matrix.double().abs() @ answer.cpu().double().abs() * 4
            check(record, f"{name} {size}", left, b.double(), length=size, magnitude=size_of, eps_dtype=dtype)
        left, terms = low @ triangle.cpu().double(), low.abs() @ triangle.cpu().double().abs()
        check(record, f"triangular {size}", left, b.double(), length=size, magnitude=terms, eps_dtype=dtype)
        left = general.double() @ inverse.cpu().double()
        eye = torch.eye(size, dtype=torch.float64)
        terms = general.double().abs() @ inverse.cpu().double().abs() * 4
        check(record, f"inverse {size}", left, eye, length=size, magnitude=terms, eps_dtype=dtype)


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_qr_svd_eigh(dtype: torch.dtype, tier: str, gpu: torch.device, record: Record) -> None:
    for size in SIZES[tier]:
        a = normal(size + 3, size, dtype=dtype, seed=6)
        s = _spd(size, dtype, seed=7)
        with gpu_only():
            q, r = torch.linalg.qr(move(a, gpu))
            u, d, vh = torch.linalg.svd(move(a, gpu), full_matrices=False)
            values, vectors = torch.linalg.eigh(move(s, gpu))
        q, r, u, d, vh = (t.cpu().double() for t in (q, r, u, d, vh))
        values, vectors = values.cpu().double(), vectors.cpu().double()
        eye, norm = torch.eye(size, dtype=torch.float64), float(torch.linalg.matrix_norm(a.double(), 2))
        kind = {"length": size + 3, "eps_dtype": dtype}
        check(record, f"Q R {size}", q @ r, a.double(), magnitude=norm, **kind)
        check(record, f"Q^T Q {size}", q.mT @ q, eye, magnitude=2.0, **kind)
        check(record, f"U S V^T {size}", (u * d) @ vh, a.double(), magnitude=8 * norm, **kind)
        # One-sided Jacobi (gesvdj) stops at a tolerance of its own, so its vectors are orthogonal to some multiple of
        # n * eps and not of its root: cuSOLVER 13 is 4 n eps off at size 257. LAPACK's tests allow 35 (TESTING/svd.in);
        # this makes the tolerance that.
        jacobi = 2 * 35 * math.sqrt(size + 3) / SIGMAS
        check(record, f"U^T U {size}", u.mT @ u, eye, magnitude=jacobi, **kind)
        want = torch.linalg.svdvals(a.double())
        # cuSOLVER 13's Jacobi is 0.9 to 1.2 n eps |A| off at sizes 129 to 513 (its QR 0.06 to 0.08): three are allowed,
        # for eigenvalues as well, which it finds in the same way.
        iterated = max(4, math.sqrt(size + 3))
        check(record, f"singular values {size}", d, want, magnitude=iterated * norm, **kind)
        big = float(s.double().abs().sum(0).max())
        check(
            record, f"V L V^T {size}", (vectors * values) @ vectors.mT, s.double(), magnitude=8 * big, **kind
        )
        want = torch.linalg.eigvalsh(s.double())
        check(record, f"eigenvalues {size}", values, want, magnitude=iterated * big, **kind)


@pytest.mark.skipif(
    torch.version.hip is None, reason="CUDA's torch hands general matrices to the host by design"
)
@pytest.mark.parametrize("dtype", [*KINDS, torch.complex64, torch.complex128], ids=str)
def test_eig(dtype: torch.dtype, tier: str, gpu: torch.device, record: Record) -> None:
    for size in SIZES[tier]:
        real = normal(2, size, size, dtype=torch.float64, seed=8)
        a = (torch.complex(real, real.roll(1, 0)) if dtype.is_complex else real).to(dtype)
        with gpu_only():
            values, vectors = torch.linalg.eig(move(a, gpu))
            alone = torch.linalg.eigvals(move(a, gpu))
        values, vectors, wide = (
            values.cpu().to(torch.complex128),
            vectors.cpu().to(torch.complex128),
            a.to(torch.complex128),
        )
        # Backward stable: A V = V W up to n eps |A| for vectors of length 1. Conditioning is in none of these.
        size_of = 8 * math.sqrt(size) * float(torch.linalg.matrix_norm(wide, 2).max())
        kind = {
            "length": size,
            "magnitude": size_of,
            "eps_dtype": a.real.dtype if dtype.is_complex else dtype,
        }
        check(record, f"A V - V W {size}", wide @ vectors, vectors * values.unsqueeze(-2), **kind)
        check(
            record,
            f"|v| {size}",
            torch.linalg.vector_norm(vectors, dim=-2),
            torch.ones(2, size, dtype=torch.float64),
            **kind,
        )
        for name, found in (("trace", values), ("trace of eigvals", alone.cpu().to(torch.complex128))):
            check(record, f"{name} {size}", found.sum(-1), wide.diagonal(0, -2, -1).sum(-1), **kind)


def test_batches_and_gradients(gpu: torch.device, record: Record) -> None:
    a = torch.stack([_spd(7, torch.float64, seed) for seed in (1, 2, 3)])
    b = normal(3, 7, 2, dtype=torch.float64, seed=4)
    mine = [move(t, gpu).requires_grad_() for t in (a, b)]
    wide = [t.clone().requires_grad_() for t in (a, b)]
    outs = []
    for tensors in (mine, wide):
        if tensors is mine:
            with gpu_only():
                out = torch.linalg.solve(*tensors).pow(2).sum() + torch.logdet(tensors[0]).sum()
                outs.append([out, *torch.autograd.grad(out, tensors)])
        else:
            out = torch.linalg.solve(*tensors).pow(2).sum() + torch.logdet(tensors[0]).sum()
            outs.append([out.detach(), *torch.autograd.grad(out, tensors)])
    for name, got, want in zip(("loss", "dA", "db"), *outs, strict=True):
        check(record, name, got, want, length=21, magnitude=10 * (1 + float(want.abs().max())))
