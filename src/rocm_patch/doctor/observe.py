"""States that a report of detect shows, each with its evidence; whether one is a problem is not said here.

The names are those of problems/common/observations.yml; signatures of the catalogue refer to them.
An observation is made only where the report says so: what is not known shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from rocm_patch.detect.model import Gpu, Report

#: Variables that hide GPUs from ROCm.
_MASKS = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
#: Libraries whose device code is compiled beforehand, so that a missing target is a missing kernel.
_COMPILED = frozenset({"rocsparse", "rocrand", "rocsolver"})
_TORCH = frozenset({"torch_hip"})
#: Libraries of which it must be read what they hold code for, to observe all that can be.
CODE_MATTERS = _COMPILED | _TORCH
_LISTED = 6


def observe(report: Report) -> dict[str, list[str]]:
    """Give every observation that the report bears out, with the lines that show it."""
    return {name: evidence for name, look in OBSERVATIONS.items() if (evidence := look(report))}


def _amd(report: Report) -> list[Gpu]:
    return [gpu for gpu in report.gpus if gpu.vendor == "amd"]


def _cards(report: Report) -> list[Gpu]:
    """Give the cards whose target is known; without one, any AMD GPU of known target."""
    known = [gpu for gpu in _amd(report) if gpu.gfx]
    return [gpu for gpu in known if gpu.kind == "card"] or known


def _called(gpu: Gpu) -> str:
    name = gpu.name or gpu.pci_id or "GPU"
    return f"{name}{f' ({gpu.gfx})' if gpu.gfx else ''} at {gpu.pci_address or 'an unknown address'}"


def _kfd(report: Report) -> tuple[bool, bool | None]:
    """Say whether /dev/kfd exists, and whether the user may open it."""
    for device in report.access.devices:
        if device.path == "/dev/kfd":
            return device.exists, device.usable
    return False, None


def _kfd_refused(report: Report) -> list[str]:
    if _kfd(report) != (True, False):
        return []
    device = next(one for one in report.access.devices if one.path == "/dev/kfd")
    user, groups = report.access.user or "the user", ", ".join(report.access.groups) or "no group"
    lines = [f"/dev/kfd has mode {device.mode} and group {device.group}; {user} is in {groups}"]
    if report.access.groups_at_next_login:
        lines.append(f"from the next login {user} is also in {', '.join(report.access.groups_at_next_login)}")
    return lines


def _module_not_loaded(report: Report) -> list[str]:
    gpus = [gpu for gpu in _amd(report) if gpu.driver != "vfio-pci"]
    if report.driver.loaded or report.os.wsl or not gpus:
        return []
    kept_out = [f"kept out by {line}" for line in report.driver.blacklisted_by]
    return [*(_called(gpu) for gpu in gpus), "the module amdgpu is not loaded", *kept_out]


def _given_away(report: Report) -> list[str]:
    return [f"{_called(gpu)} is bound to vfio-pci" for gpu in _amd(report) if gpu.driver == "vfio-pci"]


def _no_atomics(report: Report) -> list[str]:
    return [
        f"KFD says that the route to {_called(gpu)} has no PCIe atomics"
        for gpu in _amd(report)
        if gpu.pcie_atomics is False
    ]


def _firmware_incomplete(report: Report) -> list[str]:
    # With a compute node the driver has started, wherever it found its firmware.
    if any(gpu.kfd_node is not None for gpu in _amd(report)) or report.os.in_container:
        return []
    return [
        f"/lib/firmware/amdgpu lacks {', '.join(f'{one.chip}_{part}.bin' for part in one.missing)}"
        for one in report.firmware
        if one.missing
    ]


def _wsl_without_kfd(report: Report) -> list[str]:
    if not report.os.wsl or _kfd(report)[0]:
        return []
    return [f"this is WSL2 (kernel {report.kernel.release or 'not known'}): there is no /dev/kfd"]


def _container_without_kfd(report: Report) -> list[str]:
    if not report.os.in_container or report.os.wsl or _kfd(report)[0] or not _amd(report):
        return []
    return [*(_called(gpu) for gpu in _amd(report)), f"no /dev/kfd in this container ({report.os.container})"]


def _mixed_packages(report: Report) -> list[str]:
    if not report.mixed_packages:
        return []
    lines = []
    for origin in ("amd", "distribution"):
        names = [f"{one.name} {one.version}" for one in report.packages if one.origin == origin]
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        lines.append(f"packages of {origin}: {', '.join(names[:_LISTED])}{more}")
    return lines


def _torch_not_rocm(report: Report) -> list[str]:
    torches = [one for one in report.wheels if one.name == "torch"]
    others = any(gpu.vendor == "nvidia" for gpu in report.gpus)
    if others or not _amd(report) or any(one.build in {"rocm", "unknown"} for one in torches):
        return []
    return [f"torch {one.version} in {one.folder} was built for {one.build}" for one in torches]


def _lacking(report: Report, names: frozenset[str]) -> list[str]:
    # A library without any GPU code says nothing: the code may lie in another file.
    libraries = [one for one in report.libraries if one.name in names and one.code_for]
    targets = list(dict.fromkeys(gpu.gfx for gpu in _cards(report)))
    return [
        f"{one.path} holds code for {', '.join(one.code_for or [])}, not for {target}"
        for one in libraries
        for target in targets
        if target not in (one.code_for or [])
    ]


def _torch_lacks_gpu(report: Report) -> list[str]:
    return _lacking(report, _TORCH)


def _library_lacks_gpu(report: Report) -> list[str]:
    return _lacking(report, _COMPILED)


def _rocblas_lacks_gpu(report: Report) -> list[str]:
    lines = []
    for folder in report.kernel_folders:
        targets = [gpu.gfx for gpu in _cards(report) if gpu.gfx and gpu.gfx not in folder.kernels_for]
        if "/rocblas/" in f"{folder.path}/" and folder.kernels_for and targets:
            there = ", ".join(folder.kernels_for)
            lines += [
                f"{folder.path} has kernels for {there}, none for {one}" for one in dict.fromkeys(targets)
            ]
    return lines


def _integrated_in_compute(report: Report) -> list[str]:
    used = [gpu for gpu in _amd(report) if gpu.kfd_node is not None]
    kinds = {gpu.kind for gpu in used}
    if not {"card", "integrated"} <= kinds or any(name in report.environment for name in _MASKS):
        return []
    return [f"{_called(gpu)} ({gpu.kind}) is KFD's node {gpu.kfd_node}" for gpu in used]


def _triton_shadowed(report: Report) -> list[str]:
    lines = []
    for folder in dict.fromkeys(one.folder for one in report.wheels):
        here = {one.name: one for one in report.wheels if one.folder == folder}
        rocm = here["torch"].build == "rocm" if "torch" in here else False
        own = [name for name in ("pytorch-triton-rocm", "triton-rocm") if name in here]
        if rocm and own and "triton" in here and "rocm" not in here["triton"].version:
            lines.append(f"triton {here['triton'].version} lies beside {own[0]} in {folder}")
    return lines


#: observation -> where it is looked for.
OBSERVATIONS: dict[str, Callable[[Report], list[str]]] = {
    "kfd-refused": _kfd_refused,
    "module-not-loaded": _module_not_loaded,
    "gpu-given-away": _given_away,
    "no-pcie-atomics": _no_atomics,
    "firmware-incomplete": _firmware_incomplete,
    "wsl-without-kfd": _wsl_without_kfd,
    "container-without-kfd": _container_without_kfd,
    "mixed-packages": _mixed_packages,
    "torch-not-rocm": _torch_not_rocm,
    "torch-lacks-gpu": _torch_lacks_gpu,
    "library-lacks-gpu": _library_lacks_gpu,
    "rocblas-lacks-gpu": _rocblas_lacks_gpu,
    "integrated-in-compute": _integrated_in_compute,
    "triton-shadowed": _triton_shadowed,
}
