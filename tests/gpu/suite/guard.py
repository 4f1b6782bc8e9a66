"""The guard: inside `gpu_only` every aten operation must take and give tensors of one GPU.

A dispatch mode sees each operation below autograd, in the forward and in the backward
pass. It fails on a CPU tensor going in or coming out, on another device, and on a warning
that speaks of a fallback. What it lets pass, and why, is `_allowed` below and nothing else.
It knows torch only.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: Words of torch's and its libraries' warnings when work leaves the GPU or a kernel is replaced.
FALLBACK = re.compile(
    r"fall(?:s|ing)?[ -]?back|(?:running|executed|computed|moved) (?:on|to) (?:the )?cpu", re.IGNORECASE
)

#: Operations that take host tensors by torch's own definition, with the reason.
HOST_ARGUMENTS = {
    "aten::_pack_padded_sequence": "lengths and batch sizes steer the loop on the host",
    "aten::_pack_padded_sequence_backward": "batch sizes, as above",
    "aten::_pad_packed_sequence": "batch sizes, as above",
    "aten::select.int": "reads one batch size of a packed sequence; select computes nothing",
    "aten::_cudnn_rnn": "batch_sizes of a packed sequence is a host tensor",
    "aten::_cudnn_rnn_backward": "batch_sizes, as above",
    "aten::miopen_rnn": "batch_sizes, as above",
    "aten::miopen_rnn_backward": "batch_sizes, as above",
    "aten::tensor_split.tensor_indices_or_sections": "split points are shapes, kept on the host",
    "aten::histogramdd.int_bins": "bin counts",
}

#: Bytes of a GPU generator's state: seed and offset, 64 bits each (ATen/cuda/CUDAGeneratorImpl.cpp, get_state).
GENERATOR_STATE = 16

Mutation = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


class LeftTheGpuError(AssertionError):
    """An operation took or gave a tensor that is not on the GPU under test."""


class Guard(TorchDispatchMode):
    """The mode; `seen` counts operations, `mutation` stands between torch and the result."""

    #: Set by conftest: the device under test and the mutation of this run, if any.
    device: torch.device | None = None
    mutation: Mutation | None = None
    #: Guarded blocks that the running test entered; the suite fails a test that entered none.
    entered = 0

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.workload = device
        self.seen = 0
        self.faults: list[str] = []

    def __enter__(self) -> Guard:  # noqa: PYI034  (no typing.Self before Python 3.11)
        """Count the block."""
        Guard.entered += 1
        super().__enter__()
        return self

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Check what goes in, run the operation, check what comes out."""
        del types
        kwargs = kwargs or {}
        self._check(func, "took", (args, kwargs))
        mutation = Guard.mutation
        out = func(*args, **kwargs) if mutation is None else mutation(func, args, kwargs)
        self._check(func, "gave", out)
        self.seen += 1
        return out

    def _check(self, func: Any, verb: str, tree: Any) -> None:
        for leaf in tree_leaves(tree):
            if isinstance(leaf, torch.Tensor) and leaf.device != self.workload and not _allowed(func, leaf):
                fault = f"{func.name()} {verb} a {leaf.device} tensor of {tuple(leaf.shape)} {leaf.dtype}"
                # Kept as well as raised: autograd and test code may wrap or swallow the error.
                self.faults.append(fault)
                raise LeftTheGpuError(fault)


def _allowed(func: Any, leaf: torch.Tensor) -> bool:
    """Say whether a tensor off the GPU is torch's own way and no work.

    A Python number becomes a CPU tensor of no dimension before it meets a GPU tensor, and
    an optimizer's step counter is such a tensor: neither carries data of the workload.
    An empty tensor (torch.utils.checkpoint makes one to hang a graph on) and a meta tensor
    hold no data at all. A generator's state is bytes on the host by torch's interface, which
    set_rng_state copies before it hands them over.
    """
    if leaf.device.type == "meta":
        return True
    if leaf.device.type != "cpu":
        return False
    if func.name() == "aten::clone" and leaf.dtype == torch.uint8 and leaf.shape == (GENERATOR_STATE,):
        return True
    return leaf.dim() == 0 or leaf.numel() == 0 or func.name() in HOST_ARGUMENTS


@contextlib.contextmanager
def gpu_only(device: torch.device | None = None) -> Iterator[Guard]:
    """Guard the block; the GPU's own errors surface here, at the end of the block, not in a later test."""
    workload = device or Guard.device
    if workload is None:
        raise RuntimeError("no device under test: run the suite by pytest or rocm-patch validate")
    guard = Guard(workload)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with guard:
            yield guard
        torch.cuda.synchronize(workload)
    if guard.faults:
        raise LeftTheGpuError("; ".join(guard.faults))
    for warning in caught:
        text = str(warning.message)
        if FALLBACK.search(text):
            raise LeftTheGpuError(f"a warning speaks of a fallback: {text}")
