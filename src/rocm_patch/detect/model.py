"""The report of `rocm-patch detect`: plain data, and the source of the published JSON schema.

Plain dataclasses, so that making a report loads no validation library; the
schema is generated from them (rocm_patch.detect.schema).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

#: Raised when a field changes its meaning or goes; a new field does not raise it.
SCHEMA_VERSION = 1

Build = Literal["rocm", "cuda", "cpu", "xpu", "unknown"]
Manager = Literal["dpkg", "rpm", "pacman"]
Origin = Literal["amd", "distribution", "rocm-patch"]
Xnack = Literal["off", "per-process", "on", "unknown"]


@dataclass
class Gpu:
    """One GPU as the software sees it: a card, one die of a card, or a processor's own graphics."""

    vendor: Literal["amd", "nvidia", "intel", "other"]
    name: str | None = None
    #: LLVM's name of the instruction set, as gfx1010.
    gfx: str | None = None
    gfx_source: Literal["kfd", "table", "unknown"] = "unknown"
    kind: Literal["card", "integrated", "unknown"] = "unknown"
    pci_address: str | None = None
    pci_id: str | None = None
    pci_revision: str | None = None
    subsystem: str | None = None
    driver: str | None = None
    #: Number of KFD's node; null where the compute driver does not have the GPU.
    kfd_node: int | None = None
    render_node: str | None = None
    vram_bytes: int | None = None
    compute_units: int | None = None
    simds: int | None = None
    wave_size: int | None = None
    #: off: never; per-process: HSA_XNACK decides; on: the driver has it on.
    xnack: Xnack = "unknown"
    unique_id: str | None = None
    hive_id: str | None = None
    #: False where KFD says that the route to the processor lacks PCIe atomics.
    pcie_atomics: bool | None = None
    link_speed: str | None = None
    link_width: int | None = None


@dataclass
class Package:
    """An installed package that has to do with the GPU."""

    name: str
    version: str
    manager: Manager
    origin: Origin
    architecture: str | None = None
    #: Release of ROCm that one of AMD's packages belongs to, as its version says.
    release: str | None = None


@dataclass
class Repository:
    """A source of the package manager that is this project's repository."""

    file: str
    manager: Literal["apt", "dnf", "zypper"]
    suite: str
    #: read: `offers` is whole; absent: nothing was fetched yet; unread: only the manager can tell.
    lists: Literal["read", "absent", "unread"] = "unread"
    #: Names of this project's packages in it.
    offers: list[str] = field(default_factory=list)


@dataclass
class Rocm:
    """A ROCm in a folder of its own."""

    path: str
    version: str | None
    origin: Literal["folder"] = "folder"


@dataclass
class Library:
    """A GPU library file."""

    name: str
    path: str
    version: str | None
    size: int
    #: Processors that it holds code for; null: not looked at (--targets), or not readable.
    code_for: list[str] | None = None


@dataclass
class KernelFolder:
    """A folder of kernel files beside a library (rocBLAS, hipBLASLt), judged by its names."""

    path: str
    kernels_for: list[str]


@dataclass
class Wheel:
    """A Python distribution that has to do with the GPU."""

    name: str
    version: str
    folder: str
    #: What its binaries were built for, as it says itself.
    build: Build = "unknown"
    hip: str | None = None
    cuda: str | None = None


@dataclass
class Kernel:
    """The running (or the newest installed) Linux."""

    release: str | None = None
    command_line: str | None = None
    iommu: Literal["on", "off", "unknown"] = "unknown"


@dataclass
class Driver:
    """The amdgpu kernel module."""

    loaded: bool = False
    origin: Literal["in-tree", "dkms", "unknown"] = "unknown"
    version: str | None = None
    dkms: list[str] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    #: Lines of modprobe.d that steer it.
    options: list[str] = field(default_factory=list)
    blacklisted_by: list[str] = field(default_factory=list)


@dataclass
class Firmware:
    """The firmware of one kind of GPU."""

    chip: str
    files: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    #: Version in each file's header, by part (mec, sdma, ...).
    versions: dict[str, int] = field(default_factory=dict)
    #: Version that the driver says it loaded.
    loaded: dict[str, int] = field(default_factory=dict)


@dataclass
class Device:
    """A device file and the user's rights to it."""

    path: str
    exists: bool
    mode: str | None = None
    group: str | None = None
    usable: bool | None = None


@dataclass
class Access:
    """Who asks, and what they may open."""

    user: str | None = None
    groups: list[str] = field(default_factory=list)
    #: Groups that the group file gives the user and that the next login brings.
    groups_at_next_login: list[str] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)


@dataclass
class System:
    """The operating system."""

    id: str | None = None
    version: str | None = None
    codename: str | None = None
    name: str | None = None
    like: list[str] = field(default_factory=list)
    wsl: bool = False
    in_container: bool = False
    container: str | None = None


@dataclass
class Report:
    """Everything found. `notes` names what could not be read, and so is not known."""

    schema_version: int = SCHEMA_VERSION
    root: str = "/"
    os: System = field(default_factory=System)
    kernel: Kernel = field(default_factory=Kernel)
    driver: Driver = field(default_factory=Driver)
    gpus: list[Gpu] = field(default_factory=list)
    firmware: list[Firmware] = field(default_factory=list)
    access: Access = field(default_factory=Access)
    rocm: list[Rocm] = field(default_factory=list)
    packages: list[Package] = field(default_factory=list)
    repositories: list[Repository] = field(default_factory=list)
    #: True where packages of AMD and of the distribution stand side by side.
    mixed_packages: bool = False
    libraries: list[Library] = field(default_factory=list)
    kernel_folders: list[KernelFolder] = field(default_factory=list)
    wheels: list[Wheel] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
