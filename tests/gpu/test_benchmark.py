"""Throughput on a real GPU: products, convolutions and the trainings; only with --bench.

Times mean nothing on the virtual GPU, so nothing here is in its tier. Each value is the
median of several timed rounds; `rocm-patch validate` keeps a history and gives the verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from suite.device import move_all
from suite.guard import gpu_only
from suite.record import Record
from suite.workloads import workloads

ROUNDS = 9
pytestmark = [pytest.mark.exclusive, pytest.mark.bench, pytest.mark.quick]


def _seconds(run: Callable[[], object], gpu: torch.device) -> float:
    """Give the median time of one call; each round lasts at least 20 ms."""
    run()
    torch.cuda.synchronize(gpu)
    count = 1
    while True:
        begin = time.perf_counter()
        for _ in range(count):
            run()
        torch.cuda.synchronize(gpu)
        if time.perf_counter() - begin > 0.02:
            break
        count *= 2
    rounds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(count):
            run()
        torch.cuda.synchronize(gpu)
        rounds.append((time.perf_counter() - begin) / count)
    return median(rounds)


@pytest.mark.parametrize("shape", [(512, 512, 512), (2048, 2048, 2048), (4096, 1024, 257)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_products(shape: tuple[int, int, int], dtype: torch.dtype, gpu: torch.device, record: Record) -> None:
    m, k, n = shape
    a, b = torch.randn(m, k, device=gpu, dtype=dtype), torch.randn(k, n, device=gpu, dtype=dtype)
    with gpu_only():
        a @ b
    seconds = _seconds(lambda: a @ b, gpu)
    record.value(
        "bench",
        {"name": f"gemm {m}x{k}x{n} {dtype}", "value": 2 * m * k * n / seconds / 1e9, "unit": "GFLOP/s"},
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_convolutions(dtype: torch.dtype, gpu: torch.device, record: Record) -> None:
    x = torch.randn(8, 64, 56, 56, device=gpu, dtype=dtype)
    w = torch.randn(64, 64, 3, 3, device=gpu, dtype=dtype)
    with gpu_only():
        F.conv2d(x, w, padding=1)
    seconds = _seconds(lambda: F.conv2d(x, w, padding=1), gpu)
    work = 2 * 8 * 64 * 64 * 9 * 56 * 56
    record.value(
        "bench", {"name": f"conv 3x3 64 channels {dtype}", "value": work / seconds / 1e9, "unit": "GFLOP/s"}
    )


@pytest.mark.parametrize("name", ["mlp", "resnet", "lstm", "gpt"])
def test_training_steps(name: str, gpu: torch.device, record: Record) -> None:
    workload = workloads("full")[name]
    model = workload.model().to(gpu)
    optimizer = torch.optim.AdamW(model.parameters(), lr=workload.rate)
    x, target = move_all(workload.batch(0), gpu)

    def step() -> None:
        optimizer.zero_grad()
        workload.loss(model(x), target).backward()
        optimizer.step()

    with gpu_only():
        step()
    record.value("bench", {"name": f"training {name}", "value": 1 / _seconds(step, gpu), "unit": "steps/s"})
