"""The guard itself: it must stop what it is there to stop, and let the GPU's own work pass."""

from __future__ import annotations

import contextlib
import warnings

import pytest
import torch
from suite.guard import LeftTheGpuError, gpu_only

pytestmark = [pytest.mark.quick, pytest.mark.slice]


def test_work_on_the_gpu_passes_and_is_counted(gpu: torch.device) -> None:
    with gpu_only() as guard:
        x = torch.ones(5, device=gpu, requires_grad=True)
        (x * 2).sum().backward()
    assert guard.seen >= 4
    assert x.grad is not None


def test_python_numbers_and_numbers_of_torch_pass(gpu: torch.device) -> None:
    with gpu_only():
        y = torch.ones(3, device=gpu) * 2.5 + torch.tensor(1.0)
    assert y.tolist() == [3.5, 3.5, 3.5]


def test_a_generators_state_passes_and_other_bytes_do_not(gpu: torch.device) -> None:
    with gpu_only():
        torch.cuda.set_rng_state(torch.cuda.get_rng_state(gpu), gpu)
    for host in (torch.zeros(17, dtype=torch.uint8), torch.zeros(16, dtype=torch.int32)):
        with pytest.raises(LeftTheGpuError, match="took a cpu tensor"), gpu_only():
            host.clone()


def test_a_host_result_is_stopped(gpu: torch.device) -> None:
    with pytest.raises(LeftTheGpuError, match="gave a cpu tensor"), gpu_only():
        torch.ones(3, device=gpu).cpu()


def test_a_host_input_is_stopped(gpu: torch.device) -> None:
    host = torch.tensor([0, 2])
    with pytest.raises(LeftTheGpuError, match="took a cpu tensor"), gpu_only():
        torch.arange(4, device=gpu)[host]


def test_host_work_in_the_backward_pass_is_stopped(gpu: torch.device) -> None:
    class Detour(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            del ctx
            return x * 2

        @staticmethod
        def backward(ctx: object, grad: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            del ctx
            return (grad.cpu() * 2).to(gpu)

    x = torch.ones(3, device=gpu, requires_grad=True)
    with pytest.raises(LeftTheGpuError), gpu_only():
        Detour.apply(x).sum().backward()


def test_a_swallowed_departure_is_still_told(gpu: torch.device) -> None:
    with pytest.raises(LeftTheGpuError), gpu_only(), contextlib.suppress(LeftTheGpuError):
        torch.ones(3, device=gpu).cpu()


@pytest.mark.parametrize(
    "text",
    ["operator falls back to CPU", "hipBLASLt: falling back to rocBLAS", "executed on the CPU instead"],
)
def test_a_warning_of_a_fallback_is_stopped(gpu: torch.device, text: str) -> None:
    with pytest.raises(LeftTheGpuError, match="fallback"), gpu_only():
        torch.ones(2, device=gpu)
        warnings.warn(text, stacklevel=1)


def test_another_warning_passes(gpu: torch.device) -> None:
    with gpu_only():
        torch.ones(2, device=gpu)
        warnings.warn("something unrelated", stacklevel=1)
