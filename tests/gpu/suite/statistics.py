"""Reads what the virtual card says that a process executed.

Plain JSON of VGPU_STATS (docs/vgpu.md); knows nothing of torch.
"""

from __future__ import annotations

import json
from pathlib import Path

#: Of a kernel: wave instructions, of these the vector ALU's, of these fused multiply-adds.
KINDS = ("instructions", "valu", "fma")


def counted(file: Path) -> dict[str, int]:
    """Add up each kind over all kernels of all cards."""
    devices = json.loads(file.read_text(encoding="utf-8"))["devices"]
    return {kind: sum(kernel[kind] for card in devices for kernel in card["kernels"]) for kind in KINDS}
