"""One process of a distributed training, started by test_distributed.py: rank, world, backend, file, device, task.

Prints one JSON line. Uses a file for the meeting, so that no port can be taken.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def main() -> None:
    """Train a small network over all processes, or die in the middle of a step."""
    rank, world, backend, meeting, device, task = sys.argv[1:7]
    gpu = torch.device(device)
    torch.cuda.set_device(gpu)
    dist.init_process_group(
        backend,
        init_method=f"file://{meeting}",
        rank=int(rank),
        world_size=int(world),
        timeout=timedelta(seconds=60),
    )
    torch.manual_seed(int(rank) + 1)  # unequal on purpose: DDP must send rank 0's weights to all
    model = DistributedDataParallel(
        nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1)).to(gpu), device_ids=[gpu.index]
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    source = torch.Generator().manual_seed(5)
    x, y = torch.randn(64, 6, generator=source), torch.randn(64, 1, generator=source)
    mine = slice(int(rank), None, int(world))
    losses = []
    for step in range(10):
        if task == "die" and step == 3 and int(rank) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        optimizer.zero_grad()
        loss = ((model(x[mine].to(gpu)) - y[mine].to(gpu)) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    total = torch.tensor(losses, device=gpu)
    dist.all_reduce(total)
    gathered = [torch.zeros(1, device=gpu) for _ in range(int(world))]
    dist.all_gather(gathered, torch.full((1,), float(rank), device=gpu))
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    print(
        json.dumps(
            {
                "losses": (total / int(world)).tolist(),
                "gathered": [float(t) for t in gathered],
                "weights": weights.tolist(),
                "device": str(weights.device),
            }
        ),
        flush=True,
    )
    dist.destroy_process_group()


main()
