"""The report as tables for a terminal. Says what is, not what to do about it."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rocm_patch.detect.model import Gpu, Report

_GIB = 1 << 30
_NOTES_SHOWN = 12


def show(report: Report, console: Console) -> None:
    """Print the machine, its GPUs, its ROCm and its wheels, then what is not known."""
    console.print(_machine(report))
    console.print(_gpus(report))
    if report.rocm or report.packages or report.wheels or report.repositories:
        console.print(_software(report))
    if report.libraries:
        console.print(_libraries(report))
    for note in report.notes[:_NOTES_SHOWN]:
        console.print(f"[yellow]not known:[/] {escape(note)}")
    if len(report.notes) > _NOTES_SHOWN:
        console.print(f"[yellow]not known:[/] {len(report.notes) - _NOTES_SHOWN} more; --json has all")


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        show_header=bool(columns),
        box=None,
        pad_edge=False,
    )
    for column in columns or ("", ""):
        table.add_column(column, overflow="fold", header_style="dim")
    return table


def _machine(report: Report) -> Table:
    table = _table("Machine")
    place = " in WSL2" if report.os.wsl else f" in {report.os.container}" if report.os.container else ""
    table.add_row("system", escape(f"{report.os.name or 'not known'}{place}"))
    table.add_row("kernel", escape(f"{report.kernel.release or 'not known'}, IOMMU {report.kernel.iommu}"))
    driver = report.driver
    state = f"{driver.origin} {driver.version or ''}".strip() if driver.loaded else "not loaded"
    table.add_row("amdgpu", escape(state))
    for line in driver.blacklisted_by:
        table.add_row("", f"[red]kept out by {escape(line)}[/]")
    for line in driver.options:
        table.add_row("", escape(line))
    for firmware in report.firmware:
        missing = (
            f"[red]missing: {escape(', '.join(firmware.missing))}[/]" if firmware.missing else "complete"
        )
        count = len(firmware.files)
        known = bool(firmware.missing) or firmware.chip == "navi10"
        table.add_row("firmware", f"{firmware.chip}: {count} files{', ' + missing if known else ''}")
    table.add_row("user", escape(f"{report.access.user or 'not known'} ({', '.join(report.access.groups)})"))
    if report.access.groups_at_next_login:
        table.add_row("", escape(f"from the next login also {', '.join(report.access.groups_at_next_login)}"))
    for device in report.access.devices:
        if device.path == "/dev/kfd" or "render" in device.path:
            table.add_row(device.path, _right(device.exists, device.usable, device.group))
    for name, value in report.environment.items():
        table.add_row(escape(name), escape(value))
    return table


def _right(exists: bool, usable: bool | None, group: str | None) -> str:  # noqa: FBT001  # both are the row
    if not exists:
        return "[red]absent[/]"
    if usable is None:
        return f"of group {escape(group or '?')}"
    return "[green]usable[/]" if usable else f"[red]not usable[/] (of group {escape(group or '?')})"


def _gpus(report: Report) -> Table:
    if not report.gpus:
        table = _table("GPUs")
        table.add_row("none found", "")
        return table
    table = _table("GPUs", "PCI", "name", "target", "kind", "memory", "CUs", "driver", "compute")
    for gpu in report.gpus:
        table.add_row(*(escape(cell) for cell in gpu_row(gpu)))
    return table


def gpu_row(gpu: Gpu) -> tuple[str, ...]:
    """Give the cells of one GPU."""
    memory = f"{gpu.vram_bytes / _GIB:.1f} GiB" if gpu.vram_bytes else "-"
    target = gpu.gfx or "-"
    if gpu.gfx and gpu.gfx_source == "table":
        target += " (by PCI id)"
    compute = "-" if gpu.kfd_node is None else f"node {gpu.kfd_node}"
    if gpu.pcie_atomics is False:
        compute += ", no PCIe atomics"
    units = str(gpu.compute_units) if gpu.compute_units else "-"
    name = gpu.name or gpu.pci_id or "not known"
    return (gpu.pci_address or "-", name, target, gpu.kind, memory, units, gpu.driver or "none", compute)


def _software(report: Report) -> Table:
    table = _table("Software", "what", "version", "from")
    for rocm in report.rocm:
        table.add_row("ROCm", escape(rocm.version or "not known"), escape(rocm.path))
    for package in report.packages:
        table.add_row(escape(package.name), escape(package.version), f"{package.manager}, {package.origin}")
    for source in report.repositories:
        what = ", ".join(source.offers) or f"lists {source.lists}"
        table.add_row("this project's repository", escape(what), escape(f"{source.manager}, {source.file}"))
    for wheel in report.wheels:
        table.add_row(
            escape(wheel.name), escape(wheel.version), escape(f"{wheel.build} wheel in {wheel.folder}")
        )
    if report.mixed_packages:
        table.caption = "ROCm packages of AMD and of the distribution are mixed"
    return table


def _libraries(report: Report) -> Table:
    table = _table("GPU libraries", "library", "version", "code for", "file")
    for library in report.libraries:
        code = "-" if library.code_for is None else ", ".join(library.code_for) or "none"
        table.add_row(escape(library.name), escape(library.version or "-"), code, escape(library.path))
    for folder in report.kernel_folders:
        table.add_row("kernels", "-", ", ".join(folder.kernels_for) or "none", escape(folder.path))
    return table
