"""GPUs: KFD's topology joined with PCI devices, so that a GPU that only one of them has is still seen.

Field names and bits are the kernel's: drivers/gpu/drm/amd/amdkfd/kfd_topology.c, kfd_crat.h.
"""

from __future__ import annotations

import re
from typing import Literal

from rocm_patch.detect.model import Gpu, Xnack
from rocm_patch.detect.names import Card, card_of, name_of
from rocm_patch.detect.tree import Tree

_NODES = "/sys/class/kfd/kfd/topology/nodes"
_PCI = "/sys/bus/pci/devices"
_VENDORS: dict[int, Literal["amd", "nvidia", "intel"]] = {0x1002: "amd", 0x10DE: "nvidia", 0x8086: "intel"}
#: PCI classes: 0x03 display, 0x12 processing accelerators (Instinct).
_CLASSES = (0x03, 0x12)
#: Local memory of a GPU in mem_banks/N/properties: public and private frame buffer.
_VRAM_HEAPS = (1, 2)
#: Bits of io_links/N/properties `flags`: no 32-bit and no 64-bit atomics.
_NO_ATOMICS = 0b1100
_LINK_PCIE = 2
#: Instruction sets that exist in processors only.
_INTEGRATED = frozenset(
    {"gfx902", "gfx909", "gfx90c", "gfx1013", "gfx1033", "gfx1035", "gfx1036", "gfx1037", "gfx1103"}
    | {"gfx1150", "gfx1151", "gfx1152", "gfx1153"}
)

#: XNACK is chosen by each process on these (amdkfd: KFD_SUPPORT_XNACK_PER_PROCESS).
_XNACK_PER_PROCESS = frozenset({"gfx90a", "gfx940", "gfx941", "gfx942", "gfx950"})
_NUMBERS_LIMIT = 400
_NODES_LIMIT = 256
_ALL_ONES = 2**64 - 1


def parse_properties(text: str) -> dict[str, int]:
    """Read a `properties` file of KFD: a name and an unsigned number a line; other lines are left out."""
    found: dict[str, int] = {}
    for line in text.splitlines()[:_NUMBERS_LIMIT]:
        name, _, number = line.strip().partition(" ")
        if re.fullmatch(r"[0-9]{1,20}", number) and number.isascii() and int(number) <= _ALL_ONES:
            found[name] = int(number)
    return found


def gfx_name(version: int) -> str | None:
    """Name KFD's gfx_target_version: major * 10000 + minor * 100 + stepping, the last two in hex."""
    major, minor, stepping = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{stepping:x}" if 6 <= major <= 99 and minor < 16 and stepping < 16 else None  # noqa: PLR2004  # hex digits


def pci_address(domain: int, location: int) -> str:
    """Spell KFD's domain and location_id (bus << 8 | device << 3 | function) as sysfs does."""
    return f"{domain & 0xFFFFFFFF:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"


def find_gpus(tree: Tree) -> list[Gpu]:
    """Give every GPU: PCI's first, in bus order, each with KFD's nodes; then nodes that PCI lacks."""
    nodes = _nodes(tree)
    gpus: list[Gpu] = []
    for address in tree.names(_PCI, r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"):
        base = _pci_gpu(tree, address)
        if base is None:
            continue
        own = [number for number, node in nodes.items() if _address(node) == address]
        gpus += [_with_node(tree, base, number, nodes.pop(number)) for number in own] or [base]
    gpus += [_with_node(tree, Gpu(vendor="amd"), number, node) for number, node in nodes.items()]
    for gpu in gpus:
        gpu.xnack = _xnack(tree, gpu)
    return gpus


def _nodes(tree: Tree) -> dict[int, dict[str, int]]:
    """Give KFD's nodes with a GPU; simd_count is 0 on a processor's node."""
    found = {}
    for name in tree.names(_NODES, r"[0-9]{1,6}")[:_NODES_LIMIT]:
        text = tree.text(f"{_NODES}/{name}/properties")
        node = parse_properties(text or "")
        if node.get("simd_count") and (node.get("gfx_target_version") or node.get("vendor_id")):
            found[int(name)] = node
    return found


def _address(node: dict[str, int]) -> str:
    return pci_address(node.get("domain", 0), node.get("location_id", 0))


def _pci_gpu(tree: Tree, address: str) -> Gpu | None:
    at = f"{_PCI}/{address}"
    kind, vendor, device = (_hex(tree.line(f"{at}/{name}")) for name in ("class", "vendor", "device"))
    if kind is None or vendor is None or device is None or kind >> 16 not in _CLASSES:
        return None
    if kind >> 16 != _CLASSES[0] and vendor not in _VENDORS:
        return None
    revision = _hex(tree.line(f"{at}/revision"))
    sub = [_hex(tree.line(f"{at}/subsystem_{part}")) for part in ("vendor", "device")]
    driver = tree.resolve(f"{at}/driver")
    gpu = Gpu(
        vendor=_VENDORS.get(vendor, "other"),
        pci_address=address,
        pci_id=f"{vendor:04x}:{device:04x}",
        pci_revision=None if revision is None else f"{revision:02x}",
        subsystem=None if None in sub else ":".join(f"{part or 0:04x}" for part in sub),
        driver=driver.rsplit("/", 1)[-1] if driver else None,
        vram_bytes=_decimal(tree.line(f"{at}/mem_info_vram_total")),
        link_speed=tree.line(f"{at}/current_link_speed"),
        link_width=_decimal(tree.line(f"{at}/current_link_width")),
    )
    render = tree.names(f"{at}/drm", r"renderD[0-9]{1,4}")
    gpu.render_node = f"/dev/dri/{render[0]}" if render else None
    unique = tree.line(f"{at}/unique_id")
    gpu.unique_id = unique if unique and re.fullmatch(r"[0-9a-f]{1,16}", unique) else None
    card = card_of(device, revision) if gpu.vendor == "amd" else None
    gpu.name = name_of(tree, vendor, device, revision, card)
    if card is not None:
        gpu.gfx, gpu.gfx_source, gpu.kind = card.gfx, "table", card.kind
    return gpu


def _with_node(tree: Tree, base: Gpu, number: int, node: dict[str, int]) -> Gpu:
    """Give a copy of a PCI GPU with what one KFD node says of it."""
    gpu = Gpu(**vars(base))
    gpu.kfd_node = number
    gfx = gfx_name(node.get("gfx_target_version", 0))
    if gfx:
        gpu.gfx, gpu.gfx_source = gfx, "kfd"
    vendor, device = node.get("vendor_id", 0x1002), node.get("device_id")
    card: Card | None = None
    if gpu.pci_id is None and device is not None:
        gpu.pci_address, gpu.pci_id = _address(node), f"{vendor:04x}:{device:04x}"
        card = card_of(device, None)
        gpu.name = name_of(tree, vendor, device, None, card)
    gpu.simds = node["simd_count"]
    gpu.compute_units = gpu.simds // (node.get("simd_per_cu") or 1)
    gpu.wave_size = node.get("wave_front_size")
    if node.get("drm_render_minor"):
        gpu.render_node = f"/dev/dri/renderD{node['drm_render_minor']}"
    gpu.unique_id = f"{node['unique_id']:016x}" if node.get("unique_id") else gpu.unique_id
    gpu.hive_id = f"{node['hive_id']:016x}" if node.get("hive_id") else None
    banks = _children(tree, number, "mem_banks")
    vram = sum(bank.get("size_in_bytes", 0) for bank in banks if bank.get("heap_type") in _VRAM_HEAPS)
    gpu.vram_bytes = vram or gpu.vram_bytes
    if gpu.gfx in _INTEGRATED or node.get("cpu_cores_count") or (card and card.kind == "integrated"):
        gpu.kind = "integrated"
    elif gpu.kind == "unknown":
        gpu.kind = "card" if vram else "integrated"
    routes = [link for link in _children(tree, number, "io_links") if link.get("type") == _LINK_PCIE]
    if routes:
        gpu.pcie_atomics = not any(link.get("flags", 0) & _NO_ATOMICS for link in routes)
    return gpu


def _children(tree: Tree, number: int, kind: str) -> list[dict[str, int]]:
    folder = f"{_NODES}/{number}/{kind}"
    names = tree.names(folder, r"[0-9]{1,6}")[:_NODES_LIMIT]
    return [parse_properties(tree.text(f"{folder}/{name}/properties") or "") for name in names]


def _xnack(tree: Tree, gpu: Gpu) -> Xnack:
    """Say how XNACK is decided; amdkfd refuses it to every GPU of generation 10 and later."""
    if gpu.vendor != "amd" or gpu.gfx is None:
        return "unknown"
    if gpu.gfx in _XNACK_PER_PROCESS:
        return "per-process"
    if len(gpu.gfx) == len("gfx1010") or gpu.gfx < "gfx900":
        return "off"
    states: dict[str | None, Xnack] = {"0": "on", "1": "off"}
    return states.get(tree.line("/sys/module/amdgpu/parameters/noretry"), "unknown")


def _hex(text: str | None) -> int | None:
    return int(text, 16) if text and re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text) else None


def _decimal(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,19}", text) and text.isascii() else None
