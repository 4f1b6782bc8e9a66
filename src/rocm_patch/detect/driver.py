"""The amdgpu kernel module and the firmware of the GPUs found. Knows no ROCm."""

from __future__ import annotations

import lzma
import re
import struct
from collections.abc import Iterable

from rocm_patch.detect.model import Driver, Firmware, Gpu, Kernel
from rocm_patch.detect.tree import Tree

_MODULE = "/sys/module/amdgpu"
_PARAMETERS = (
    "noretry",
    "cwsr_enable",
    "ppfeaturemask",
    "runpm",
    "mes",
    "vm_fragment_size",
    "gpu_recovery",
    "lockup_timeout",
)
_MODPROBE = ("/etc/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d", "/run/modprobe.d")
_FIRMWARE = ("/lib/firmware/updates/amdgpu", "/lib/firmware/amdgpu")
#: Code names under which linux-firmware files the GPUs that have them.
_CHIPS = {
    "gfx803": "polaris10",
    "gfx900": "vega10",
    "gfx906": "vega20",
    "gfx908": "arcturus",
    "gfx90a": "aldebaran",
    "gfx1010": "navi10",
    "gfx1011": "navi12",
    "gfx1012": "navi14",
    "gfx1030": "sienna_cichlid",
    "gfx1031": "navy_flounder",
    "gfx1032": "dimgrey_cavefish",
    "gfx1033": "vangogh",
    "gfx1034": "beige_goby",
    "gfx1035": "yellow_carp",
}
#: Parts without which navi10's driver does not start (MODULE_FIRMWARE in amdgpu's gfx_v10, sdma_v5,
#: psp_v11 and smu_v11).
_NEEDED = {"navi10": ("asd", "ce", "me", "mec", "mec2", "pfp", "rlc", "sdma", "sdma1", "smc", "sos", "vcn")}
_SUFFIX = r"\.bin(\.zst|\.xz)?"
_READ_LIMIT = 4 << 20
#: common_firmware_header of amdgpu_ucode.h: ucode_version is the fifth 32-bit word.
_HEADER = struct.Struct("<IIHHHHI")
_HEADER_LIMIT = 1 << 20


def find_driver(tree: Tree, kernel: Kernel) -> Driver:
    """Say whether amdgpu is loaded, whose it is, and what steers it."""
    driver = Driver(loaded=tree.exists(f"{_MODULE}/refcnt") or tree.exists(f"{_MODULE}/parameters"))
    driver.version = tree.line(f"{_MODULE}/version")
    driver.dkms = tree.names("/var/lib/dkms/amdgpu", r"[0-9][-+.~0-9A-Za-z_]*")
    modules = f"/lib/modules/{kernel.release}"
    outside = [
        place
        for place in ("updates/dkms", "extra", "weak-updates")
        if tree.names(f"{modules}/{place}", r"amdgpu\.ko.*")
    ]
    # The module of the kernel itself has no version of its own; AMD's has.
    if driver.version or (driver.loaded and outside):
        driver.origin = "dkms"
    elif driver.loaded:
        driver.origin = "in-tree"
    for name in _PARAMETERS:
        value = tree.line(f"{_MODULE}/parameters/{name}")
        if value is not None:
            driver.parameters[name] = value
    _modprobe(tree, driver)
    for word in (kernel.command_line or "").split():
        name, _, value = word.partition("=")
        if (
            name
            in {
                "modprobe.blacklist",
                "module_blacklist",
                "rd.driver.blacklist",
            }
            and "amdgpu" in value.split(",")
        ) or word in {"nomodeset", "amdgpu.modeset=0"}:
            driver.blacklisted_by.append(f"/proc/cmdline: {word}")
        elif name.startswith("amdgpu."):
            driver.options.append(f"/proc/cmdline: {word}")
    return driver


def _modprobe(tree: Tree, driver: Driver) -> None:
    for folder in _MODPROBE:
        if folder.startswith("/lib/") and tree.resolve("/lib") == "/usr/lib":
            continue
        for name in tree.names(folder, r".*\.conf"):
            text = tree.text(f"{folder}/{name}") or ""
            for line in re.findall(r"(?m)^[ \t]*((?:options|blacklist|install)[ \t]+amdgpu\b[^\n]*)", text):
                words = line.split()
                if words[0] == "options":
                    driver.options.append(f"{folder}/{name}: {line.strip()}")
                elif words[0] == "blacklist" or words[2:3] in (["/bin/false"], ["/bin/true"]):
                    driver.blacklisted_by.append(f"{folder}/{name}: {line.strip()}")


def find_firmware(tree: Tree, gpus: Iterable[Gpu]) -> list[Firmware]:
    """Give the firmware of each kind of AMD GPU whose code name is known."""
    found: dict[str, Firmware] = {}
    for gpu in gpus:
        chip = _CHIPS.get(gpu.gfx or "")
        if gpu.vendor != "amd" or chip is None:
            continue
        if chip not in found:
            found[chip] = _firmware(tree, chip)
        for name in tree.names(
            f"/sys/bus/pci/devices/{gpu.pci_address}/fw_version", r"[a-z0-9_]+_fw_version"
        ):
            value = tree.line(f"/sys/bus/pci/devices/{gpu.pci_address}/fw_version/{name}") or ""
            if re.fullmatch(r"0x[0-9a-f]{1,8}", value):
                found[chip].loaded[name.removesuffix("_fw_version")] = int(value, 16)
    return list(found.values())


def _firmware(tree: Tree, chip: str) -> Firmware:
    firmware = Firmware(chip=chip)
    parts: set[str] = set()
    for folder in _FIRMWARE:
        for name in tree.names(folder, rf"{chip}_[a-z0-9_]+{_SUFFIX}"):
            part = re.sub(_SUFFIX, "", name).removeprefix(f"{chip}_")
            if part in parts:
                continue
            parts.add(part)
            firmware.files.append(f"{folder}/{name}")
            if part in {"mec", "sdma", "rlc", "smc"}:
                version = ucode_version(tree, f"{folder}/{name}")
                if version is not None:
                    firmware.versions[part] = version
            else:
                tree.exists(f"{folder}/{name}")
    firmware.missing = [part for part in _NEEDED.get(chip, ()) if part not in parts]
    return firmware


def ucode_version(tree: Tree, path: str) -> int | None:
    """Read ucode_version of a firmware file, plain, zstd or xz; None (and a note) where it is none."""
    limit = _HEADER.size if path.endswith(".bin") else _READ_LIMIT
    data = tree.read(path, limit, keep=path.endswith(".bin"), head=True)
    if data is None:
        return None
    try:
        if path.endswith(".zst"):
            import zstandard  # noqa: PLC0415  # only where firmware is packed so

            data = (
                zstandard.ZstdDecompressor(max_window_size=1 << 27)
                .decompressobj()
                .decompress(data[:_HEADER_LIMIT])
            )
        elif path.endswith(".xz"):
            data = lzma.LZMADecompressor(memlimit=1 << 27).decompress(data, max_length=_HEADER.size)
    except ImportError:
        # Only on a machine of --host that has no rocm-patch: fleet/probe.py carries no compiled module.
        tree.note(path, "packed with zstd, and the zstandard module is not there")
        return None
    except (lzma.LZMAError, EOFError, MemoryError) as error:
        tree.note(path, f"cannot be unpacked: {error}")
        return None
    except ValueError as error:
        tree.note(path, f"cannot be unpacked: {error}")
        return None
    if len(data) < _HEADER.size:
        tree.note(path, "too short for firmware")
        return None
    return int(_HEADER.unpack_from(data)[6])
