"""ROCm folders, GPU libraries, folders of kernels and Python wheels.

Knows file names and version files; what code a library holds is read elsewhere
(rocm_patch.detect.code).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rocm_patch.detect.model import Build, KernelFolder, Library, Rocm, Wheel
from rocm_patch.detect.tree import Tree

_LIBRARY = re.compile(
    r"lib(rocblas|hipblas|hipblaslt|MIOpen|rocsparse|hipsparse|hipsparselt|rocfft|hipfft|rocrand|hiprand|rocsolver|"
    r"hipsolver|rccl|amdhip64|hsa-runtime64|amd_comgr|hiprtc|rocm_smi64|amd_smi|torch_hip|torch_cuda|"
    r"composable_kernel|rocm-core|c10_hip|aotriton_v2)(?:-[0-9a-f]{8})?\.so(?:\.([0-9][0-9.]*))?"
)
_SYSTEM_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib")
_KERNEL_LIBRARIES = ("rocblas", "hipblaslt")
_PYTHON = r"python3(\.[0-9]{1,3})?"
_SITES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/opt/conda/lib", "/opt/venv/lib")
_USER_SITES = (".local/lib", "venv/lib", ".venv/lib", "miniconda3/lib", "miniforge3/lib", "anaconda3/lib")
_WHEEL = re.compile(
    r"(torch|torchvision|torchaudio|triton|triton[-_]rocm|pytorch[-_]triton(?:[-_]rocm)?|rocm|rocm[-_]sdk[-_a-z0-9]*|"
    r"flash[-_]attn|xformers|bitsandbytes|jax[-_]rocm[0-9]+[-_a-z]*|tensorflow[-_]rocm|onnxruntime[-_]rocm|"
    r"nvidia[-_]cublas[-_]cu[0-9]+)-([0-9][^-/]*)\.dist-info"
)
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+~_-]{0,80}")
_GFX = re.compile(r"gfx[0-9a-f]{3,4}(?![0-9a-f])")
_HOMES_LIMIT = 50
_LABELS: tuple[tuple[str, Build], ...] = (("rocm", "rocm"), ("cu", "cuda"), ("cpu", "cpu"), ("xpu", "xpu"))


def parse_version(text: str) -> str | None:
    """Read a version file: the first word of its first line, if it looks like a version."""
    words = text.split()
    return words[0] if words and _VERSION.fullmatch(words[0]) else None


def find_rocm(tree: Tree) -> list[Rocm]:
    """Give each /opt/rocm* once, links followed, and the versioned parts below /opt/rocm (7.13 and later)."""
    found: dict[str, Rocm] = {}
    for name in tree.names("/opt", r"rocm[-0-9.a-z]*"):
        real = tree.resolve(f"/opt/{name}")
        if real is None:
            continue
        nested = [f"{real}/{core}" for core in tree.names(real, r"core(-[0-9.]+)?")]
        for path in [real, *(core for core in map(tree.resolve, nested) if core)]:
            version = _rocm_version(tree, path)
            if path not in found and (
                version or (path == real and tree.names(f"{path}/lib", r"lib.*\.so.*"))
            ):
                found[path] = Rocm(path=path, version=version)
    return sorted(found.values(), key=lambda one: one.path)


def _rocm_version(tree: Tree, path: str) -> str | None:
    for name in ("version", "version-rocm", "version-dev", "version-hip-libraries", "version-utils"):
        version = parse_version(tree.text(f"{path}/.info/{name}", 4096) or "")
        if version:
            return version
    return None


def library_folders(tree: Tree, rocm: Iterable[Rocm], wheels: Iterable[Wheel]) -> list[str]:
    """Give the folders that may hold GPU libraries, each once, links followed."""
    folders = [f"{one.path}/{lib}" for one in rocm for lib in ("lib", "lib64")]
    folders += [*_SYSTEM_FOLDERS, *(f"{one.folder}/torch/lib" for one in wheels if one.name == "torch")]
    folders += [f"{one.folder}/_rocm_sdk_core/lib" for one in wheels if one.name.startswith("rocm")]
    return list(dict.fromkeys(real for real in map(tree.resolve, folders) if real))


def find_libraries(tree: Tree, folders: Iterable[str]) -> list[Library]:
    """Give each library file once, whatever number of links lead to it."""
    found: dict[str, Library] = {}
    for folder in folders:
        for name in tree.names(folder, _LIBRARY.pattern):
            real = tree.resolve(f"{folder}/{name}")
            status = None if real is None else tree.status(real)
            if real is None or status is None or real in found:
                continue
            tree.exists(real)
            match = _LIBRARY.fullmatch(real.rsplit("/", 1)[-1])
            version = match[2] if match else None
            label = match[1] if match else name
            found[real] = Library(name=label, path=real, version=version, size=status.st_size)
    return sorted(found.values(), key=lambda one: (one.name, one.path))


def find_kernel_folders(tree: Tree, folders: Iterable[str]) -> list[KernelFolder]:
    """Give the folders of kernel files beside libraries, with the processors that their names hold."""
    found: dict[str, KernelFolder] = {}
    for folder in folders:
        below = [name for name in _KERNEL_LIBRARIES if tree.exists(f"{folder}/{name}")]
        # Debian puts the library's version between.
        below += [f"{name}/{v}" for name in below for v in tree.names(f"{folder}/{name}", r"[0-9][0-9.]*")]
        for place in below:
            real = tree.resolve(f"{folder}/{place}/library")
            if real is None or real in found:
                continue
            names = tree.names(real, r"[^\n]*gfx[^\n]*")
            for name in _one_of_each(names):
                tree.exists(f"{real}/{name}")
            processors = {gfx for name in names for gfx in _GFX.findall(name)}
            found[real] = KernelFolder(path=real, kernels_for=sorted(processors, key=lambda g: (len(g), g)))
    return list(found.values())


def _one_of_each(names: list[str]) -> list[str]:
    """Choose one file of each processor: what a saved fixture needs of thousands."""
    return list({_GFX.findall(name)[0]: name for name in names if _GFX.search(name)}.values())


def find_wheels(tree: Tree, sites: Iterable[str], environment: Mapping[str, str]) -> list[Wheel]:
    """Give GPU-related Python distributions of the given and the usual site-packages."""
    found: dict[tuple[str, str], Wheel] = {}
    for folder in _site_folders(tree, sites, environment):
        for name in tree.names(folder, _WHEEL.pattern):
            match = _WHEEL.fullmatch(name)
            if match is None:
                continue
            tree.exists(f"{folder}/{name}/METADATA")
            wheel = Wheel(name=match[1].replace("_", "-"), version=match[2], folder=folder)
            if wheel.name == "torch":
                parse_torch_version(tree.text(f"{folder}/torch/version.py") or "", wheel)
            else:
                wheel.build = _build_of(wheel)
            found[folder, name] = wheel
    return list(found.values())


def parse_torch_version(text: str, wheel: Wheel) -> None:
    """Read torch/version.py into `wheel`: the version with its label, and the HIP or CUDA of its build."""
    values = dict(
        re.findall(
            r"(?m)^(__version__|hip|cuda|xpu)(?::[^=\n]*)?[ \t]*=[ \t]*['\"]([^'\"\n]{1,80})['\"]", text
        )
    )
    wheel.version = values.get("__version__", wheel.version)
    wheel.hip, wheel.cuda = values.get("hip"), values.get("cuda")
    if wheel.hip:
        wheel.build = "rocm"
    elif wheel.cuda:
        wheel.build = "cuda"
    else:
        wheel.build = _build_of(wheel)
        if wheel.build == "unknown" and re.search(r"(?m)^hip\b[^=\n]*= *None", text):
            wheel.build = "xpu" if values.get("xpu") else "cpu"


def _build_of(wheel: Wheel) -> Build:
    label = wheel.version.partition("+")[2]
    for start, build in _LABELS:
        if label.startswith(start):
            return build
    if "rocm" in wheel.name:
        return "rocm"
    return "cuda" if wheel.name.startswith("nvidia") else "unknown"


def _site_folders(tree: Tree, sites: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    bases = list(_SITES)
    bases += [f"{environment[name]}/lib" for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if environment.get(name)]
    homes = ["/root", *(f"/home/{name}" for name in tree.names("/home")[:_HOMES_LIMIT])]
    for home in homes:
        # Asked of the home first: a home of others that may not be read is one note, not six.
        there = set(tree.names(home, "|".join(re.escape(site.partition("/")[0]) for site in _USER_SITES)))
        bases += [f"{home}/{site}" for site in _USER_SITES if site.partition("/")[0] in there]
    folders = list(sites)
    for base in bases:
        for python in tree.names(base, _PYTHON):
            folders += [f"{base}/{python}/{kind}" for kind in ("site-packages", "dist-packages")]
    return list(dict.fromkeys(real for real in map(tree.resolve, folders) if real))
