"""With --bench: throughput on a real GPU, and on the virtual one what a step executes in its place.

Times mean nothing on the virtual card, and a real one does not count its instructions. A throughput is
the median of several timed rounds; `rocm-patch validate` keeps a history of them and gives the verdict.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import torch
from suite.benchmarks import BENCHMARKS
from suite.guard import gpu_only
from suite.record import Record
from suite.statistics import counted

ROUNDS = 9
#: Calls in the two processes whose difference is counted: what a program does once is in both.
FEW, MANY = 1, 3
pytestmark = [
    pytest.mark.exclusive,
    pytest.mark.bench,
    pytest.mark.quick,
    pytest.mark.slice,
    pytest.mark.parametrize("name", BENCHMARKS),
]


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


@pytest.mark.real
def test_throughput(name: str, gpu: torch.device, record: Record) -> None:
    benchmark = BENCHMARKS[name]
    run = benchmark.make(gpu)
    with gpu_only():
        run()
    value = benchmark.work / _seconds(run, gpu)
    record.value("bench", {"name": name, "value": value, "unit": benchmark.unit})


def _executed(name: str, gpu: torch.device, folder: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Count all kernels of a process that makes FEW calls and of one that makes MANY.

    A process before them is not counted: in it libraries try and compile their kernels, once for all.
    """
    worker = str(Path(__file__).with_name("count_worker.py"))
    words = [sys.executable, worker, name, str(gpu), str(folder), str(FEW), str(FEW), str(MANY)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # the runner's limit ends it
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return counted(folder / "1.json"), counted(folder / "2.json")


@pytest.mark.virtual
@pytest.mark.unguarded("the work is in other processes, under the guard there")
def test_instructions(name: str, gpu: torch.device, record: Record, tmp_path: Path) -> None:
    few, many = _executed(name, gpu, tmp_path)
    step = {kind: round((many[kind] - few[kind]) / (MANY - FEW)) for kind in few}
    assert 0 < step["fma"] < step["valu"] < step["instructions"], (step, few, many)
    # A step is in the smaller process as well; its data and so its branches are another step's.
    assert step["instructions"] < 1.1 * few["instructions"], (step, few, many)
    record.value("step", {"name": name, **step})
