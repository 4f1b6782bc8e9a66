"""The edges: device memory to its end, running out and going on, streams, graphs, copies, faults.

What may break the process runs in a child, so that the verdict is the child's end and never
the loss of the suite's own.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import torch
from suite.device import integers, move, normal
from suite.guard import Guard, gpu_only

MIB = 1 << 20


def _release() -> None:
    torch.cuda.synchronize()
    torch.cuda.empty_cache()


@pytest.mark.exclusive
@pytest.mark.quick
def test_memory_to_its_edge_and_the_error_past_it(gpu: torch.device, memory: int, record: object) -> None:
    """Blocks until the limit, each marked and read back; then the error, then work as before."""
    del record
    total = torch.cuda.get_device_properties(gpu).total_memory
    _release()
    torch.cuda.set_per_process_memory_fraction(min(memory / total, 1.0), gpu)
    block = max(memory // 24, MIB)
    kept: list[torch.Tensor] = []
    try:
        with gpu_only():
            with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
                for number in range(64):
                    kept.append(torch.full((block,), number % 251, dtype=torch.uint8, device=gpu))  # noqa: PERF401
            assert len(kept) * block > 0.7 * memory, (
                f"only {len(kept) * block} of {memory} bytes could be had"
            )
            del kept[-1]  # the reading below needs a little room itself
            ends = [(int(x[0]), int(x[-1]), int(x.max()), int(x.min())) for x in kept]
        assert ends == [(n % 251,) * 4 for n in range(len(kept))], "two blocks share memory"
        kept.clear()
        _release()
        with gpu_only():
            x = torch.ones(64, 64, device=gpu)
            assert float((x @ x).sum()) == 64.0**3
    finally:
        kept.clear()
        torch.cuda.set_per_process_memory_fraction(1.0, gpu)
        _release()


@pytest.mark.exclusive
@pytest.mark.quick
@pytest.mark.slice
def test_a_request_beyond_the_device_fails_cleanly(gpu: torch.device) -> None:
    total = torch.cuda.get_device_properties(gpu).total_memory
    with gpu_only():
        before = torch.arange(1000, device=gpu)
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(2 * total, dtype=torch.uint8, device=gpu)
        assert int(before.sum()) == 499_500
        assert int(torch.arange(1000, device=gpu).sum()) == 499_500


@pytest.mark.exclusive
@pytest.mark.quick
def test_training_goes_on_after_running_out(gpu: torch.device, memory: int) -> None:
    """A batch too large in the backward pass, then a smaller one, as a training script does it."""
    total = torch.cuda.get_device_properties(gpu).total_memory
    limit = min(memory, 1 << 30)
    layer = torch.nn.Linear(256, 256).to(gpu)
    _release()
    torch.cuda.set_per_process_memory_fraction(limit / total, gpu)
    try:
        with gpu_only():
            with pytest.raises(torch.OutOfMemoryError):
                layer(torch.ones(limit // 1024, 256, device=gpu)).relu().exp().sum().backward()
            layer.zero_grad()
            _release()
            layer(torch.ones(64, 256, device=gpu)).sum().backward()
        assert layer.bias.grad is not None
        assert layer.bias.grad.tolist() == [64.0] * 256
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, gpu)
        _release()


@pytest.mark.exclusive
@pytest.mark.quick
@pytest.mark.slice
def test_fragmented_memory_keeps_its_contents(gpu: torch.device) -> None:
    """Free every second block, ask for larger ones, again and again: nobody's bytes may change."""
    source = torch.Generator().manual_seed(1)
    kept: dict[int, tuple[torch.Tensor, int]] = {}
    with gpu_only():
        for step in range(300):
            size = int(torch.randint(1, 200_000, (), generator=source))
            kept[step] = torch.full((size,), step % 127, dtype=torch.int8, device=gpu), step % 127
            if step % 3 == 2:
                del kept[min(kept)]
                del kept[list(kept)[len(kept) // 2]]
        for value, expected in kept.values():
            assert int(value.min()) == expected == int(value.max())


@pytest.mark.quick
@pytest.mark.slice
def test_streams_and_events_order_the_work(gpu: torch.device) -> None:
    """A chain over sixteen streams, each waiting for the one before: any lost wait changes the sum."""
    streams = [torch.cuda.Stream(gpu) for _ in range(16)]
    with gpu_only():
        x = torch.zeros(10_001, device=gpu)
        torch.cuda.synchronize(gpu)
        last = torch.cuda.Event()
        last.record()
        for step in range(64):
            stream = streams[step % 16]
            stream.wait_event(last)
            with torch.cuda.stream(stream):
                x.mul_(0.5).add_(step)
                last = torch.cuda.Event()
                last.record(stream)
        last.synchronize()
        assert last.query()
    want = 0.0
    for step in range(64):
        want = want * 0.5 + step
    assert abs(float(x[0]) - want) < 1e-4
    assert torch.equal(x, x[:1].expand_as(x))


@pytest.mark.quick
@pytest.mark.slice
def test_events_measure_time(gpu: torch.device) -> None:
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    with gpu_only():
        x = torch.ones(257, 257, device=gpu)
        begin.record()
        for _ in range(10):
            x = x @ x / 257
        end.record()
        end.synchronize()
    assert 0 < begin.elapsed_time(end) < 600_000
    assert abs(float(x[3, 4]) - 1) < 1e-4


@pytest.mark.quick
@pytest.mark.slice
def test_threads_share_the_device(gpu: torch.device) -> None:
    answers: dict[int, float] = {}

    def work(number: int) -> None:
        stream = torch.cuda.Stream(gpu)
        # The bare mode: gpu_only's watch over warnings is the process's, not the thread's.
        with torch.cuda.stream(stream), Guard(gpu):
            x = torch.full((1001,), float(number), device=gpu)
            for _ in range(20):
                x = x + 1
            answers[number] = float(x.sum())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert answers == {n: 1001.0 * (n + 20) for n in range(4)}


@pytest.mark.quick
@pytest.mark.parametrize("size", [1, 1025, 1_000_003])
def test_pinned_and_plain_copies(size: int, gpu: torch.device) -> None:
    x = integers(0, 1 << 30, size, seed=2)
    pinned = x.pin_memory()
    assert pinned.is_pinned()
    stream = torch.cuda.Stream(gpu)
    with torch.cuda.stream(stream):
        there = pinned.to(gpu, non_blocking=True)
        back = torch.empty_like(pinned).pin_memory()
        with gpu_only():
            doubled = there * 2
        back.copy_(doubled, non_blocking=True)
    stream.synchronize()
    assert torch.equal(back, x * 2)
    assert torch.equal(move(x, gpu).cpu(), x)


def _step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> None:
    optimizer.zero_grad(set_to_none=False)
    ((model(x) - y) ** 2).mean().backward()
    optimizer.step()


@pytest.mark.quick
def test_a_graph_replays(gpu: torch.device) -> None:
    """Capture a training step once and replay it; the same steps without a graph give the same weights."""
    weights = []
    for graphed in (False, True):
        torch.manual_seed(1)
        model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).to(gpu)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        x, y = move(normal(32, 8, seed=1), gpu), move(normal(32, 1, seed=2), gpu)

        step = partial(_step, model, optimizer, x, y)

        side = torch.cuda.Stream(gpu)
        side.wait_stream(torch.cuda.current_stream(gpu))
        with torch.cuda.stream(side), gpu_only():
            for _ in range(3):
                step()
        torch.cuda.current_stream(gpu).wait_stream(side)
        if graphed:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step()
            for _ in range(5):
                graph.replay()
        else:
            for _ in range(5):
                step()
        torch.cuda.synchronize(gpu)
        weights.append([p.detach().cpu() for p in model.parameters()])
    for a, b in zip(*weights, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)


FAULT = """
import torch
device = torch.device({device!r})
torch.cuda.set_device(device)
print("sum", float(torch.ones(100, device=device).sum()), flush=True)
try:
    table = torch.zeros(4, 4, device=device)
    out = table[torch.tensor([{index}], device=device)]
    torch.cuda.synchronize(device)
    print("silent", out.tolist(), flush=True)
except Exception as error:
    print("raised", type(error).__name__, str(error)[:200], flush=True)
"""


@pytest.mark.exclusive
@pytest.mark.quick
@pytest.mark.unguarded("the fault is in another process")
def test_a_kernel_fault_is_told(gpu: torch.device, tmp_path: Path) -> None:
    """An index far outside: an exception in Python, or (ROCr's way) an abort that names the fault.

    Never a value, never a hang.
    """
    script = tmp_path / "fault.py"
    script.write_text(FAULT.format(device=str(gpu), index=1 << 40))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False
    )
    assert "sum 100.0" in done.stdout, done.stderr
    assert "silent" not in done.stdout, "a wild index gave a value"
    text = done.stdout + done.stderr
    if "raised" in done.stdout:
        assert "assert" in text or "illegal" in text or "fault" in text.lower()
    else:
        assert torch.version.hip, f"the process ended without an exception: {text[-500:]}"
        assert done.returncode != 0
        assert "fault" in text.lower()
    with gpu_only():
        assert float(torch.ones(100, device=gpu).sum()) == 100.0
