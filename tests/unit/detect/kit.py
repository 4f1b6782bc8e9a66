"""Machines for tests: a short YAML becomes a saved machine, and that a tree.

Shorthands: `os` (of _parts.yml), `kernel`, `command_line`, `gpus` (cards of _parts.yml, or
{card, kfd: false, driver, hive, unique, atomics}), `dpkg` (name: version, or [version, maintainer]),
`rpm` rows, `pacman`, `rocm` (folder: version), `libraries` (folder: [names]), `kernels` (folder: [gfx]),
`torch` (site: {version, hip, cuda}), `groups` of the user, `kfd` (gid and mode of /dev/kfd, or null),
`firmware`, `noretry`. All else is what rocm_patch.detect.fixture reads.
"""

from __future__ import annotations

import base64
import struct
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rocm_patch.detect.fixture import unpack
from rocm_patch.detect.machine import examine
from rocm_patch.detect.model import Report
from rocm_patch.detect.tree import Tree

MACHINES = Path(__file__).parent / "machines"
NODES = "/sys/devices/virtual/kfd/kfd/topology/nodes"
NAVI10 = ("asd", "ce", "me", "mec", "mec2", "pfp", "rlc", "sdma", "sdma1", "smc", "sos", "ta", "vcn")
MEC_VERSION = 146
_RENDER, _VIDEO = 992, 44


def names() -> list[str]:
    return sorted(path.stem for path in MACHINES.glob("[a-z]*.yml"))


def source(name: str) -> dict[str, Any]:
    data = yaml.safe_load((MACHINES / f"{name}.yml").read_text("utf-8"))
    assert isinstance(data, dict)
    return data


def build(name: str, folder: Path) -> tuple[Tree, dict[str, Any]]:
    """Make the tree of a machine, and give what its file says."""
    data = source(name)
    return unpack(expand(data), folder, MACHINES / f"{name}.yml"), data


def report(name: str, folder: Path) -> Report:
    tree, data = build(name, folder)
    return examine(tree, environment=data.get("environment", {}), user=data.get("user"))


@cache
def _parts() -> dict[str, Any]:
    data = yaml.safe_load((MACHINES / "_parts.yml").read_text("utf-8"))
    assert isinstance(data, dict)
    return data


def expand(short: dict[str, Any]) -> dict[str, Any]:
    """Turn the shorthands into files."""
    data: dict[str, Any] = {
        "files": {}, "binary": {}, "links": {}, "owners": {}, "environment": short.get("environment", {}),
        "empty": [], "folders": [], "rpm": short.get("rpm", []),
    }  # fmt: skip
    files = data["files"]
    release = _parts()["systems"][short["os"]]
    files["/etc/os-release"] = "".join(f'{key}="{value}"\n' for key, value in release.items())
    if "kernel" in short:
        files["/proc/sys/kernel/osrelease"] = f"{short['kernel']}\n"
        files["/proc/cmdline"] = f"BOOT_IMAGE=/vmlinuz ro quiet {short.get('command_line', '')}\n"
    _gpus(short, data)
    _rights(short, data)
    _packages(short, data)
    for folder, version in short.get("rocm", {}).items():
        files[f"{folder}/.info/version"] = f"{version}\n"
    for folder, libraries in short.get("libraries", {}).items():
        for library in libraries:
            files[f"{folder}/{library}"] = "\x7fELF"
            data["links"][f"{folder}/{library.partition('.so')[0]}.so"] = library
    for folder, processors in short.get("kernels", {}).items():
        data["empty"] += [f"{folder}/TensileLibrary_lazy_{gfx}.dat" for gfx in processors]
    for site, torch in short.get("torch", {}).items():
        _torch(files, site, torch)
    for key in ("files", "links", "owners", "binary"):
        data[key].update(short.get(key, {}))
    for key in ("empty", "folders"):
        data[key] += short.get(key, [])
    return data


def _gpus(short: dict[str, Any], data: dict[str, Any]) -> None:
    files, links = data["files"], data["links"]
    cards = [one if isinstance(one, dict) else {"card": one} for one in short.get("gpus", [])]
    kfd = [one for one in cards if one.get("kfd", _parts()["cards"][one["card"]].get("gfx")) is not False]
    node = 0
    for number, one in enumerate(cards):
        card = _parts()["cards"][one["card"]] | one
        vendor = card.get("vendor", 0x1002)
        bus = one.get("bus", 3 + number)
        address = f"0000:{bus:02x}:00.0"
        at = f"/sys/devices/pci0000:00/0000:00:{number + 1:02x}.1/{address}"
        driver = card.get("driver", "amdgpu")
        sub_vendor, sub_device = card["subsystem"].split(":")
        fields = {
            "class": "0x120000" if card.get("accelerator") else "0x030000",
            "vendor": f"0x{vendor:04x}", "device": f"0x{card['device']:04x}",
            "revision": f"0x{card['revision']:02x}",
            "subsystem_vendor": f"0x{sub_vendor}", "subsystem_device": f"0x{sub_device}",
            "current_link_speed": "16.0 GT/s PCIe", "current_link_width": "16",
        }  # fmt: skip
        if driver:
            links[f"{at}/driver"] = f"../../../../bus/pci/drivers/{driver}"
            data["folders"].append(f"/sys/bus/pci/drivers/{driver}")
        if driver == "amdgpu":
            fields["mem_info_vram_total"] = str(card["vram"])
            data["folders"] += [f"{at}/drm/card{number}", f"{at}/drm/renderD{128 + number}"]
            data["owners"][f"/dev/dri/renderD{128 + number}"] = [0, _RENDER, "0660"]
            data["empty"].append(f"/dev/dri/renderD{128 + number}")
            data["empty"].append("/sys/module/amdgpu/refcnt")
            files["/sys/module/amdgpu/parameters/noretry"] = f"{short.get('noretry', -1)}\n"
        files |= {f"{at}/{name}": f"{value}\n" for name, value in fields.items()}
        links[f"/sys/bus/pci/devices/{address}"] = (
            f"../../../devices/pci0000:00/0000:00:{number + 1:02x}.1/{address}"
        )
        if one in kfd and driver == "amdgpu" and card.get("gfx"):
            node += 1
            _node(files, node, card, location=bus << 8, minor=128 + number)
    if node:
        links["/sys/class/kfd/kfd"] = "../../devices/virtual/kfd/kfd"
        files[f"{NODES}/0/properties"] = (
            "cpu_cores_count 16\nsimd_count 0\nmem_banks_count 1\ngfx_target_version 0\n"
        )
    if short.get("firmware", "rx5" in str(short.get("gpus"))):
        header = base64.b64encode(
            struct.pack("<IIHHHHI", 268592, 256, 1, 0, 10, 1, MEC_VERSION) + bytes(228)
        ).decode()
        data["binary"] |= {f"/lib/firmware/amdgpu/navi10_{part}.bin": header for part in NAVI10}


def _node(files: dict[str, str], node: int, card: dict[str, Any], *, location: int, minor: int) -> None:
    integrated = card["card"] in {"raphael", "780m", "cezanne"}
    properties = {
        "cpu_cores_count": 0, "simd_count": card["simds"], "mem_banks_count": 1, "caches_count": 5,
        "io_links_count": 1, "max_waves_per_simd": 20, "lds_size_in_kb": 64,
        "wave_front_size": card.get("wave", 32),
        "array_count": 4, "simd_arrays_per_engine": 2, "cu_per_simd_array": 10,
        "simd_per_cu": card.get("per_cu", 2),
        "gfx_target_version": card["gfx"], "vendor_id": 4098, "device_id": card["device"],
        "location_id": location, "domain": 0, "drm_render_minor": minor, "hive_id": card.get("hive", 0),
        "fw_version": MEC_VERSION,
        "unique_id": card.get("unique", 0), "num_xcc": 1,
    }  # fmt: skip
    files[f"{NODES}/{node}/properties"] = _lines(properties)
    heap = {"heap_type": 0 if integrated else 1, "size_in_bytes": card["vram"], "flags": 0, "width": 192}
    files[f"{NODES}/{node}/mem_banks/0/properties"] = _lines(heap)
    flags = 1 if card.get("atomics", True) else 0b1101
    link = {"type": 2, "node_from": node, "node_to": 0, "weight": 20, "flags": flags}
    files[f"{NODES}/{node}/io_links/0/properties"] = _lines(link)


def _lines(values: dict[str, int]) -> str:
    return "".join(f"{name} {value}\n" for name, value in values.items())


def _rights(short: dict[str, Any], data: dict[str, Any]) -> None:
    groups = short.get("groups", ["video", "render"])
    data["files"]["/etc/passwd"] = (
        "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000:Ada:/home/ada:/bin/bash\n"
    )
    numbers = {"root": 0, "video": _VIDEO, "render": _RENDER, "ada": 1000}
    data["files"]["/etc/group"] = "".join(
        f"{name}:x:{number}:{'ada' if name in groups else ''}\n" for name, number in numbers.items()
    )
    gid, mode = short.get("kfd") or (_RENDER, "0660")
    if "kfd" not in short and not any("kfd/topology" in path for path in data["files"]):
        return
    if short.get("kfd", True):
        data["empty"].append("/dev/kfd")
        data["owners"]["/dev/kfd"] = [0, gid, mode]


def _packages(short: dict[str, Any], data: dict[str, Any]) -> None:
    paragraphs = []
    for name, entry in short.get("dpkg", {}).items():
        version, maker = (
            entry if isinstance(entry, list) else (entry, "Debian ROCm Team <debian-ai@lists.debian.org>")
        )
        paragraphs.append(
            f"Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: devel\n"
            f"Installed-Size: 1024\nMaintainer: {maker}\nArchitecture: amd64\nVersion: {version}\n"
            f"Description: {name}\n a longer text\n .\n of several lines\n"
        )
    if paragraphs:
        other = "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nDescription: shell\n"
        data["files"]["/var/lib/dpkg/status"] = "\n".join([other, *paragraphs])
    for name, version in short.get("pacman", {}).items():
        place = f"/var/lib/pacman/local/{name}-{version}/desc"
        data["files"][place] = (
            f"%NAME%\n{name}\n\n%VERSION%\n{version}\n\n%ARCH%\nx86_64\n\n%PACKAGER%\nArch Linux\n"
        )


def _torch(files: dict[str, str], site: str, torch: dict[str, Any]) -> None:
    version = torch["version"]
    files[f"{site}/torch-{version}.dist-info/METADATA"] = (
        f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n"
    )
    values = {key: repr(torch.get(key)) for key in ("cuda", "hip", "xpu")}
    files[f"{site}/torch/version.py"] = (
        "from typing import Optional\n\n"
        f"__version__ = {version!r}\ndebug = False\ncuda: Optional[str] = {values['cuda']}\n"
        f"git_version = '1eba9b3aa3c43f86f4a2c807ac8e12c4a7767340'\nhip: Optional[str] = {values['hip']}\n"
        f"xpu: Optional[str] = {values['xpu']}\n"
    )
