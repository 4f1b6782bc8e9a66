"""Convolutions in one to three dimensions, forward and backward, pooling, and normalization.

Groups, dilation, stride, padding, transposed, odd channels; float32 and the half types
(reports name fp16 convolutions and BatchNorm's backward pass on gfx1010). The reference is
float64; the magnitude of a convolution's result is the convolution of the absolute values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from suite.device import move, normal
from suite.guard import gpu_only
from suite.record import Record
from suite.tolerance import check

HALF = (torch.float16, torch.bfloat16)
CONV: dict[int, Callable[..., torch.Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TURNED: dict[int, Callable[..., torch.Tensor]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}

#: name -> dimensions, batch, channels in, out, extent, kernel, options
FORMS: dict[str, tuple[int, int, int, int, int, int, dict[str, Any]]] = {
    "1d": (1, 2, 3, 5, 19, 3, {}),
    "1d-dilated": (1, 2, 4, 6, 31, 3, {"dilation": 3, "padding": 2}),
    "2d-1x1": (2, 2, 7, 9, 6, 1, {}),
    "2d-3x3": (2, 2, 3, 8, 11, 3, {"padding": 1}),
    "2d-3x3-wide": (2, 1, 16, 16, 14, 3, {"padding": 1}),
    "2d-stride": (2, 2, 5, 7, 15, 3, {"stride": 2, "padding": 1}),
    "2d-5x5-dilated": (2, 1, 2, 3, 17, 5, {"dilation": 2}),
    "2d-groups": (2, 2, 6, 9, 9, 3, {"groups": 3, "padding": 1}),
    "2d-depthwise": (2, 2, 8, 8, 10, 3, {"groups": 8, "padding": 1}),
    "2d-7x7-stem": (2, 1, 3, 8, 33, 7, {"stride": 2, "padding": 3}),
    "3d": (3, 1, 2, 3, 7, 3, {"padding": 1}),
    "3d-groups-stride": (3, 1, 4, 4, 9, 3, {"groups": 2, "stride": 2}),
}


def _terms(
    run: Callable[..., torch.Tensor], tensors: list[torch.Tensor], up: torch.Tensor
) -> list[torch.Tensor]:
    """Give the magnitudes of the result and of the gradients: everything without its sign."""
    plain = [t.double().abs().requires_grad_() for t in tensors]
    out = run(*plain)
    return [out.detach(), *torch.autograd.grad(out, plain, up.double().abs())]


def _compare(
    run: Callable[..., torch.Tensor],
    host: list[torch.Tensor],
    length: int,
    gpu: torch.device,
    record: Record,
    label: str,
) -> None:
    wide = [t.double().requires_grad_() for t in host]
    want = run(*wide)
    up = normal(*want.shape, dtype=host[0].dtype, seed=99)
    wants = [want.detach(), *torch.autograd.grad(want, wide, up.double())]
    mine = [move(t, gpu).requires_grad_() for t in host]
    with gpu_only():
        out = run(*mine)
        got = [out, *torch.autograd.grad(out, mine, move(up, gpu))]
    names = ["result", "d input", "d weight", "d bias"]
    lengths = [length, length, want.numel() // want.shape[1], want.numel() // want.shape[1]]
    for name, a, b, size, terms in zip(names, got, wants, _terms(run, host, up), lengths, strict=False):
        # Winograd forms add and subtract inputs first; 9 bounds the growth of F(4x4, 3x3) in practice.
        # Backends add the bias to the stored product, and lay the parts of a transposed form together.
        stored = (
            b.abs() + host[2].double().abs().view(1, -1, *[1] * (b.dim() - 2))
            if name == "result"
            else b.abs()
        )
        # Split sums are stored as well: a part is as large as a random walk of its terms.
        stored = stored + size / terms**0.5
        check(record, f"{label} {name}", a, b, length=terms, magnitude=9 * size, stored=2 * stored)


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, *HALF], ids=str)
@pytest.mark.parametrize("turned", [False, True], ids=["conv", "transposed"])
def test_convolution(
    form: str,
    dtype: torch.dtype,
    turned: bool,
    gpu: torch.device,
    record: Record,
) -> None:
    dims, batch, inside, outside, extent, kernel, options = FORMS[form]
    groups = options.get("groups", 1)
    x = normal(batch, inside, *[extent] * dims, dtype=dtype, seed=1)
    shape = (inside, outside // groups) if turned else (outside, inside // groups)
    w, b = normal(*shape, *[kernel] * dims, dtype=dtype, seed=2), normal(outside, dtype=dtype, seed=3)
    table = TURNED if turned else CONV

    def run(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return table[dims](x, w, b, **options)

    length = max(inside, outside) // groups * kernel**dims + 1
    _compare(run, [x, w, b], length, gpu, record, form)


@pytest.mark.parametrize("size", [(4, 64, 64, 56, 3), (2, 128, 256, 28, 3), (8, 3, 64, 112, 7)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["nchw", "nhwc"])
def test_convolution_of_real_size(
    size: tuple[int, ...],
    dtype: torch.dtype,
    last: bool,
    gpu: torch.device,
    record: Record,
) -> None:
    """Sizes of a ResNet's layers: these pick the tuned kernels."""
    batch, inside, outside, extent, kernel = size
    x = normal(batch, inside, extent, extent, dtype=dtype, seed=1)
    w, b = normal(outside, inside, kernel, kernel, dtype=dtype, seed=2), normal(outside, dtype=dtype, seed=3)
    if last:
        x, w = x.to(memory_format=torch.channels_last), w.to(memory_format=torch.channels_last)

    def run(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, w, b, padding=kernel // 2)

    _compare(run, [x, w, b], inside * kernel**2 + 1, gpu, record, str(size))


POOLS: dict[str, tuple[int, Callable[[torch.Tensor], torch.Tensor]]] = {
    "max1d": (1, lambda x: F.max_pool1d(x, 3, 2, 1)),
    "max2d": (2, lambda x: F.max_pool2d(x, 3, 2, 1)),
    "max2d-dilated": (2, lambda x: F.max_pool2d(x, 2, 1, dilation=2)),
    "max3d": (3, lambda x: F.max_pool3d(x, 2)),
    "avg1d": (1, lambda x: F.avg_pool1d(x, 3, 2, 1)),
    "avg2d": (2, lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
    "avg3d": (3, lambda x: F.avg_pool3d(x, 3, 1, 1)),
    "adaptive-avg2d": (2, lambda x: F.adaptive_avg_pool2d(x, (3, 5))),
    "adaptive-max2d": (2, lambda x: F.adaptive_max_pool2d(x, (3, 2))),
    "bilinear": (2, lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)),
    "nearest": (2, lambda x: F.interpolate(x, size=(5, 17), mode="nearest")),
}


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("dtype", [torch.float32, *HALF], ids=str)
def test_pooling(name: str, dtype: torch.dtype, gpu: torch.device, record: Record) -> None:
    dims, run = POOLS[name]
    x = normal(2, 3, *[11] * dims, dtype=dtype, seed=5)
    # A gradient is the sum of up to 27 terms that are stored in the narrow type by atomic additions.
    narrow = torch.finfo(dtype).eps / min(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
    wide = x.double().requires_grad_()
    want = run(wide)
    up = normal(*want.shape, dtype=dtype, seed=6)
    (grad,) = torch.autograd.grad(want, wide, up.double())
    mine = move(x, gpu).requires_grad_()
    with gpu_only():
        out = run(mine)
        (got,) = torch.autograd.grad(out, mine, move(up, gpu))
    check(record, "result", out, want.detach(), length=27, magnitude=1 + want.detach().abs())
    check(record, "gradient", got, grad, length=27, magnitude=narrow * (1 + grad.abs()))


NORMS: dict[str, Callable[..., torch.Tensor]] = {
    "batch-training": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    "batch-eval": lambda x, w, b: F.batch_norm(
        x, torch.full_like(w, 0.25).detach(), torch.full_like(w, 2.0).detach(), w, b, training=False
    ),
    "layer": lambda x, w, b: F.layer_norm(x.movedim(1, -1), [x.shape[1]], w, b).movedim(-1, 1),
    "group": lambda x, w, b: F.group_norm(x, 2, w, b),
    "instance": lambda x, w, b: F.instance_norm(x, None, None, w, b),
}


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("dtype", [torch.float32, *HALF], ids=str)
def test_normalization_and_gradients(
    name: str, dtype: torch.dtype, tier: str, gpu: torch.device, record: Record
) -> None:
    shapes = [(3, 6, 5, 7)] if tier == "slice" else [(3, 6, 5, 7), (8, 16, 33, 31), (4, 10, 129)]
    shapes += [(16, 64, 56, 56)] if tier == "full" else []
    for shape in shapes:
        x = normal(*shape, dtype=dtype, seed=1) * 2 + 1
        w, b = normal(shape[1], dtype=dtype, seed=2), normal(shape[1], dtype=dtype, seed=3)
        wide = [t.double().requires_grad_() for t in (x, w, b)]
        want = NORMS[name](*wide)
        up = normal(*shape, dtype=dtype, seed=4)
        wants = torch.autograd.grad(want, wide, up.double())
        mine = [move(t, gpu).requires_grad_() for t in (x, w, b)]
        with gpu_only():
            out = NORMS[name](*mine)
            got = torch.autograd.grad(out, mine, move(up, gpu))
        # The mean of the inputs (1) and their spread (2) enter with rounding of their own, as do
        # the two sums of the backward pass; all of size one here, times the weight.
        narrow = torch.finfo(dtype).eps / min(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
        size = 1 + w.double().abs().max()
        check(record, f"{shape}", out, want.detach(), length=4, magnitude=size * (1 + narrow / 8))
        check(record, f"{shape} dx", got[0], wants[0], length=4, magnitude=size * 3 * (1 + narrow / 8))
        terms = (up.double() * (want.detach() - b.double().view(1, -1, *[1] * (len(shape) - 2)))).abs()
        dims = [i for i in range(len(shape)) if i != 1]
        spread = terms.sum(dims) / w.double().abs().clamp_min(1e-3) + up.double().abs().sum(dims)
        count = x.numel() // shape[1]
        # Half types may store each sample's part of the sum, whose size is that of a random walk.
        walk = 4 * (terms * terms).sum(dims).sqrt() / w.double().abs().clamp_min(1e-3) + 1
        check(record, f"{shape} dw", got[1], wants[1], length=count, magnitude=spread, stored=walk)
        check(
            record,
            f"{shape} db",
            got[2],
            wants[2],
            length=count,
            magnitude=up.double().abs().sum(dims),
            stored=walk,
        )


@pytest.mark.quick
@pytest.mark.slice
def test_batch_norm_running_statistics(gpu: torch.device, record: Record) -> None:
    x = normal(9, 5, 13, seed=1) * 3 - 2
    module = torch.nn.BatchNorm1d(5, momentum=0.3)
    wide = torch.nn.BatchNorm1d(5, momentum=0.3).double()
    module.to(gpu)
    with gpu_only():
        for _ in range(3):
            module(move(x, gpu))
    for _ in range(3):
        wide(x.double())
    check(record, "mean", module.running_mean, wide.running_mean, length=117, magnitude=5.0)
    check(record, "variance", module.running_var, wide.running_var, length=117, magnitude=20.0)
    assert int(module.num_batches_tracked) == 3
