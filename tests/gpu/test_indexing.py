"""Indexing, selection, sorting, scans: what hipCUB and rocPRIM do, and what was reported wrong on gfx1010.

nonzero, masked_select, boolean index, unique and scatter_add are named in a report from a
card (ROCm 6.4, torch 2.9.1), so they run here in sizes around every block border. All are
exact, or their sums are bounded by their terms.
"""

from __future__ import annotations

import pytest
import torch
from suite.device import integers, move, normal
from suite.guard import gpu_only
from suite.record import Record
from suite.tolerance import check

SIZES = {
    "slice": (0, 1, 33, 257, 1025),
    "quick": (0, 1, 33, 255, 257, 1025, 4097, 70_001),
    "full": (0, 1, 2, 31, 32, 33, 63, 65, 127, 128, 129, 255, 256, 257, 511, 513, 1023, 1024, 1025, 2047, 2049,
             4095, 4097, 8191, 8193, 65_535, 65_537, 70_001, 1_048_577, 4_194_305),
}  # fmt: skip
DENSITIES = (0.0, 0.03, 0.5, 1.0)
pytestmark = [pytest.mark.quick, pytest.mark.slice]


def _mask(size: int, density: float, seed: int) -> torch.Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed)) < density


def test_nonzero(tier: str, gpu: torch.device, record: Record) -> None:
    for size in SIZES[tier]:
        for density in DENSITIES:
            mask = _mask(size, density, size)
            with gpu_only():
                there = move(mask, gpu)
                got, count = torch.nonzero(there), torch.count_nonzero(there)
            check(record, f"{size} at {density}", got, mask.nonzero())
            check(record, f"{size} at {density} count", count, mask.sum())


def test_nonzero_of_matrices(gpu: torch.device, record: Record) -> None:
    for shape in [(3, 5), (33, 65), (1, 1025), (7, 1, 33), (2, 3, 5, 7)]:
        x = integers(0, 3, *shape, seed=2)
        strided = x.flip(0).transpose(0, -1)
        with gpu_only():
            got, columns = torch.nonzero(move(x, gpu)), torch.nonzero(move(x, gpu), as_tuple=True)
            turned = torch.nonzero(move(strided, gpu))
        check(record, f"{shape}", got, x.nonzero())
        check(record, f"{shape} as tuple", torch.stack(columns, 1), x.nonzero())
        check(record, f"{shape} strided", turned, strided.nonzero())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.uint8], ids=str)
def test_masked_select_and_boolean_index(
    dtype: torch.dtype, tier: str, gpu: torch.device, record: Record
) -> None:
    for size in SIZES[tier]:
        for density in DENSITIES:
            x, mask = integers(0, 200, size, seed=3).to(dtype), _mask(size, density, size + 1)
            with gpu_only():
                a, m = move(x, gpu), move(mask, gpu)
                selected, indexed = torch.masked_select(a, m), a[m]
                put = a.clone()
                put[m] = 7
                scattered = torch.zeros_like(a).masked_scatter(m, a)
            want = x.masked_select(mask)
            label = f"{size} at {density}"
            assert torch.equal(selected.cpu(), want), f"masked_select, {label}"
            check(record, f"index, {label}", indexed, want.to(dtype))
            check(record, f"put, {label}", put, torch.where(mask, torch.tensor(7, dtype=dtype), x))
            check(record, f"masked_scatter, {label}", scattered, torch.zeros_like(x).masked_scatter(mask, x))


def test_boolean_index_of_rows_and_its_gradient(gpu: torch.device, record: Record) -> None:
    x, mask = normal(129, 17, seed=4), _mask(129, 0.4, 5)
    up = normal(int(mask.sum()), 17, seed=6)
    mine = move(x, gpu).requires_grad_()
    with gpu_only():
        out = mine[move(mask, gpu)]
        (grad,) = torch.autograd.grad(out, mine, move(up, gpu))
    check(record, "rows", out, x[mask].double())
    want = torch.zeros(129, 17, dtype=torch.float64)
    want[mask] = up.double()
    check(record, "gradient", grad, want)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float32], ids=str)
def test_unique(dtype: torch.dtype, tier: str, gpu: torch.device, record: Record) -> None:
    for size in SIZES[tier]:
        for high in (2, 1000):
            x = integers(-high, high, size, seed=7).to(dtype)
            with gpu_only():
                a = move(x, gpu)
                values, inverse, counts = torch.unique(a, return_inverse=True, return_counts=True)
                runs, lengths = torch.unique_consecutive(a, return_counts=True)
            wants = torch.unique(x, return_inverse=True, return_counts=True)
            label = f"{size} values below {high}"
            for name, got, want in zip(
                ("values", "inverse", "counts"), (values, inverse, counts), wants, strict=True
            ):
                check(record, f"{label}, {name}", got, want)
            want_runs, want_lengths = torch.unique_consecutive(x, return_counts=True)
            check(record, f"{label}, runs", runs, want_runs)
            check(record, f"{label}, lengths of runs", lengths, want_lengths)


def test_unique_rows(gpu: torch.device, record: Record) -> None:
    x = integers(0, 3, 257, 4, seed=8)
    with gpu_only():
        got, counts = torch.unique(move(x, gpu), dim=0, return_counts=True)
    want, want_counts = torch.unique(x, dim=0, return_counts=True)
    check(record, "rows", got, want)
    check(record, "counts", counts, want_counts)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float16, torch.int64, torch.int32, torch.uint8], ids=str
)
@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
def test_sort(
    dtype: torch.dtype,
    descending: bool,
    tier: str,
    gpu: torch.device,
    record: Record,
) -> None:
    for size in SIZES[tier]:
        x = (integers(0, 200, size, seed=9) if not dtype.is_floating_point else normal(size, seed=9) * 50).to(
            dtype
        )
        with gpu_only():
            a = move(x, gpu)
            values, places = torch.sort(a, descending=descending)
            stable = torch.sort(a, stable=True, descending=descending)
            picked = a[places]
        want = torch.sort(x, stable=True, descending=descending)
        check(record, f"{size}", values.double(), want.values.double())
        check(record, f"{size} stable places", stable.indices, want.indices)
        check(record, f"{size} picked by places", picked.double(), want.values.double())


def test_sort_rows_and_columns(gpu: torch.device, record: Record) -> None:
    x = normal(33, 129, seed=10)
    for dim in (0, 1):
        with gpu_only():
            values, places = torch.sort(move(x, gpu), dim=dim)
        want = x.sort(dim)
        check(record, f"dim {dim}", values, want.values.double())
        check(record, f"dim {dim} places", places, want.indices)


def test_topk_kthvalue_median(tier: str, gpu: torch.device, record: Record) -> None:
    for size in [s for s in SIZES[tier] if s]:
        x = torch.randperm(size, generator=torch.Generator().manual_seed(11)).float()
        k = min(size, 7)
        with gpu_only():
            a = move(x, gpu)
            top, low = torch.topk(a, k), torch.topk(a, k, largest=False)
            kth, middle = torch.kthvalue(a, k), torch.median(a)
        for name, got, want in (("topk", top, x.topk(k)), ("lowest", low, x.topk(k, largest=False))):
            check(record, f"{name} of {size}", got.values, want.values.double())
            check(record, f"{name} of {size}, places", got.indices, want.indices)
        check(record, f"kthvalue of {size}", kth.values, x.kthvalue(k).values.double())
        check(record, f"median of {size}", middle, x.median().double())


def test_mode(gpu: torch.device, record: Record) -> None:
    for size in (1, 33, 1025):
        x = torch.cat([torch.arange(size), torch.tensor([size // 2])])[:, None].flip(0)
        with gpu_only():
            got = torch.mode(move(x, gpu), 0)
        check(record, f"{size}", got.values, x[x == size // 2][:1])


def test_gather_scatter(tier: str, gpu: torch.device, record: Record) -> None:
    for size in [s for s in SIZES[tier] if s]:
        x, up = normal(3, size, seed=12), normal(3, size, seed=13)
        places = torch.stack(
            [torch.randperm(size, generator=torch.Generator().manual_seed(s)) for s in (1, 2, 3)]
        )
        mine = move(x, gpu).requires_grad_()
        with gpu_only():
            at = move(places, gpu)
            got = mine.gather(1, at)
            (grad,) = torch.autograd.grad(got, mine, move(up, gpu))
            put = torch.zeros(3, size, device=gpu).scatter(1, at, move(x, gpu))
        check(record, f"gather {size}", got, x.gather(1, places).double())
        want = torch.zeros(3, size).scatter(1, places, up)
        check(record, f"gather's gradient {size}", grad, want.double())
        check(record, f"scatter {size}", put, torch.zeros(3, size).scatter(1, places, x).double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.float16], ids=str)
def test_scatter_add_and_index_add(dtype: torch.dtype, tier: str, gpu: torch.device, record: Record) -> None:
    """Whole numbers in every dtype: sums stay exact (below 2**11 in float16), so no element may be missing."""
    for size in SIZES[tier]:
        for rows in (1, 5, 1000):
            x = integers(0, 3, size, seed=14)
            places = integers(0, rows, size, seed=15)
            want = torch.zeros(rows, dtype=torch.int64).scatter_add(0, places, x)
            if dtype == torch.float16 and size and int(want.max()) > 2048:
                continue
            with gpu_only():
                at, there = move(places, gpu), move(x, gpu).to(dtype)
                added = torch.zeros(rows, dtype=dtype, device=gpu).scatter_add(0, at, there)
                indexed = torch.zeros(rows, dtype=dtype, device=gpu).index_add(0, at, there)
                put = torch.zeros(rows, dtype=dtype, device=gpu).index_put((at,), there, accumulate=True)
            for name, got in (("scatter_add", added), ("index_add", indexed), ("index_put", put)):
                check(
                    record,
                    f"{name} {size} into {rows}",
                    got,
                    want.to(dtype).double() if dtype.is_floating_point else want,
                )


def test_scatter_add_of_matrices(gpu: torch.device, record: Record) -> None:
    x, places = normal(65, 33, seed=16), integers(0, 9, 65, 33, seed=17)
    for dim in (0, 1):
        shape = (9, 33) if dim == 0 else (65, 9)
        with gpu_only():
            got = torch.zeros(shape, device=gpu).scatter_add(dim, move(places, gpu), move(x, gpu))
            highest = torch.zeros(shape, device=gpu).scatter_reduce(
                dim, move(places, gpu), move(x, gpu), "amax"
            )
        zero = torch.zeros(shape, dtype=torch.float64)
        size = zero.scatter_add(dim, places, x.double().abs())
        check(record, f"dim {dim}", got, zero.scatter_add(dim, places, x.double()), length=20, magnitude=size)
        check(record, f"amax {dim}", highest, zero.scatter_reduce(dim, places, x.double(), "amax"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.float16], ids=str)
def test_scans(dtype: torch.dtype, tier: str, gpu: torch.device, record: Record) -> None:
    for size in SIZES[tier]:
        if size > 5000 and dtype == torch.float16:
            continue
        x = integers(-1, 2, size, seed=18)
        with gpu_only():
            a = move(x, gpu).to(dtype)
            total, high = torch.cumsum(a, 0), torch.cummax(a, 0).values if size else a
        # Partial sums of -1, 0 and 1 are whole numbers far below 2048: exact in every dtype here.
        want = x.cumsum(0)
        check(record, f"cumsum {size}", total.double(), want.double(), eps_dtype=torch.float64)
        if size:
            check(record, f"cummax {size}", high.double(), x.cummax(0).values.double())
    x = normal(17, 1031, seed=19)
    for dim in (0, 1):
        with gpu_only():
            a = move(x, gpu)
            total, product, logs = a.cumsum(dim), (1 + a * 1e-2).cumprod(dim), a.logcumsumexp(dim)
        wide = x.double()
        size = wide.abs().cumsum(dim)
        check(record, f"cumsum, dim {dim}", total, wide.cumsum(dim), length=x.shape[dim], magnitude=size)
        want = (1 + wide * 1e-2).cumprod(dim)
        check(
            record,
            f"cumprod, dim {dim}",
            product,
            want,
            length=x.shape[dim],
            magnitude=want * x.shape[dim] ** 0.5,
        )
        want = wide.logcumsumexp(dim)
        check(record, f"logcumsumexp, dim {dim}", logs, want, length=x.shape[dim], magnitude=1 + want.abs())


def test_histograms(tier: str, gpu: torch.device, record: Record) -> None:
    for size in SIZES[tier]:
        x = integers(0, 64, size, seed=20)
        with gpu_only():
            a = move(x, gpu)
            bins, counted = torch.histc(a.float(), 64, 0, 64), torch.bincount(a, minlength=70)
            found = torch.searchsorted(torch.arange(0, 64, 3, device=gpu), a)
        want = torch.bincount(x, minlength=70)
        check(record, f"histc {size}", bins, want[:64].double())
        check(record, f"bincount {size}", counted, want)
        check(record, f"searchsorted {size}", found, torch.searchsorted(torch.arange(0, 64, 3), x))
