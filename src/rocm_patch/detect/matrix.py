"""One line for a machine: what detect says of it, for tables of many machines."""

from __future__ import annotations

from rocm_patch.detect.model import Report

HEAD = (
    "system",
    "GPUs",
    "amdgpu",
    "/dev/kfd",
    "ROCm",
    "packages",
    "kernels for",
    "wheels",
    "settings",
    "not known",
)


def row(report: Report) -> tuple[str, ...]:
    """Give the cells of `HEAD`, in plain text."""
    return (
        _system(report),
        ", ".join(_gpus(report)) or "none",
        _driver(report),
        _kfd(report),
        ", ".join(one.version or "?" for one in report.rocm) or "-",
        _packages(report),
        "; ".join(" ".join(one.kernels_for) for one in report.kernel_folders) or "-",
        ", ".join(f"{one.version} ({one.build})" for one in report.wheels) or "-",
        ", ".join(f"{name}={value}" for name, value in report.environment.items()) or "-",
        "; ".join(report.notes) or "-",
    )


def _system(report: Report) -> str:
    place = "wsl" if report.os.wsl else report.os.container
    name = " ".join(part for part in (report.os.id, report.os.version) if part) or "?"
    return f"{name}, {place}" if place else name


def _gpus(report: Report) -> list[str]:
    """Give each kind of GPU once, with its number."""
    found: dict[str, int] = {}
    for gpu in report.gpus:
        words = [gpu.name or gpu.pci_id or "?", gpu.gfx or gpu.vendor]
        words += ["integrated"] if gpu.kind == "integrated" else []
        words += ["no KFD"] if gpu.vendor == "amd" and gpu.kfd_node is None else []
        words += ["no PCIe atomics"] if gpu.pcie_atomics is False else []
        text = f"{words[0]} ({', '.join(words[1:])})"
        found[text] = found.get(text, 0) + 1
    return [text if number == 1 else f"{number} x {text}" for text, number in found.items()]


def _driver(report: Report) -> str:
    if report.driver.blacklisted_by:
        return "kept out" if not report.driver.loaded else "loaded, kept out at next start"
    if not report.driver.loaded:
        return "not loaded"
    options = [line.rpartition(": ")[2] for line in report.driver.options]
    missing = [f"firmware {one.chip}: {len(one.missing)} missing" for one in report.firmware if one.missing]
    return ", ".join([f"{report.driver.origin} {report.driver.version or ''}".strip(), *options, *missing])


def _kfd(report: Report) -> str:
    device = next((one for one in report.access.devices if one.path == "/dev/kfd"), None)
    if device is None or not device.exists:
        return "absent"
    return {True: "usable", False: "not usable", None: "not known"}[device.usable]


def _packages(report: Report) -> str:
    makers = ["mixed"] if report.mixed_packages else sorted({one.origin for one in report.packages})
    makers += [f"our repository ({one.lists})" for one in report.repositories]
    return ", ".join(makers) or "-"
