"""Puts the parts together into one report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rocm_patch.detect.access import find_access
from rocm_patch.detect.driver import find_driver, find_firmware
from rocm_patch.detect.gpus import find_gpus
from rocm_patch.detect.model import Package, Report
from rocm_patch.detect.packages import find_packages
from rocm_patch.detect.repositories import find_repositories
from rocm_patch.detect.software import (
    find_kernel_folders,
    find_libraries,
    find_rocm,
    find_wheels,
    library_folders,
)
from rocm_patch.detect.system import find_environment, find_kernel, find_system
from rocm_patch.detect.tree import Tree

#: Packages that AMD and distributions both make, so that two makers mean a mixture.
_NO_ROCM = ("firmware", "linux-firmware", "kernel-firmware", "cuda", "nvidia", "libdrm", "amdgpu-install")


def examine(
    tree: Tree,
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    sites: Iterable[str] = (),
) -> Report:
    """Describe the machine whose files `tree` gives. Never raises for what the files hold."""
    settings = environment or {}
    report = Report(root=str(tree.root), os=find_system(tree), kernel=find_kernel(tree))
    report.driver = find_driver(tree, report.kernel)
    report.gpus = find_gpus(tree)
    report.firmware = find_firmware(tree, report.gpus)
    report.access = find_access(tree, user)
    report.rocm = find_rocm(tree)
    report.packages = find_packages(tree)
    report.repositories = find_repositories(tree)
    report.mixed_packages = is_mixed(report.packages)
    report.environment = find_environment(tree, settings)
    report.wheels = find_wheels(tree, sites, settings)
    folders = library_folders(tree, report.rocm, report.wheels)
    report.libraries = find_libraries(tree, folders)
    report.kernel_folders = find_kernel_folders(tree, folders)
    report.notes = tree.notes
    return report


def is_mixed(packages: Iterable[Package]) -> bool:
    """Tell whether ROCm's packages come from AMD and from the distribution at once."""
    makers = {one.origin for one in packages if not one.name.startswith(_NO_ROCM) and one.name not in _SHARED}
    return {"amd", "distribution"} <= makers


#: Distributions ship these for display; beside AMD's ROCm they are no mixture.
_SHARED = frozenset({"libhsakmt1", "libdrm-amdgpu1", "xserver-xorg-video-amdgpu"})
