"""Find the GPU under test, put tensors on it layout and all, and fix its arithmetic's settings.

Knows torch only. There is no way to name the CPU as the device under test.
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_map


class NoGpuError(RuntimeError):
    """torch sees no GPU; the text says what is missing and what to do."""


def find_gpu(name: str) -> torch.device:
    """Give the device `name` (cuda or cuda:N, also on ROCm), or raise NoGpuError."""
    device = torch.device(name)
    if device.type != "cuda":
        raise NoGpuError(
            f"{name} is not a GPU: the suite runs on cuda:N (ROCm's torch uses that name as well)"
        )
    kind = "ROCm" if torch.version.hip else "CUDA" if torch.version.cuda else ""
    if not kind:
        raise NoGpuError(
            f"torch {torch.__version__} has no GPU code (neither ROCm nor CUDA); "
            "install the wheel that was built for this card"
        )
    if not torch.cuda.is_available():
        raise NoGpuError(
            f"torch {torch.__version__} ({kind}) sees no GPU; check that the driver is loaded, that this user "
            "may open its device files (ROCm: /dev/kfd and /dev/dri/renderD*, groups render and video), "
            "and that *_VISIBLE_DEVICES does not hide the card"
        )
    index = device.index or 0
    if index >= torch.cuda.device_count():
        raise NoGpuError(f"{name} does not exist: torch sees {torch.cuda.device_count()} GPU(s)")
    return torch.device("cuda", index)


def settle(device: torch.device) -> None:
    """Choose the arithmetic that the tolerances are derived for: no TF32, no half-precision sums.

    Both are speed options that drop mantissa bits on purpose; gfx1010 has neither.
    """
    torch.cuda.set_device(device)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False


def describe(device: torch.device) -> dict[str, Any]:
    """Say what is tested: the GPU, its runtime, torch and the bytes of torch's GPU library."""
    properties = torch.cuda.get_device_properties(device)
    library = next(
        (
            file
            for name in ("libtorch_hip.so", "libtorch_cuda.so")
            if (file := Path(torch.__file__).parent / "lib" / name).is_file()
        ),
        None,
    )
    return {
        "device": str(device),
        "name": properties.name,
        "arch": getattr(properties, "gcnArchName", "") or f"sm_{properties.major}{properties.minor}",
        "memory": properties.total_memory,
        "processors": properties.multi_processor_count,
        "devices": torch.cuda.device_count(),
        "torch": torch.__version__,
        "torch_commit": torch.version.git_version,
        "rocm": torch.version.hip or "",
        "cuda": torch.version.cuda or "",
        "python": platform.python_version(),
        "system": platform.platform(),
        "library": library.name if library else "",
        "library_sha256": _sha256(library) if library else "",
    }


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def move(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a CPU tensor to the GPU with the same strides and offset, gaps of its storage included.

    `Tensor.to` would make an expanded or strided view dense, and the strided kernels would
    never run. A leaf that needs a gradient stays one. The guard is silent meanwhile: this is
    the test's own delivery of its data, and the only way of the suite from the host to the GPU.
    """
    with _disable_current_modes():
        return _move(tensor, device)


def _move(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    plain = tensor.detach()
    if plain.layout != torch.strided or plain.is_conj() or plain.is_neg() or plain.numel() == 0:
        moved = plain.to(device)
    else:
        count = plain.untyped_storage().nbytes() // plain.element_size()
        whole = plain.as_strided((count,), (1,), 0).to(device)
        moved = whole.as_strided(plain.size(), plain.stride(), plain.storage_offset())
    return moved.requires_grad_(tensor.requires_grad)


def move_all(tree: Any, device: torch.device) -> Any:
    """Move every tensor of a nest; a device named in it becomes the GPU."""

    def one(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            return move(leaf, device)
        if isinstance(leaf, torch.device) or (isinstance(leaf, str) and leaf == "cpu"):
            return device
        return leaf

    return tree_map(one, tree)


def generator(seed: int) -> torch.Generator:
    """Give a CPU generator: test data come from it, so that they are the same on every GPU."""
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    """Give standard normal data on the CPU, rounded to `dtype`: the GPU and the checker see the same."""
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64).to(dtype)


def integers(
    low: int, high: int, *shape: int, dtype: torch.dtype = torch.int64, seed: int = 0
) -> torch.Tensor:
    """Give whole numbers of [low, high) on the CPU."""
    return torch.randint(low, high, shape, generator=generator(seed), dtype=dtype)
