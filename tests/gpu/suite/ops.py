"""torch's own operator database: which operators, which dtypes, which samples a tier runs.

The list is upstream's (torch.testing._internal, `op_db`). What is left out, and why, is
`LEFT_OUT`; what the smaller tiers take is `CORE` and `QUICK`. Knows torch and numpy only.
"""

from __future__ import annotations

import random
import sys
import types
import unittest
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves, tree_map

from suite.device import move_all

#: Operators that have no answer to compare with, or none on the CPU. A trailing * is a prefix.
LEFT_OUT = {
    "empty*": "the contents are undefined",
    "new_empty*": "the contents are undefined",
    "sparse.*": "sparse layouts: outside of the training suite",
    "to_sparse": "sparse layouts",
    "jiterator_*": "compiled from text at run time, on the GPU only: no reference",
    "torch.ops.aten._flash_attention_forward": "a fused kernel that gfx1010 builds leave out; attention's own tests",
    "torch.ops.aten._efficient_attention_forward": "a fused kernel that gfx1010 builds leave out",
    "torch._scaled_mm*": "8-bit floats: no such hardware before CDNA3 and Hopper",
    "_scaled_mm*": "8-bit floats",
    "to": "moves between devices by definition: test_limits copies",
    "nn.functional.scaled_grouped_mm": "8-bit floats",
    "as_strided.partial_views": "reads memory outside of the view, whose contents no copy preserves",
    "tensor_split": "takes its split points from a host tensor by definition",
    "nn.functional.fractional_max_pool*": "its windows are drawn, and jump with the last bit of the draw",
    "mode": "any of the most frequent values may be given; test_indexing has one most frequent",
    "nn.functional.ctc_loss": "torch 2.11 copies its targets to the host; test_rnn_autograd checks the operator below",
}

#: Whole-number inputs have ties, and an unstable order may break them either way: only values are compared.
FREE_ORDER = {
    "sort",
    "msort",
    "topk",
    "kthvalue",
    "median",
    "nanmedian",
    "argsort",
    "min",
    "max",
    "cummax",
    "cummin",
}

#: These divide by a norm or a deviation. One or two normalized numbers are +-1 whatever they were: the
#: gradients are zero in theory and rounding in practice, so samples of one or two are left out, and the
#: others' gradients have terms of the cotangent's size (0.75) that may cancel.
NORMALIZING = (
    "nn.functional.layer_norm", "native_layer_norm", "nn.functional.normalize", "nn.functional.batch_norm",
    "native_batch_norm", "_native_batch_norm_legit", "_batch_norm_with_update", "nn.functional.group_norm",
    "nn.functional.instance_norm", "nn.functional.rms_norm", "masked.normalize",
)  # fmt: skip
#: Gradients are cotangents less their weighted mean: terms of the cotangent's size that may cancel.
CENTRING = (
    "softmax", "log_softmax", "nn.functional.softmin", "torch.ops.aten._safe_softmax.default", "_softmax_backward_data",
    "masked.softmax", "masked.log_softmax", "masked.softmin",
)  # fmt: skip
#: Only the first result is defined on every backend (the saved statistics of evaluation are not).
FIRST_ONLY = {"native_batch_norm", "_native_batch_norm_legit", "_batch_norm_with_update"}
#: float64 kernels with constants of single precision (1/6 as 1.0f/6.0f in upstream's CUDA and HIP source).
SINGLE_CONSTANTS = {"nn.functional.hardswish", "nn.functional.hardsigmoid"}
#: Their backward pass adds into memory of the stored type by atomics.
ATOMIC = (
    "nn.functional.interpolate",
    "nn.functional.upsample",
    "_upsample",
    "nn.functional.grid_sample",
    "grid_sampler",
    "nn.functional.avg_pool3d",
    "nn.functional.adaptive_avg_pool",
    "nn.functional.max_pool3d",
)

QUICK = [
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "exp",
    "log",
    "sqrt",
    "rsqrt",
    "sin",
    "tanh",
    "sigmoid",
    "abs",
    "clamp",
    "where",
    "maximum",
    "sum",
    "mean",
    "prod",
    "amax",
    "argmax",
    "cumsum",
    "cumprod",
    "mm",
    "bmm",
    "addmm",
    "matmul",
    "nn.functional.linear",
    "nn.functional.conv1d",
    "nn.functional.conv2d",
    "nn.functional.conv3d",
    "nn.functional.conv_transpose2d",
    "nn.functional.max_pool2d",
    "nn.functional.avg_pool2d",
    "nn.functional.batch_norm",
    "nn.functional.layer_norm",
    "nn.functional.group_norm",
    "nn.functional.instance_norm",
    "softmax",
    "log_softmax",
    "nn.functional.scaled_dot_product_attention",
    "nn.functional.embedding",
    "nn.functional.cross_entropy",
    "nn.functional.mse_loss",
    "nn.functional.gelu",
    "nn.functional.relu",
    "gather",
    "scatter",
    "scatter_add",
    "index_add",
    "index_select",
    "index_put",
    "masked_select",
    "masked_fill",
    "nonzero",
    "unique",
    "sort",
    "topk",
    "histc",
    "cat",
    "permute",
    "linalg.cholesky",
    "linalg.qr",
    "linalg.svd",
    "linalg.solve",
    "fft.rfft",
    "flip",
    "roll",
    "tril",
]

CORE = [
    *QUICK,
    *[
        "floor_divide",
        "remainder",
        "fmod",
        "round",
        "floor",
        "ceil",
        "erf",
        "lgamma",
        "cos",
        "tan",
        "atan2",
        "log1p",
        "expm1",
        "logsumexp",
        "var",
        "std",
        "norm",
        "amin",
        "argmin",
        "all",
        "any",
        "logcumsumexp",
        "baddbmm",
        "addmv",
        "dot",
        "outer",
        "einsum",
        "nn.functional.conv_transpose1d",
        "nn.functional.conv_transpose3d",
        "nn.functional.max_pool1d",
        "nn.functional.max_pool3d",
        "nn.functional.avg_pool1d",
        "nn.functional.avg_pool3d",
        "nn.functional.adaptive_avg_pool2d",
        "nn.functional.interpolate",
        "nn.functional.pad",
        "nn.functional.unfold",
        "nn.functional.nll_loss",
        "nn.functional.kl_div",
        "nn.functional.binary_cross_entropy_with_logits",
        "nn.functional.smooth_l1_loss",
        "nn.functional.ctc_loss",
        "nn.functional.embedding_bag",
        "nn.functional.silu",
        "nn.functional.leaky_relu",
        "nn.functional.softplus",
        "nn.functional.glu",
        "nn.functional.prelu",
        "nn.functional.rms_norm",
        "index_copy",
        "index_fill",
        "take",
        "take_along_dim",
        "scatter_reduce",
        "masked_scatter",
        "unique_consecutive",
        "msort",
        "kthvalue",
        "median",
        "searchsorted",
        "bincount",
        "bucketize",
        "cummax",
        "cummin",
        "repeat_interleave",
        "diag_embed",
        "triu",
        "stack",
        "split",
        "chunk",
        "expand_as",
        "unfold",
        "linalg.eigh",
        "linalg.lstsq",
        "linalg.inv",
        "linalg.det",
        "linalg.matrix_norm",
        "cholesky_solve",
        "triangular_solve",
        "fft.fft",
        "fft.ifft",
        "fft.fft2",
        "fft.irfft",
        "stft",
    ],
]

SAMPLES = {"quick": 3, "slice": 1, "full": 8}
DTYPES = {
    "quick": (torch.float32,),
    "slice": (torch.float32, torch.float16),
    "full": (
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.float64,
        torch.int64,
        torch.int32,
        torch.uint8,
        torch.bool,
    ),
}


def _database() -> list[Any]:
    """Import upstream's list; its module asks for `expecttest`, which nothing of the list uses."""
    if "expecttest" not in sys.modules:
        try:
            import expecttest  # noqa: F401, PLC0415  (present on machines that test torch itself)
        except ModuleNotFoundError:
            stand_in = types.ModuleType("expecttest")
            stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
            sys.modules["expecttest"] = stand_in
    from torch.testing._internal.common_methods_invocations import op_db  # noqa: PLC0415  (takes seconds)

    return list(op_db)


def full_name(op: Any) -> str:
    """Give the operator's name with its variant."""
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else str(op.name)


def left_out(op: Any) -> str:
    """Give the reason why an operator is not compared, or nothing."""
    for pattern, reason in LEFT_OUT.items():
        if pattern in (op.name, full_name(op)) or (
            pattern.endswith("*") and op.name.startswith(pattern[:-1])
        ):
            return reason
    return ""


def cases(tier: str) -> Iterator[tuple[Any, torch.dtype]]:
    """Give operator and dtype in upstream's order."""
    names = set({"quick": QUICK, "slice": CORE, "full": []}[tier])
    for op in _database():
        if left_out(op) or (names and op.name not in names):
            continue
        supported = op.supported_dtypes("cuda")
        for dtype in DTYPES[tier]:
            if dtype in supported:
                yield op, dtype


def samples(op: Any, dtype: torch.dtype, tier: str, *, grad: bool) -> list[Any]:
    """Give samples on the CPU, seeded, spread evenly over upstream's list.

    Some of upstream's generators compute with the dtype; where the CPU cannot, the samples
    are made in float64 and rounded.
    """
    try:
        made = _made(op, dtype, grad=grad)
    except (RuntimeError, NotImplementedError, TypeError):
        made = [_rounded(sample, dtype, grad=grad) for sample in _made(op, torch.float64, grad=False)]
    made = [sample for sample in made if _dense(sample)]
    if op.name in NORMALIZING:
        made = [sample for sample in made if sample.input.numel() > 2]
    limit = SAMPLES[tier]
    if len(made) <= limit:
        return made
    return [made[i * len(made) // limit] for i in range(limit)]


def _made(op: Any, dtype: torch.dtype, *, grad: bool) -> list[Any]:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (upstream's generators draw from the old global state)
    return list(op.sample_inputs("cpu", dtype, requires_grad=grad))


def _tree(sample: Any) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    return sample.input, tuple(sample.args), dict(sample.kwargs)


def _dense(sample: Any) -> bool:
    return all(
        leaf.layout == torch.strided and not leaf.is_quantized and not leaf.is_nested
        for leaf in tree_leaves(_tree(sample))
        if isinstance(leaf, torch.Tensor)
    ) and sample.kwargs.get("driver") in (None, "gels")  # lstsq's other drivers are LAPACK's, not the GPU's


def coarsest_eps(sample: Any) -> float:
    """Give the largest eps among the sample's floating types; 0 without any."""
    kinds = [leaf.dtype for leaf in tree_leaves(_tree(sample)) if isinstance(leaf, torch.Tensor)]
    return max(
        (torch.finfo(kind).eps for kind in kinds if kind.is_floating_point or kind.is_complex), default=0.0
    )


def ties(sample: Any) -> bool:
    """Say whether the sample's first tensor holds a value twice."""
    first = next(leaf for leaf in tree_leaves(_tree(sample)) if isinstance(leaf, torch.Tensor)).detach()
    return first.unique().numel() < first.numel()


def _rounded(sample: Any, dtype: torch.dtype, *, grad: bool) -> Any:
    def one(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
            return leaf.detach().to(dtype).requires_grad_(grad and dtype.is_floating_point)
        return dtype if leaf == torch.float64 and isinstance(leaf, torch.dtype) else leaf

    sample.input, sample.args, sample.kwargs = tree_map(one, _tree(sample))
    return sample


Inputs = tuple[Any, tuple[Any, ...], dict[str, Any]]


def on_gpu(sample: Any, device: torch.device) -> Inputs:
    """Give the sample's inputs on the GPU, each a fresh leaf with the sample's layout."""
    moved: Inputs = move_all(_tree(sample), device)
    return moved


def on_checker(sample: Any, *, wide: bool, jitter: int = 0) -> Inputs:
    """Give the sample's inputs for the CPU: widened to float64, or as they are for the twin.

    With `jitter` k > 0 every floating input is moved by a relative +-eps of its own dtype.
    """

    def one(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            copy = leaf.detach().clone()
            if copy.is_floating_point() or copy.is_complex():
                eps = torch.finfo(leaf.dtype).eps
                if wide:
                    copy = copy.to(torch.complex128 if copy.is_complex() else torch.float64)
                if jitter:
                    copy = copy * (1 + eps * _signs(copy.shape, jitter))
            return copy.requires_grad_(leaf.requires_grad)
        if wide and isinstance(leaf, torch.dtype):
            if leaf.is_complex:
                return torch.complex128
            return torch.float64 if leaf.is_floating_point else leaf
        return leaf

    moved: Inputs = tree_map(one, _tree(sample))
    return moved


def _signs(shape: torch.Size, seed: int) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, shape, generator=source) * 2 - 1


def leaves(inputs: Inputs) -> list[torch.Tensor]:
    """Give the inputs that a gradient is asked for, in order."""
    return [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]


def results(
    function: Callable[..., Any],
    inputs: Inputs,
    finish: Callable[[Any], Any],
    *,
    grad: bool,
    jitter: int = 0,
    eps: float = 0.0,
) -> tuple[list[Any], list[torch.Tensor | None]]:
    """Run the operator: its results as a flat list, and the inputs' gradients for a fixed cotangent."""
    first, args, kwargs = inputs
    made = finish(function(first, *args, **kwargs))
    out = [leaf for leaf in tree_leaves(made) if isinstance(leaf, (torch.Tensor, int, float, bool, complex))]
    wanted = leaves(inputs)
    ends = [leaf for leaf in out if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    if not grad or not wanted or not ends:
        return out, []
    ends = [torch.view_as_real(end) if end.is_complex() else end for end in ends]
    # Values of few bits: exact in every dtype, the same for the GPU and the checker.
    weights = [_weights(end) for end in ends]
    if jitter:
        # A cotangent that cancels amplifies rounding as an input does, so it is moved as well.
        weights = [w * (1 + eps * _signs(w.shape, jitter)) for w in weights]
    return out, list(torch.autograd.grad(ends, wanted, weights, allow_unused=True))


def _weights(end: torch.Tensor) -> torch.Tensor:
    steps = torch.arange(end.numel(), device=end.device, dtype=torch.int64)
    return (((steps * 5) % 7 - 3).to(end.dtype) / 4).reshape(end.shape)
