"""Facts of a machine for rules, worked out from detect's report: flat names, plain values.

The table FACTS is the whole vocabulary; a rule that names another fact is refused when
it is read. None means: not known. Nothing here tells one owner from another, so that a
plan may travel: no user names, no addresses, no serial numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from rocm_patch.detect.model import Gpu, Report, Repository, Wheel
from rocm_patch.detect.tree import Tree
from rocm_patch.plan.conditions import Facts, Value
from rocm_patch.plan.repository import setup_line, suite_for

_RDNA1 = "gfx101*"
_SETTING_PLACES = (("/etc/profile.d", r".*\.sh"), ("/etc/environment.d", r".*\.conf"))
_HOOKS = (
    "/etc/apt/apt.conf.d/99rocm-patch",
    "/etc/dnf/libdnf5-plugins/actions.d/rocm-patch.actions",
    "/usr/lib/zypp/plugins/commit/rocm-patch",
)
#: Packages of display and firmware that distributions make beside anybody's ROCm.
_NOT_ROCM = re.compile(
    r"(linux-|kernel-)?firmware.*|cuda.*|nvidia.*|libdrm.*|amdgpu-.*|libhsakmt1|libtorch.*|.*torch.*"
)


def collect(report: Report, tree: Tree) -> Facts:
    """Work out every fact. Reads only the files of settings besides the report."""
    found = {name: give(report) for name, (_, give) in FACTS.items()}
    found["settings.override_files"] = _files_with(tree, "HSA_OVERRIDE_GFX_VERSION")
    found["settings.visible_files"] = _files_with(tree, "ROCR_VISIBLE_DEVICES")
    found["updates.noticed"] = any(tree.exists(path) for path in _hooks(tree))
    return dict(sorted(found.items()))


def _hooks(tree: Tree) -> list[str]:
    """Give the places of the managers' hooks (rocm_patch.hooks.files writes them)."""
    plugins = [
        f"{base}/{python}/{kind}/dnf-plugins/rocm_patch.py"
        for base in ("/usr/lib", "/usr/lib64")
        for python in tree.names(base, r"python3(\.\d+)?")
        for kind in ("site-packages", "dist-packages")
    ]
    return [*_HOOKS, *plugins]


def _files_with(tree: Tree, name: str) -> list[str]:
    """Give the files for every login that set a variable."""
    paths = [
        "/etc/environment",
        *(f"{folder}/{one}" for folder, kind in _SETTING_PLACES for one in tree.names(folder, kind)),
    ]
    setting = re.compile(rf"^[ \t]*(?:export[ \t]+)?{name}=", re.MULTILINE)
    return [path for path in paths if setting.search(tree.text(path) or "")]


def _amd(report: Report) -> list[Gpu]:
    return [one for one in report.gpus if one.vendor == "amd"]


def _cards(report: Report) -> list[Gpu]:
    """Give AMD's GPUs that work is for: cards where there are any."""
    gpus = _amd(report)
    return [one for one in gpus if one.kind != "integrated"] or gpus


def _first(report: Report) -> list[Gpu]:
    """Give the cards that this project is for, or else all."""
    cards = _cards(report)
    return [one for one in cards if fnmatchcase(one.gfx or "", _RDNA1)] or cards


def _gfx(report: Report) -> list[str]:
    return sorted({one.gfx for one in _first(report) if one.gfx})


def _index(report: Report) -> int | None:
    """Give the card's number in ROCr's order, which is that of KFD's nodes."""
    nodes = sorted(one.kfd_node for one in _amd(report) if one.kfd_node is not None)
    mine = [one.kfd_node for one in _first(report) if one.kfd_node is not None]
    return nodes.index(mine[0]) if mine else None


def _kfd(report: Report, key: str) -> Value:
    device = next((one for one in report.access.devices if one.path == "/dev/kfd"), None)
    if device is None:
        return False if key == "exists" else None
    value: Value = getattr(device, key)
    return value


def _groups_missing(report: Report) -> list[str]:
    """Name the groups of GPU devices that the user lacks, now and at the next login."""
    wanted = {one.group for one in report.access.devices if one.exists and one.group and one.usable is False}
    have = {*report.access.groups, *report.access.groups_at_next_login}
    return sorted(name for name in wanted - have if name in {"render", "video"})


def _override_wrong(report: Report) -> bool | None:
    """Say whether the override names another family than an RDNA1 card's."""
    text = report.environment.get("HSA_OVERRIDE_GFX_VERSION")
    if text is None:
        return False
    match = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.\d{1,2}", text)
    rdna1 = [one for one in _gfx(report) if fnmatchcase(one, _RDNA1)]
    if not rdna1:
        return False if _gfx(report) else None
    return match is None or (match[1], match[2]) != ("10", "1")


def _kernels(report: Report, library: str) -> list[str] | None:
    """Name the processors that the folders of kernels beside a library are for; None without the library."""
    folders = [
        one for one in report.kernel_folders if f"/{library}/" in f"{one.path}/" and "/torch/" not in one.path
    ]
    if not folders and not any(one.name == library for one in report.libraries):
        return None
    return sorted({gfx for one in folders for gfx in one.kernels_for})


def _rocblas_code(report: Report) -> list[str] | None:
    read = [one.code_for for one in report.libraries if one.name == "rocblas"]
    if not read or None in read:
        return None
    return sorted({gfx for code in read for gfx in code or []})


def _rocm_version(report: Report) -> str | None:
    """Give ROCm's release: of its folder, of AMD's packages, or of the distribution's rocBLAS or HIP."""
    if report.rocm:
        versions = [one.version for one in report.rocm if one.version]
        return versions[-1].partition("-")[0] if versions else None
    for pattern in (r"(lib)?amdhip64.*|rocm-hip|hip-runtime-amd", r"(lib)?rocblas.*"):
        for one in report.packages:
            if re.fullmatch(pattern, one.name) and (
                match := re.match(r"(?:\d+:)?(\d+\.\d+(?:\.\d+)?)", one.version)
            ):
                return one.release or match[1]
    # Where a package database could not be read, absence is not known.
    return None if _packages_unread(report) else ""


def _packages_unread(report: Report) -> bool:
    return any(
        "rpm's database" in note or note.startswith(("rpm -qa", "/var/lib/dpkg")) for note in report.notes
    )


def own_torches(report: Report) -> list[Wheel]:
    """Give the PyTorchs of this project, which say so in their version."""
    return [
        one for one in report.wheels if one.name == "torch" and re.search(r"\+rocm.*\.gfx10", one.version)
    ]


def _torch(report: Report) -> list[str]:
    return sorted({f"{one.version} {one.build}" for one in report.wheels if one.name == "torch"})


def _manager(report: Report) -> str:
    """Name the package manager that this system's kind has."""
    kin = {report.os.id or "", *report.os.like}
    for names, manager in (
        ({"debian", "ubuntu"}, "apt"),
        ({"fedora", "rhel", "centos", "rocky", "almalinux"}, "dnf"),
        ({"suse", "sles", "opensuse", "opensuse-leap", "opensuse-tumbleweed"}, "zypper"),
        ({"arch"}, "pacman"),
    ):
        if kin & names:
            return manager
    return ""


def _repositories(report: Report) -> list[Repository]:
    """Give this project's repositories that the system's manager knows; first those it has read."""
    found = [one for one in report.repositories if one.manager == _manager(report)]
    return sorted(found, key=lambda one: ("read", "unread", "absent").index(one.lists))


def _setup(report: Report) -> str:
    manager = _manager(report)
    return setup_line(manager, suite_for(manager, amd=bool(_names(report, "amd"))))


def _names(report: Report, origin: str) -> list[str]:
    return sorted(
        one.name for one in report.packages if one.origin == origin and not _NOT_ROCM.fullmatch(one.name)
    )


def _driver_options(report: Report) -> list[str]:
    """Give amdgpu's settings, of its parameters now and of modprobe.d, as name=value."""
    found = {f"{name}={value}" for name, value in report.driver.parameters.items()}
    for line in report.driver.options:
        found |= {word.removeprefix("amdgpu.") for word in line.rpartition(": ")[2].split() if "=" in word}
    return sorted(found)


def _kept_out(report: Report, *, by_kernel: bool) -> list[str]:
    lines = report.driver.blacklisted_by
    return sorted({line.split(": ")[0] for line in lines if line.startswith("/proc/") is by_kernel})


Give = Callable[[Report], Value]
#: name -> (what it means, how it is found). The order is that of docs/plan.md.
FACTS: dict[str, tuple[str, Give]] = {
    "os.id": ("system's id, as ubuntu", lambda r: r.os.id or ""),
    "os.version": ("system's version, as 24.04; empty on rolling ones", lambda r: r.os.version or ""),
    "os.manager": ("apt, dnf, zypper or pacman; empty if another", _manager),
    "os.wsl": ("under Windows", lambda r: r.os.wsl),
    "os.container": (
        "kind of container; empty outside",
        lambda r: r.os.container or ("?" if r.os.in_container else ""),
    ),
    "gpu.amd": ("there is a GPU of AMD's", lambda r: bool(_amd(r))),
    "gpu.gfx": ("targets of the cards that the work is for", _gfx),
    "gpu.rdna1": (
        "one of them is gfx1010, gfx1011 or gfx1012",
        lambda r: any(fnmatchcase(one, _RDNA1) for one in _gfx(r)),
    ),
    "gpu.integrated": (
        "a processor's own GPU that ROCm sees beside a card",
        lambda r: (
            any(one.kind != "integrated" for one in _amd(r))
            and any(one.kind == "integrated" and one.kfd_node is not None for one in _amd(r))
        ),
    ),
    "gpu.index": ("the first such card's number in ROCm's order", _index),
    "gpu.in_kfd": (
        "all of them are known to the compute driver",
        lambda r: all(one.kfd_node is not None for one in _first(r)),
    ),
    "gpu.other_driver": (
        "drivers, other than amdgpu, that hold one of them",
        lambda r: sorted({one.driver for one in _first(r) if one.driver and one.driver != "amdgpu"}),
    ),
    "gpu.atomics": (
        "PCIe atomics reach them; unknown if not said",
        lambda r: _all_known([one.pcie_atomics for one in _first(r)]),
    ),
    "kfd.exists": ("there is /dev/kfd", lambda r: bool(_kfd(r, "exists"))),
    "kfd.usable": ("the user may open it", lambda r: _kfd(r, "usable")),
    "kfd.group": ("its group", lambda r: _kfd(r, "group")),
    "kfd.mode": ("its mode, as 0660", lambda r: _kfd(r, "mode")),
    "user.groups_missing": ("GPU groups that the user is not in", _groups_missing),
    "user.groups_wait": (
        "GPU groups that the next login brings",
        lambda r: sorted({"render", "video"} & set(r.access.groups_at_next_login)),
    ),
    "driver.loaded": ("amdgpu is loaded", lambda r: r.driver.loaded),
    "driver.origin": ("in-tree, dkms or unknown", lambda r: r.driver.origin),
    "driver.kept_out_files": (
        "files of modprobe.d that keep it out",
        lambda r: _kept_out(r, by_kernel=False),
    ),
    "driver.kept_out_boot": (
        "the kernel's command line keeps it out",
        lambda r: bool(_kept_out(r, by_kernel=True)),
    ),
    "driver.options": ("its settings, as cwsr_enable=0", _driver_options),
    "firmware.missing": (
        "firmware that is not there, as navi10_mec",
        lambda r: sorted(f"{one.chip}_{part}" for one in r.firmware for part in one.missing),
    ),
    "rocm.version": ("release of the ROCm found; empty if there is none", _rocm_version),
    "rocm.folder": ("where it lies, if in a folder of its own", lambda r: r.rocm[-1].path if r.rocm else ""),
    "rocm.mixed": ("packages of AMD and of the distribution side by side", lambda r: r.mixed_packages),
    "rocm.distribution_packages": ("ROCm packages of the distribution", lambda r: _names(r, "distribution")),
    "rocm.amd_packages": ("ROCm packages of AMD", lambda r: _names(r, "amd")),
    "rocm.own_packages": ("packages of this project", lambda r: _names(r, "rocm-patch")),
    "rocblas.there": ("there is a rocBLAS", lambda r: any(one.name == "rocblas" for one in r.libraries)),
    "rocblas.kernels": (
        "targets in its folder of kernels; unknown without a rocBLAS",
        lambda r: _kernels(r, "rocblas"),
    ),
    "rocblas.code": (
        "targets inside librocblas.so; unknown until `plan --targets` has read it",
        _rocblas_code,
    ),
    "rocsolver.there": (
        "there is a rocSOLVER",
        lambda r: any(one.name == "rocsolver" for one in r.libraries),
    ),
    "repository.there": (
        "this project's repository is among the manager's sources",
        lambda r: bool(_repositories(r)),
    ),
    "repository.lists": (
        "read, absent (nothing fetched yet) or unread (only the manager can tell); empty without it",
        lambda r: next((one.lists for one in _repositories(r)), ""),
    ),
    "repository.offers": (
        "this project's packages in it",
        lambda r: sorted({name for one in _repositories(r) for name in one.offers}),
    ),
    "repository.setup": ("the line that sets it up; empty if there is none for this manager", _setup),
    "torch.builds": ("PyTorchs, as `2.6.0+rocm6.4 rocm`", _torch),
    "torch.own": (
        "one of them is this project's",
        lambda r: bool(own_torches(r)),
    ),
    "triton.there": ("there is a Triton", lambda r: any("triton" in one.name for one in r.wheels)),
    "updates.noticed": ("the package manager tells rocm-patch of updates", lambda _: False),
    "settings.names": ("variables set that matter", lambda r: sorted(r.environment)),
    "settings.override": (
        "value of HSA_OVERRIDE_GFX_VERSION; empty if not set",
        lambda r: r.environment.get("HSA_OVERRIDE_GFX_VERSION", ""),
    ),
    "settings.override_wrong": ("it names another family than the card's", _override_wrong),
    "settings.override_files": ("files for every login that set it", lambda _: []),
    "settings.visible_files": ("files for every login that set ROCR_VISIBLE_DEVICES", lambda _: []),
    "settings.hipblaslt": (
        "value of TORCH_BLAS_PREFER_HIPBLASLT",
        lambda r: r.environment.get("TORCH_BLAS_PREFER_HIPBLASLT", ""),
    ),
    "settings.buffer_ops": (
        "value of AMDGCN_USE_BUFFER_OPS",
        lambda r: r.environment.get("AMDGCN_USE_BUFFER_OPS", ""),
    ),
}


def _all_known(values: list[bool | None]) -> bool | None:
    if False in values:
        return False
    return None if None in values or not values else True
