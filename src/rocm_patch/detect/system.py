"""Operating system, container, kernel and the settings that steer ROCm. Knows no GPU."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rocm_patch.detect.model import Kernel, System
from rocm_patch.detect.tree import Tree

#: Environment variables that change what ROCm or PyTorch does.
VARIABLES = re.compile(
    r"HSA_[A-Z0-9_]+|HIP_[A-Z0-9_]+|ROCR_[A-Z0-9_]+|ROC(M|BLAS|SPARSE|FFT)_[A-Z0-9_]+|MIOPEN_[A-Z0-9_]+|"
    r"AMD_(SERIALIZE_KERNEL|LOG_LEVEL)|AMDGCN_[A-Z0-9_]+|CUDA_VISIBLE_DEVICES|GPU_(DEVICE_ORDINAL|MAX_HW_QUEUES)|"
    r"PYTORCH_(HIP|CUDA|ROCM|TUNABLEOP)[A-Z0-9_]*|TORCH_BLAS_PREFER_HIPBLASLT|TORCH_ROCM_[A-Z0-9_]+|"
    r"TORCHDYNAMO_DISABLE|TRITON_[A-Z0-9_]+|NCCL_[A-Z0-9_]+|RCCL_[A-Z0-9_]+|LD_LIBRARY_PATH|LD_PRELOAD|"
    r"TENSILE_[A-Z0-9_]+|HCC_AMDGPU_TARGET|VIRTUAL_ENV|CONDA_PREFIX"
)
_SETTING_FILES = ("/etc/environment",)
_SETTING_FOLDERS = (("/etc/profile.d", r".*\.sh"), ("/etc/environment.d", r".*\.conf"))
_SHELL = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
_CGROUPS = (
    ("docker", "docker"), ("kubepods", "kubernetes"), ("libpod", "podman"), ("/lxc", "lxc"),
)  # fmt: skip


def parse_os_release(text: str) -> dict[str, str]:
    """Read os-release(5): NAME=value lines, the value quoted as in a shell or not at all."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            found[name] = unquote(value)
    return found


def unquote(value: str) -> str:
    """Take a shell's quotes off; what is not well quoted stays as it is."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        inner = value[1:-1]
        return re.sub(r"\\([\"$`\\])", r"\1", inner) if value[0] == '"' else inner
    return value


def find_system(tree: Tree) -> System:
    """Give the distribution, and whether this is WSL or a container."""
    fields = parse_os_release(tree.text("/etc/os-release") or tree.text("/usr/lib/os-release") or "")
    release = tree.line("/proc/sys/kernel/osrelease") or ""
    container = _container(tree)
    return System(
        id=fields.get("ID") or None,
        version=fields.get("VERSION_ID") or None,
        codename=fields.get("VERSION_CODENAME") or None,
        name=fields.get("PRETTY_NAME") or fields.get("NAME") or None,
        like=fields.get("ID_LIKE", "").split(),
        wsl="microsoft" in release.lower() or tree.exists("/dev/dxg"),
        in_container=container is not None,
        container=container,
    )


def _container(tree: Tree) -> str | None:
    if tree.exists("/run/.toolboxenv"):
        return "toolbox"
    if tree.exists("/run/.containerenv"):
        return "podman"
    if tree.exists("/.dockerenv"):
        return "docker"
    named = tree.line("/run/systemd/container")
    if named and re.fullmatch(r"[a-z][a-z0-9-]{0,30}", named) and named != "wsl":
        return named
    groups = tree.text("/proc/1/cgroup") or ""
    return next((kind for mark, kind in _CGROUPS if mark in groups), None)


def find_kernel(tree: Tree) -> Kernel:
    """Give the running kernel; on a tree without /proc, the newest that has modules."""
    release = tree.line("/proc/sys/kernel/osrelease")
    if release is None:
        installed = tree.names("/lib/modules", r"[0-9][-+.~0-9A-Za-z_]*")
        release = installed[-1] if installed else None
    command = tree.line("/proc/cmdline")
    kernel = Kernel(release=release, command_line=command)
    words = (command or "").split()
    disabled = {"iommu=off", "amd_iommu=off", "intel_iommu=off"} & set(words)
    if tree.names("/sys/class/iommu"):
        kernel.iommu = "on"
    elif disabled or tree.exists("/sys/class/iommu"):
        kernel.iommu = "off"
    return kernel


def find_environment(tree: Tree, environment: Mapping[str, str]) -> dict[str, str]:
    """Give the settings that matter: of the files that every login reads, then of this process."""
    found: dict[str, str] = {}
    paths = [*_SETTING_FILES, *(f"{d}/{n}" for d, p in _SETTING_FOLDERS for n in tree.names(d, p))]
    for path in paths:
        for name, value in _SHELL.findall(tree.text(path) or ""):
            if VARIABLES.fullmatch(name):
                found[name] = unquote(value)
    found.update({name: value for name, value in environment.items() if VARIABLES.fullmatch(name)})
    return dict(sorted(found.items()))
