"""How far a GPU result may lie from the float64 reference: derived here, once, for every test.

Notation: u = finfo(dtype).eps / 2 is the unit roundoff, n the number of terms that meet in
one result, m the magnitude sum(|terms|) of such a result (|A|@|B| for a product of matrices).

1. Storing the result rounds once: u*|reference|. The function libraries of GPUs promise a
   few ulp for exp, sin, tgamma and their like (up to 16 in HIP's and CUDA's tables for single
   precision), hence ROUNDINGS = 16 of them.
2. A sum of n terms in any order has an error of at most (n-1)*u*m; with rounding errors that
   do not conspire it is about sqrt(n)*u*m (Higham and Mary 2019), and SIGMAS = 6 deviations
   cover every entry of large results. Half-precision sums run in float32 on every backend
   under test (device.settle switches the exceptions off), so u is float32's there, and only
   step 1 uses the stored type's.
3. Where an operation amplifies its inputs' rounding (cancellation, solves, logarithms near
   one), the amplification is measured: the float64 reference is computed again on inputs
   moved by +-eps relatively, PROBES times, and the largest change enters with the factor
   sqrt(n) + ROUNDINGS. An operation whose results jump there (floor at a whole number, argmax
   of near-equal values) excuses exactly the elements that jump.
4. Below the smallest normal number hardware may flush to zero: tiny for float32 and wider
   exponents, some subnormal steps for float16.

5. Transforms and chains of kernels mix large and small terms, so their small results carry
   rounding of the large ones (a Fourier bin that is zero in theory). Where 1 and 2 do not
   suffice, SIGMAS*sqrt(n)*u*max|result| is added, with u of the accumulating type. Half types
   store the steps of a composite operation: HALF_STEPS roundings of their own u come on top;
   operations that add into half-precision memory by atomics have that u in the sum as well.
6. A float64 result is compared with a float64 reference, which errs as much and by another
   algorithm: the tolerance is BOTH times as large there.

What remains is checked against the twin: the same operation in the same dtype by torch's CPU
kernels, an independent implementation with the same intermediate types. An element passes if
its error is at most TWIN times the twin's, or if it lies within steps 1-4 of the twin itself.
The twin is only ever a second opinion; a test says in the report where it was needed.
Whole numbers and booleans are compared exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from suite.record import Record

ROUNDINGS = 16
SIGMAS = 6
PROBES = 3
TWIN = 4
HALF_STEPS = 8
BOTH = 4


def eps_of(dtype: torch.dtype) -> float:
    """Give the spacing at one; 0 for whole numbers."""
    return torch.finfo(dtype).eps if dtype.is_floating_point or dtype.is_complex else 0.0


def accumulate_eps(dtype: torch.dtype) -> float:
    """Give the eps of the type that sums run in."""
    return (
        max(torch.finfo(torch.float32).eps, 0.0)
        if dtype in (torch.float16, torch.bfloat16)
        else eps_of(dtype)
    )


def floor_of(dtype: torch.dtype) -> float:
    """Give the absolute step below which hardware may flush to zero."""
    if not (dtype.is_floating_point or dtype.is_complex):
        return 0.0
    info = torch.finfo(dtype)
    return 8 * info.tiny * info.eps if dtype == torch.float16 else info.tiny


def bound(
    want: torch.Tensor,
    dtype: torch.dtype,
    *,
    length: int = 1,
    magnitude: torch.Tensor | float | None = None,
    stored: torch.Tensor | float = 0.0,
) -> torch.Tensor:
    """Give steps 1, 2 and 4 for a float64 reference; without `magnitude` the terms are the result itself.

    `stored` is the size of what half types store on the way (a product before its bias, a
    partial sum of a batch), each rounded twice at most.
    """
    size = want.abs().to(torch.float64)
    spread = size if magnitude is None else torch.as_tensor(magnitude, dtype=torch.float64).abs()
    unit, sums = eps_of(dtype) / 2, accumulate_eps(dtype) / 2
    growth = SIGMAS * math.sqrt(max(length, 1)) if length > 1 else 0.0
    halves = dtype in (torch.float16, torch.bfloat16)
    between = 2 * unit * torch.as_tensor(stored, dtype=torch.float64) if halves else 0.0
    both = BOTH if dtype == torch.float64 else 1
    return both * torch.nan_to_num(
        ROUNDINGS * unit * size + growth * sums * spread + between, nan=0.0
    ) + floor_of(dtype)


def to_checker(tensor: torch.Tensor) -> torch.Tensor:
    """Bring a GPU result to the checker: the CPU, float64 or whole numbers, complex as pairs."""
    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    tensor = tensor.cpu().resolve_conj().resolve_neg()
    if tensor.is_complex():
        return torch.view_as_real(tensor.to(torch.complex128))
    return tensor.to(torch.float64) if tensor.is_floating_point() else tensor


def ratio(got: torch.Tensor, want: torch.Tensor, allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Give error/tolerance for each element; infinity where one is not a number and the other is.

    A reference beyond the type's range may be stored as infinity, or as the largest number.
    """
    error = (got - want).abs()
    out = error / allowed.clamp_min(torch.finfo(torch.float64).tiny)
    same = (got == want) | (got.isnan() & want.isnan())
    if dtype.is_floating_point or dtype.is_complex:
        limit = torch.finfo(dtype).max * (1 - torch.finfo(dtype).eps)
        same |= (want.abs() >= limit) & (got.abs() >= limit) & (got.sign() == want.sign())
    out = torch.where(same, torch.zeros_like(out), out)
    broken = ~same & ~(got.isfinite() & want.isfinite())
    return torch.where(broken, torch.full_like(out, math.inf), out)


@dataclass
class Opinion:
    """What the later steps need, computed only if steps 1, 2 and 4 do not suffice."""

    #: float64 references on moved inputs, each as the list of all results of the operation.
    moved: Callable[[], Sequence[Sequence[torch.Tensor]]] | None = None
    #: The same operation in the same dtype on the CPU: results as the checker's.
    twin: Callable[[], Sequence[torch.Tensor] | None] | None = None
    #: Whether sums run in the stored type, by atomic additions into memory (step 5).
    atomic: bool = False
    #: The least size of the terms that meet in the result, where it cancels by construction (step 5).
    least: float = 0.0


def check(
    record: Record,
    name: str,
    got: torch.Tensor,
    want: torch.Tensor,
    *,
    length: int = 1,
    magnitude: torch.Tensor | float | None = None,
    stored: torch.Tensor | float = 0.0,
    eps_dtype: torch.dtype | None = None,
    opinion: Opinion | None = None,
    position: int = 0,
) -> None:
    """Compare a GPU result with the reference and record the outcome; AssertionError says where it differs.

    `eps_dtype` is the coarsest type on the way, where that is not the result's;
    `position` is the place of this result among the operation's, for `opinion`.
    """
    assert tuple(got.shape) == tuple(want.shape), (
        f"{name}: shape {tuple(got.shape)}, expected {tuple(want.shape)}"
    )
    dtype = eps_dtype or got.dtype
    mine, reference = to_checker(got), to_checker(want)
    if not mine.is_floating_point() and not reference.is_floating_point():
        _exact(record, name, mine, reference, opinion, position)
        return
    if mine.numel() == 0:
        record.error(name, error=0.0, tolerance=0.0, ratio=0.0)
        return
    mine, reference = mine.to(torch.float64), reference.to(torch.float64)
    if magnitude is not None and got.is_complex():
        magnitude = torch.as_tensor(magnitude, dtype=torch.float64).unsqueeze(-1)
    allowed = bound(reference, dtype, length=length, magnitude=magnitude, stored=stored).expand_as(reference)
    ratios = ratio(mine, reference, allowed, dtype)
    needed = ""
    if opinion is not None and float(ratios.max()) > 1:
        if opinion.moved is not None:
            factor = math.sqrt(length) + ROUNDINGS
            change = torch.zeros_like(reference)
            for results in opinion.moved():
                if position < len(results):
                    step = (to_checker(results[position]).to(torch.float64) - reference).abs()
                    # Where a moved input leaves the domain, the result there is undetermined.
                    change = torch.maximum(change, torch.nan_to_num(step, nan=math.inf, posinf=math.inf))
            allowed = allowed + factor * change + _normwise(reference, dtype, length, opinion)
            ratios = torch.where(
                allowed.isinf(), torch.zeros_like(ratios), ratio(mine, reference, allowed, dtype)
            )
            needed = ", conditioning measured"
        if float(ratios.max()) > 1 and opinion.twin is not None and (twins := opinion.twin()) is not None:
            twin = to_checker(twins[position]).to(torch.float64)
            near = ratio(mine, twin, allowed, dtype)
            off = TWIN * (twin - reference).abs()
            wide = ratio(mine, reference, torch.nan_to_num(torch.maximum(allowed, off), nan=0.0), dtype)
            ratios = torch.minimum(ratios, torch.minimum(near, wide))
            needed = ", twin consulted"
    _judge(record, name + needed, mine, reference, allowed, ratios)


def _normwise(reference: torch.Tensor, dtype: torch.dtype, length: int, opinion: Opinion) -> float:
    """Give step 5: the rounding of the largest results, for all."""
    sizes = reference.abs()[reference.isfinite()]
    if not sizes.numel() or not eps_of(dtype):
        return 0.0
    sums = eps_of(dtype) if opinion.atomic else accumulate_eps(dtype)
    steps = HALF_STEPS * eps_of(dtype) / 2 if dtype in (torch.float16, torch.bfloat16) else 0.0
    both = BOTH if dtype == torch.float64 else 1
    return both * max(float(sizes.max()), opinion.least) * (SIGMAS * math.sqrt(length) * sums / 2 + steps)


def _judge(
    record: Record,
    name: str,
    mine: torch.Tensor,
    reference: torch.Tensor,
    allowed: torch.Tensor,
    ratios: torch.Tensor,
) -> None:
    worst = int(ratios.argmax())
    place = tuple(int(i) for i in torch.unravel_index(torch.tensor(worst), ratios.shape))
    error = float((mine - reference).abs().flatten()[worst])
    tolerance = float(allowed.flatten()[worst])
    record.error(name, error=error, tolerance=tolerance, ratio=float(ratios.flatten()[worst]))
    if float(ratios.flatten()[worst]) > 1:
        raise AssertionError(
            f"{name}: {_pattern(ratios > 1)}; worst at {place}: got {float(mine.flatten()[worst])!r}, reference "
            f"{float(reference.flatten()[worst])!r}, error {error:.3g}, tolerance {tolerance:.3g}"
        )


def _exact(
    record: Record,
    name: str,
    mine: torch.Tensor,
    reference: torch.Tensor,
    opinion: Opinion | None,
    position: int,
) -> None:
    wrong = mine != reference
    if opinion is not None and opinion.moved is not None and bool(wrong.any()):
        for results in opinion.moved():
            other = to_checker(results[position])
            if other.shape == wrong.shape:
                wrong &= other == reference
    if opinion is not None and opinion.twin is not None and bool(wrong.any()):
        twins = opinion.twin()
        if twins is not None and twins[position].shape == wrong.shape:
            wrong &= mine != twins[position].cpu()
    count = int(wrong.sum())
    record.error(name, error=float(count), tolerance=0.0, ratio=math.inf if count else 0.0)
    if count:
        first = int(wrong.flatten().nonzero()[0])
        raise AssertionError(
            f"{name}: {_pattern(wrong)}; first: got {mine.flatten()[first].item()}, "
            f"expected {reference.flatten()[first].item()}"
        )


def _pattern(wrong: torch.Tensor) -> str:
    """Say how many elements are wrong and where: one end, a regular step or everywhere points at the cause."""
    places = wrong.flatten().nonzero().flatten()
    first, last, count = int(places[0]), int(places[-1]), len(places)
    steps = places.diff().unique()
    step = f", every {int(steps[0])}th" if len(steps) == 1 and count > 2 and int(steps[0]) > 1 else ""
    return f"{count} of {wrong.numel()} wrong (flat index {first}..{last}{step})"
