"""What the benchmark measures: products, convolutions and the trainings, each as one call to repeat.

A real GPU is timed; on the virtual one the same calls are counted in processes of their own
(count_worker.py). Knows torch and the workloads; neither clocks nor statistics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)

from suite.device import move_all
from suite.workloads import workloads

Step = Callable[[], object]
GEMMS = ((512, 512, 512), (2048, 2048, 2048), (4096, 1024, 257))
DTYPES = (torch.float32, torch.float16)
TRAININGS = ("mlp", "resnet", "lstm", "gpt")


@dataclass(frozen=True)
class Benchmark:
    """`make` puts the data on a GPU and gives the call; `work` is what one call does, in `unit` times a second."""

    make: Callable[[torch.device], Step]
    work: float
    unit: str


def _gemm(m: int, k: int, n: int, dtype: torch.dtype) -> Benchmark:
    def make(gpu: torch.device) -> Step:
        a, b = torch.randn(m, k, device=gpu, dtype=dtype), torch.randn(k, n, device=gpu, dtype=dtype)
        return lambda: a @ b

    return Benchmark(make, 2 * m * k * n / 1e9, "GFLOP/s")


def _convolution(dtype: torch.dtype) -> Benchmark:
    def make(gpu: torch.device) -> Step:
        x = torch.randn(8, 64, 56, 56, device=gpu, dtype=dtype)
        w = torch.randn(64, 64, 3, 3, device=gpu, dtype=dtype)
        return lambda: F.conv2d(x, w, padding=1)

    return Benchmark(make, 2 * 8 * 64 * 64 * 9 * 56 * 56 / 1e9, "GFLOP/s")


def _training(name: str) -> Benchmark:
    def make(gpu: torch.device) -> Step:
        workload = workloads("full")[name]
        model = workload.model().to(gpu)
        optimizer = torch.optim.AdamW(model.parameters(), lr=workload.rate)
        x, target = move_all(workload.batch(0), gpu)

        def step() -> None:
            optimizer.zero_grad()
            workload.loss(model(x), target).backward()
            optimizer.step()

        return step

    return Benchmark(make, 1.0, "steps/s")


#: By the name that the history knows.
BENCHMARKS = {
    **{f"gemm {m}x{k}x{n} {dtype}": _gemm(m, k, n, dtype) for m, k, n in GEMMS for dtype in DTYPES},
    **{f"conv 3x3 64 channels {dtype}": _convolution(dtype) for dtype in DTYPES},
    **{f"training {name}": _training(name) for name in TRAININGS},
}
