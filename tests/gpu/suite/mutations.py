"""Planted defects: each bends one GPU result, and at least one test must notice.

A mutation stands in the guard, between torch and the result of one aten operation, so a run
with it is a run on a GPU with that defect. `MUTATIONS` is the list; `pytest --mutate NAME`
or `rocm-patch validate --mutate NAME` runs with one. Knows torch only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

Call = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


def _name(func: Any) -> str:
    """Give aten's name without overload and without the mark of the in-place form."""
    return str(func.name()).removeprefix("aten::").partition(".")[0].rstrip("_")


def _scatter_add(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if _name(func) == "scatter_add" and args[3].numel() > 1:
        source = args[3].clone()
        source.view(-1)[-1] = 0
        args = (*args[:3], source)
    return func(*args, **kwargs)


def _nonzero(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    return out[:-1] if _name(func) == "nonzero" and len(out) > 1 else out


def _masked_select(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    if _name(func) == "masked_select" and len(out) > 1:
        out = torch.cat([out[1:], out[-1:]])
    return out


def _cumsum(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    if _name(func) == "cumsum" and out.dim() and out.size(args[1]) > 256:
        # The carry from the first block of 256 is lost for the others.
        carry = out.narrow(args[1], 255, 1).clone()
        out.narrow(args[1], 256, out.size(args[1]) - 256).sub_(carry)
    return out


def _batch_norm_backward(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    if _name(func).endswith("batch_norm_backward"):
        return (None if out[0] is None else out[0] * 1.01, *out[1:])
    return out


def _matmul(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    if _name(func) in ("mm", "bmm", "addmm") and out.size(-1) == out.size(-2) and out.size(-1) % 2:
        out = out.mT.contiguous()
    return out


def _dropout(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if _name(func) in ("native_dropout", "_fused_dropout", "bernoulli"):
        torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(time.perf_counter_ns())
    return func(*args, **kwargs)


def _softmax(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    return out * 1.001 if _name(func) == "_softmax" else out


def _sort(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    if _name(func) == "sort" and out[0].dim() and out[0].size(-1) > 1:
        out[0][..., -2:] = out[0][..., -2:].flip(-1).clone()
        out[1][..., -2:] = out[1][..., -2:].flip(-1).clone()
    return out


def _conv_groups(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    if _name(func) == "convolution" and args[8] > 1:
        out = out.roll(out.size(1) // args[8], 1)
    return out


def _to_host(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    return out.cpu() if _name(func) == "cumprod" else out


def _half_gemm(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    if _name(func) in ("mm", "bmm", "addmm") and out.dtype == torch.float32:
        out = out.to(torch.bfloat16).to(torch.float32)
    return out


def _layer_norm(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    if _name(func) == "native_layer_norm_backward" and out[1] is not None:
        return (out[0], out[1] * 0.5, out[2])
    return out


def _zeros(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    return torch.zeros_like(out) if _name(func) == "exp" else out


def _grid(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = func(*args, **kwargs)
    if _name(func) == "mul" and isinstance(out, torch.Tensor) and out.numel() > 65536 and out.is_contiguous():
        out.view(-1)[65536:] = 0
    return out


#: name -> (what is wrong, the mutation)
MUTATIONS: dict[str, tuple[str, Call]] = {
    "scatter-add-drops": ("scatter_add leaves the last element out", _scatter_add),
    "nonzero-short": ("nonzero gives one row too few", _nonzero),
    "masked-select-shifted": ("masked_select starts one element late", _masked_select),
    "cumsum-carry": ("cumsum loses the carry of its first block of 256", _cumsum),
    "batch-norm-backward": ("batch_norm's input gradient is 1 % too large", _batch_norm_backward),
    "matmul-odd-transposed": ("square products of odd size come out transposed", _matmul),
    "dropout-unseeded": ("dropout ignores the seed", _dropout),
    "softmax-sum": ("softmax sums to 1.001", _softmax),
    "sort-tail": ("sort leaves its last two elements in the wrong order", _sort),
    "conv-groups": ("grouped convolutions exchange their groups", _conv_groups),
    "cumprod-on-host": ("cumprod's result lies in host memory", _to_host),
    "gemm-bf16": ("float32 products are rounded to bfloat16", _half_gemm),
    "layer-norm-weight": ("layer_norm's weight gradient is halved", _layer_norm),
    "exp-zeros": ("exp writes zeros", _zeros),
    "grid-tail": ("mul leaves everything past 65536 elements at zero", _grid),
}


def mutation(name: str) -> Call:
    """Give one by name; KeyError names the known ones."""
    if name not in MUTATIONS:
        raise KeyError(f"no mutation {name!r}; known: {', '.join(MUTATIONS)}")
    return MUTATIONS[name][1]
