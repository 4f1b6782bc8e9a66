"""Makes a benchmark's call a number of times, in a process for each number; started by test_benchmark.py.

Arguments: the benchmark's name, the device, a folder, the numbers of calls. The virtual card writes its
statistics at the end of a process: to N.json in the folder, N the place of the number, from 0.
"""

from __future__ import annotations

import os
import sys

import torch
from suite.benchmarks import BENCHMARKS
from suite.device import find_gpu, settle
from suite.guard import gpu_only


def main() -> None:
    """Fork before anything asks for the GPU: torch is loaded once, and each child has a card of its own."""
    name, device, folder, *numbers = sys.argv[1:]
    for place, calls in enumerate(numbers):
        child = os.fork()
        if child == 0:
            os.environ["VGPU_STATS"] = f"{folder}/{place}.json"
            _call(name, device, int(calls))
            return  # and end as any process does, not by os._exit: the statistics are written then
        _, status = os.waitpid(child, 0)
        if status != 0:
            sys.exit(f"{calls} calls of {name} ended with wait status {status}")


def _call(name: str, device: str, calls: int) -> None:
    gpu = find_gpu(device)
    settle(gpu)
    torch.manual_seed(0)
    step = BENCHMARKS[name].make(gpu)
    with gpu_only(gpu):
        for _ in range(calls):
            step()


if __name__ == "__main__":
    main()
