"""Training end to end: the loss falls to a stated value, gradients are float64's, runs repeat.

One optimizer (AdamW) over the four workloads of suite/workloads.py; a checkpoint resumes to
the same loss; mixed precision reaches what float32 reaches.
"""

from __future__ import annotations

import copy
import io
from statistics import fmean

import pytest
import torch
from suite.device import move, move_all
from suite.guard import gpu_only
from suite.record import Record
from suite.tolerance import ROUNDINGS, SIGMAS, check
from suite.workloads import Workload, workloads
from torch import nn

NAMES = ("mlp", "resnet", "lstm", "gpt")
pytestmark = [pytest.mark.quick, pytest.mark.slice]


@pytest.fixture(params=NAMES)
def workload(request: pytest.FixtureRequest, tier: str) -> Workload:
    return workloads(tier)[request.param]


def _model(workload: Workload, gpu: torch.device, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return workload.model().to(gpu)


def _optimizer(model: nn.Module, workload: Workload) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=workload.rate)


def _steps(
    model: nn.Module, optimizer: torch.optim.Optimizer, workload: Workload, gpu: torch.device, steps: range
) -> list[float]:
    """Train, the batches moved over before the guard; give the loss of every step."""
    losses = []
    for step in steps:
        x, target = move_all(workload.batch(step), gpu)
        with gpu_only():
            optimizer.zero_grad()
            loss = workload.loss(model(x), target)
            loss.backward()
            optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_the_loss_falls(workload: Workload, gpu: torch.device, record: Record) -> None:
    model = _model(workload, gpu)
    losses = _steps(model, _optimizer(model, workload), workload, gpu, range(workload.steps))
    record.curve(f"{workload.name}, float32", losses)
    end = fmean(losses[-5:])
    record.value("loss of the best constant", workload.untrained)
    record.value("loss reached", end)
    assert end < workload.reach, (
        f"loss {end:.4f} after {workload.steps} steps, expected below {workload.reach:.4f}"
    )


def test_first_gradients_agree_with_float64(workload: Workload, gpu: torch.device, record: Record) -> None:
    """The tolerance per parameter tensor: eps times the largest gradient, by the depth of the sums.

    A single entry can cancel, so the scale is the tensor's largest entry; 1024 terms meet in
    the longest sums (pixels or tokens of a batch).
    """
    mine = _model(workload, gpu)
    wide = copy.deepcopy(mine).cpu().double()
    x, target = workload.batch(0)
    with gpu_only():
        loss = workload.loss(mine(move(x, gpu)), move(target, gpu))
        loss.backward()
    wide_x = x.double() if x.is_floating_point() else x
    want = workload.loss(wide(wide_x), target.double() if target.is_floating_point() else target)
    want.backward()
    check(record, "loss", loss, want.detach(), length=1024, magnitude=1 + float(want))
    largest = max(float(p.grad.abs().max()) for p in wide.parameters() if p.grad is not None)
    for (name, a), b in zip(mine.named_parameters(), wide.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        check(record, name, a.grad, b.grad, length=1024, magnitude=float(b.grad.abs().max()) + 0.05 * largest)


def test_two_seeded_runs_are_equal(workload: Workload, gpu: torch.device) -> None:
    """Bit for bit, with torch's deterministic algorithms asked for."""
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    steps = range(min(8, workload.steps))
    try:
        runs = []
        for _ in range(2):
            model = _model(workload, gpu)
            losses = _steps(model, _optimizer(model, workload), workload, gpu, steps)
            runs.append((losses, [p.detach().clone() for p in model.parameters()]))
    finally:
        torch.use_deterministic_algorithms(mode=False)
    assert runs[0][0] == runs[1][0]
    assert all(torch.equal(a, b) for a, b in zip(runs[0][1], runs[1][1], strict=True))


def test_a_checkpoint_resumes_to_the_same_loss(workload: Workload, gpu: torch.device) -> None:
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    half = min(5, workload.steps // 2)
    try:
        model = _model(workload, gpu)
        optimizer = _optimizer(model, workload)
        _steps(model, optimizer, workload, gpu, range(half))
        file = io.BytesIO()
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
        straight = _steps(model, optimizer, workload, gpu, range(half, 2 * half))
        file.seek(0)
        state = torch.load(file, map_location=gpu, weights_only=True)
        other = _model(workload, gpu, seed=2)
        resumed = _optimizer(other, workload)
        other.load_state_dict(state["model"])
        resumed.load_state_dict(state["optimizer"])
        again = _steps(other, resumed, workload, gpu, range(half, 2 * half))
    finally:
        torch.use_deterministic_algorithms(mode=False)
    assert straight == again


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_mixed_precision_converges_as_well(
    workload: Workload, dtype: torch.dtype, gpu: torch.device, record: Record
) -> None:
    """Autocast with GradScaler reaches the loss that float32 must reach, with a tenth of slack."""
    model = _model(workload, gpu)
    optimizer = _optimizer(model, workload)
    scaler = torch.amp.GradScaler("cuda", init_scale=2.0**12, enabled=dtype == torch.float16)
    losses = []
    for step in range(workload.steps):
        x, target = move_all(workload.batch(step), gpu)
        with gpu_only():
            optimizer.zero_grad()
            with torch.autocast("cuda", dtype=dtype):
                loss = workload.loss(model(x), target)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        losses.append(float(loss.detach()))
    record.curve(f"{workload.name}, {str(dtype).removeprefix('torch.')}", losses)
    end = fmean(losses[-5:])
    assert end < workload.reach + 0.1 * workload.untrained
    if dtype == torch.float16:
        assert scaler.get_scale() > 1, "the scale collapsed: gradients were not finite again and again"


OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "adam": (torch.optim.Adam, {"lr": 0.01}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    "adagrad": (torch.optim.Adagrad, {"lr": 0.05}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.01}),
    "nadam": (torch.optim.NAdam, {"lr": 0.01}),
    "adamax": (torch.optim.Adamax, {"lr": 0.01}),
}


#: torch has fused kernels for three of them on a GPU.
WAYS = [(name, way) for name in OPTIMIZERS for way in ("plain", "foreach")]
WAYS += [(name, "fused") for name in ("sgd", "adam", "adamw")]


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_optimizers(name: str, way: str, gpu: torch.device, record: Record) -> None:
    """Five steps over parameters of several sizes, with the same gradients on both sides."""
    kind, options = OPTIMIZERS[name]
    sizes = [(1,), (33,), (17, 65), (5, 3, 7), (4097,)]
    source = torch.Generator().manual_seed(3)
    host = [torch.randn(s, generator=source) for s in sizes]
    mine = [move(t, gpu).requires_grad_() for t in host]
    wide = [t.double().requires_grad_() for t in host]
    fast = kind(mine, **options, foreach=way == "foreach", **({"fused": True} if way == "fused" else {}))  # type: ignore[arg-type]
    slow = kind(wide, **options, foreach=False)  # type: ignore[arg-type]
    for _ in range(5):
        grads = [torch.randn(s, generator=source) for s in sizes]
        for a, b, g in zip(mine, wide, grads, strict=True):
            a.grad, b.grad = move(g, gpu), g.double()
        with gpu_only():
            fast.step()
        slow.step()
    for place, (a, b) in enumerate(zip(mine, wide, strict=True)):
        check(record, f"parameter {place}", a, b.detach(), length=5, magnitude=1 + b.detach().abs())


@pytest.mark.parametrize("foreach", [False, True], ids=["loop", "foreach"])
def test_clipping_gradients(foreach: bool, gpu: torch.device, record: Record) -> None:
    source = torch.Generator().manual_seed(4)
    host = [torch.randn(n, generator=source) * 3 for n in (1, 33, 4097)]
    params = [nn.Parameter(torch.zeros(len(t), device=gpu)) for t in host]
    for p, g in zip(params, host, strict=True):
        p.grad = move(g, gpu)
    with gpu_only():
        norm = nn.utils.clip_grad_norm_(params, 1.0, foreach=foreach)
    want = torch.cat(host).double().norm()
    check(record, "norm", norm, want, length=4131)
    for p, g in zip(params, host, strict=True):
        check(record, "clipped", p.grad, g.double() / (want + 1e-6), length=4131)


def test_the_scaler_skips_a_step_that_overflows(gpu: torch.device) -> None:
    weight = nn.Parameter(torch.ones(33, device=gpu))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scaler = torch.amp.GradScaler("cuda", init_scale=1024.0)
    with gpu_only():
        scaler.scale((weight * torch.inf).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    assert weight.tolist() == [1.0] * 33
    assert scaler.get_scale() == 512.0
    with gpu_only():
        optimizer.zero_grad()
        scaler.scale((weight * 2).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    near = (ROUNDINGS + SIGMAS) * torch.finfo(torch.float32).eps
    assert float((weight.detach() - 0.8).abs().max()) <= near


@pytest.mark.parametrize("name", ["mlp", "gpt"])
def test_recomputed_activations_give_the_same_gradients(name: str, tier: str, gpu: torch.device) -> None:
    """torch.utils.checkpoint repeats the forward pass in the backward pass, dropout's mask included."""
    from torch.utils.checkpoint import checkpoint  # noqa: PLC0415

    workload = workloads(tier)[name]
    model = _model(workload, gpu)
    drop = nn.Dropout(0.25)
    x, target = move_all(workload.batch(0), gpu)
    grads = []
    for again in (False, True):
        model.zero_grad()
        with gpu_only():
            torch.manual_seed(5)

            def run(x: torch.Tensor) -> torch.Tensor:
                out: torch.Tensor = drop(model(x))
                return out

            out = checkpoint(run, x, use_reentrant=False) if again else run(x)
            workload.loss(out, target).backward()
        grads.append([p.grad.detach().clone() for p in model.parameters() if p.grad is not None])
    for a, b in zip(*grads, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()) + 1e-7)
