"""DistributedDataParallel over two processes: equal to one process with the whole batch; a death is told.

gloo always (two processes may share one GPU); NCCL or RCCL where there are two GPUs, and with
one process where there is one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from suite.device import move
from suite.guard import gpu_only
from torch import nn

HERE = Path(__file__).parent
pytestmark = [pytest.mark.exclusive]


def _start(
    backend: str, world: int, folder: Path, devices: list[torch.device], task: str
) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, str(HERE / "ddp_worker.py"), str(rank), str(world), backend, str(folder / "meeting"), str(devices[rank % len(devices)]), task],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]  # fmt: skip


def _end(processes: list[subprocess.Popen[str]], seconds: float) -> list[tuple[int, str, str]]:
    try:
        ends = [(*process.communicate(timeout=seconds), process) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
    return [(process.returncode, out, err) for out, err, process in ends]


def _alone(gpu: torch.device, parts: int) -> tuple[list[float], torch.Tensor]:
    """The same training in one process with the whole batch."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1)).to(gpu)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    source = torch.Generator().manual_seed(5)
    x, y = move(torch.randn(64, 6, generator=source), gpu), move(torch.randn(64, 1, generator=source), gpu)
    losses = []
    with gpu_only():
        for _ in range(10):
            optimizer.zero_grad()
            each = [((model(x[r::parts]) - y[r::parts]) ** 2).mean() for r in range(parts)]
            loss = torch.stack(each).mean()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses, torch.cat([p.detach().flatten() for p in model.parameters()]).cpu()


def _compare(gpu: torch.device, ends: list[tuple[int, str, str]]) -> None:
    answers: list[dict[str, Any]] = []
    for code, out, err in ends:
        assert code == 0, err[-2000:]
        answers.append(json.loads(out.strip().splitlines()[-1]))
    losses, weights = _alone(gpu, len(ends))
    for answer in answers:
        assert answer["gathered"] == [float(rank) for rank in range(len(ends))]
        assert answer["device"].startswith("cuda")
        assert answer["losses"] == pytest.approx(losses, rel=1e-4)
        assert torch.allclose(torch.tensor(answer["weights"]), weights, rtol=1e-4, atol=1e-5)
        assert answer["weights"] == answers[0]["weights"], "the processes' weights drifted apart"


@pytest.mark.quick
def test_two_processes_with_gloo(gpu: torch.device, tmp_path: Path) -> None:
    devices = [torch.device("cuda", n) for n in range(torch.cuda.device_count())]
    if len(devices) == 1:
        devices = [gpu]
    _compare(gpu, _end(_start("gloo", 2, tmp_path, devices, "train"), 300))


def test_two_gpus_with_nccl(gpu: torch.device, tmp_path: Path) -> None:
    count = torch.cuda.device_count()
    if not dist.is_nccl_available():
        pytest.skip("this torch has no NCCL or RCCL")
    if count < 2:
        pytest.skip("one GPU: NCCL and RCCL take one process a GPU")
    devices = [torch.device("cuda", n) for n in range(2)]
    _compare(gpu, _end(_start("nccl", 2, tmp_path, devices, "train"), 300))


def test_one_gpu_with_nccl(gpu: torch.device, tmp_path: Path) -> None:
    if not dist.is_nccl_available():
        pytest.skip("this torch has no NCCL or RCCL")
    _compare(gpu, _end(_start("nccl", 1, tmp_path, [gpu], "train"), 300))


@pytest.mark.unguarded("the work is in the two processes")
def test_a_killed_worker_is_told_and_not_waited_for(gpu: torch.device, tmp_path: Path) -> None:
    """The one that is left must end with an error in less time than its own time limit of 60 seconds twice over."""
    ends = _end(_start("gloo", 2, tmp_path, [gpu], "die"), 120)
    assert ends[1][0] == -9
    assert ends[0][0] != 0, "the other worker took no notice"
    assert "Error" in ends[0][2]
