"""The kernel's files that ROCm tools look for before they ask the HSA library.

Writes a small tree that a sysroot can show at /sys and /dev: rocminfo wants
/sys/module/amdgpu/initstate and /dev/kfd, rocm_agent_enumerator and rccl read the
KFD topology. HIP needs none of it. Knows the card's figures; nothing of processes.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from rocm_patch.sysroot.mounts import Bind
from rocm_patch.vgpu.settings import Settings


@attrs.frozen
class Card:
    """The figures of a card that the topology files show."""

    cus: int
    memory_bytes: int
    engine_mhz: int
    memory_bits: int
    memory_mhz: int


_MIB = 1 << 20
#: As in vgpu/hsa/card.cpp, which tests compare with this table.
CARDS = {
    "rx5600xt": Card(cus=36, memory_bytes=6128 * _MIB, engine_mhz=1780, memory_bits=192, memory_mhz=875),
    "rx5700xt": Card(cus=40, memory_bytes=8176 * _MIB, engine_mhz=2100, memory_bits=256, memory_mhz=875),
}
GFX_TARGET_VERSION = 100100
DEVICE_ID = 0x731F
VENDOR_ID = 0x1002


def write_tree(folder: Path, settings: Settings) -> list[Bind]:
    """Write the files below `folder`; give the binds that show them to a command in a sysroot."""
    state = folder / "initstate"
    state.write_text("live\n", encoding="ascii")
    device = folder / "kfd"
    device.write_bytes(b"")
    topology = folder / "topology"
    card = CARDS[settings.profile]
    _write_node(
        topology / "nodes/0", {"cpu_cores_count": 1, "simd_count": 0, "gfx_target_version": 0}, name=""
    )
    for index in range(settings.devices):
        _write_node(topology / f"nodes/{index + 1}", _card_properties(card, index), name="navi10")
        _write_bank(topology / f"nodes/{index + 1}/mem_banks/0", card)
    (topology / "generation_id").write_text("1\n", encoding="ascii")
    (topology / "system_properties").write_text(
        "platform_oem 0\nplatform_id 0\nplatform_rev 0\n", encoding="ascii"
    )
    return [
        Bind(state, "/sys/module/amdgpu/initstate", "ro"),
        Bind(device, "/dev/kfd"),  # rocminfo opens it for writing
        Bind(topology, "/sys/class/kfd/kfd/topology", "ro"),
    ]


def _write_node(folder: Path, properties: dict[str, int], *, name: str) -> None:
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n", encoding="ascii")
    (folder / "gpu_id").write_text(f"{properties.get('unique_id', 0)}\n", encoding="ascii")
    lines = (f"{key} {value}\n" for key, value in properties.items())
    (folder / "properties").write_text("".join(lines), encoding="ascii")


def _write_bank(folder: Path, card: Card) -> None:
    folder.mkdir(parents=True)
    (folder / "properties").write_text(
        f"heap_type 1\nsize_in_bytes {card.memory_bytes}\nflags 0\n"
        f"width {card.memory_bits}\nmem_clk_max {card.memory_mhz}\n",
        encoding="ascii",
    )


def _card_properties(card: Card, index: int) -> dict[str, int]:
    return {
        "cpu_cores_count": 0,
        "simd_count": 2 * card.cus,
        "mem_banks_count": 1,
        "caches_count": 0,
        "io_links_count": 0,
        "max_waves_per_simd": 20,
        "lds_size_in_kb": 64,
        "gds_size_in_kb": 0,
        "wave_front_size": 32,
        "array_count": 4,
        "simd_arrays_per_engine": 2,
        "cu_per_simd_array": card.cus // 4,
        "simd_per_cu": 2,
        "max_slots_scratch_cu": 32,
        "gfx_target_version": GFX_TARGET_VERSION,
        "vendor_id": VENDOR_ID,
        "device_id": DEVICE_ID,
        "location_id": (index + 3) << 8,
        "domain": 0,
        "drm_render_minor": 128 + index,
        "hive_id": 0,
        "num_sdma_engines": 2,
        "num_sdma_xgmi_engines": 0,
        "max_engine_clk_fcompute": card.engine_mhz,
        "local_mem_size": card.memory_bytes,
        "unique_id": index + 1,
    }
