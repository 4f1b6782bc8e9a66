"""What an environment really holds: compilers, HIP, each ROCm library's soname, the Pythons.

Read from files where there are files (a sysroot, an installed /opt/rocm), from the
programs' own words where there are none (a container). The answer is a plain dict for
package ids, logs and reports. Knows nothing of how commands get into an environment,
and says nothing of GPU code: that is the audit's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from rocm_patch.errors import SysrootError

#: ROCm's libraries by the name between `lib` and `.so`, in the order of the stack.
LIBRARIES = (
    "hsa-runtime64",
    "amd_comgr",
    "amdhip64",
    "hiprtc",
    "roctx64",
    "rocblas",
    "hipblas",
    "hipblaslt",
    "rocsolver",
    "hipsolver",
    "rocsparse",
    "hipsparse",
    "rocfft",
    "hipfft",
    "rocrand",
    "hiprand",
    "MIOpen",
    "rccl",
)
_HIP = re.compile(r"^#define HIP_VERSION_(MAJOR|MINOR|PATCH) +(\d+)$", re.MULTILINE)
_LLVM = re.compile(r'PACKAGE_VERSION "([^"]+)"')
_PYTHON = re.compile(r'^#define PY_VERSION[ \t]+"([^"]+)"', re.MULTILINE)
_WORDS = re.compile(r"\b(\d+\.\d+(?:\.\d+)*\S*)")


def survey_files(root: Path, rocm: str = "/usr") -> dict[str, Any]:
    """Describe an environment by its files: `root` is its /, `rocm` where ROCm lies in it.

    SysrootError where there is no HIP below `rocm`.
    """
    prefix = root / rocm.lstrip("/")
    return {
        "rocm": rocm,
        "rocm-version": _text(prefix / ".info/version").strip() or None,
        "hip": _hip(prefix),
        "compilers": {"clang": _clang(prefix), "gcc": _gcc(root)},
        "libraries": _libraries(prefix),
        "python": _pythons(root),
    }


def survey_commands(run: Callable[[Sequence[str]], str], rocm: str, llvm_bin: str) -> dict[str, Any]:
    """Describe an environment by what its programs print; `run` gives their output, or "" on failure."""
    told = {
        "hip": [f"{rocm}/bin/hipconfig", "--version"],
        "clang": [f"{llvm_bin}/clang", "--version"],
        "gcc": ["g++", "-dumpfullversion"],
        "python": ["python3", "--version"],
    }
    versions = {name: _first_version(run(argv)) for name, argv in told.items()}
    if versions["hip"] is None:
        raise SysrootError(
            f"there is no HIP in {rocm}", cause="hipconfig gave no version", step="use an image that has ROCm"
        )
    return {
        "rocm": rocm,
        "hip": versions["hip"],
        "compilers": {name: [versions[name]] if versions[name] else [] for name in ("clang", "gcc")},
        "python": [versions["python"]] if versions["python"] else [],
    }


def _first_version(text: str) -> str | None:
    """Give the first word of a program's output that looks like a version."""
    found = _WORDS.search(text)
    return found[1] if found else None


def _text(file: Path) -> str:
    """Give a small file's text, empty where there is none."""
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _hip(prefix: Path) -> str:
    """Give HIP's version from its header."""
    header = prefix / "include/hip/hip_version.h"
    parts = dict(_HIP.findall(_text(header)))
    if len(parts) != 3:  # noqa: PLR2004  the three names in the pattern
        raise SysrootError(
            f"there is no HIP in {prefix}",
            cause=f"{header} is absent or gives no version",
            step="name the folder of an installed ROCm, such as host:/opt/rocm-6.4.3, or use the sysroot",
        )
    return f"{parts['MAJOR']}.{parts['MINOR']}.{parts['PATCH']}"


def _clang(prefix: Path) -> list[str]:
    """Give the versions of the LLVMs that lie with ROCm (AMD: lib/llvm, Debian: lib/llvm-NN)."""
    found: set[str] = set()
    for place in prefix.glob("lib/llvm*"):
        version = _LLVM.search(_text(place / "lib/cmake/llvm/LLVMConfigVersion.cmake"))
        if version and (place / "bin/clang").exists():
            found.add(version[1])
    return sorted(found)


def _gcc(root: Path) -> list[str]:
    """Give the GCCs that can compile C++, by the folders of their own files."""
    return sorted({one.parent.name for one in root.glob("usr/lib*/gcc/*/*/cc1plus")})


def _pythons(root: Path) -> list[str]:
    """Give the Pythons that extensions can be compiled for."""
    headers = sorted(root.glob("usr/include/python3*/patchlevel.h"))
    return [version[1] for version in map(_PYTHON.search, map(_text, headers)) if version]


def _libraries(prefix: Path) -> dict[str, dict[str, str]]:
    """Give soname and file of each ROCm library; absent ones are left out."""
    folders = [prefix / "lib", *sorted(prefix.glob("lib/*-linux-gnu")), prefix / "lib64"]
    found: dict[str, dict[str, str]] = {}
    for name in LIBRARIES:
        for folder in folders:
            files = [one for one in sorted(folder.glob(f"lib{name}.so*")) if not one.is_symlink()]
            if files:
                soname = _soname(files[0])
                found[name] = {"file": files[0].name, "soname": soname}
                break
    return found


def _soname(file: Path) -> str:
    """Read the DT_SONAME of a library; its file name where it has none."""
    try:
        with file.open("rb") as stream:
            dynamic = ELFFile(stream).get_section_by_name(".dynamic")
            tags: Any = dynamic.iter_tags("DT_SONAME") if isinstance(dynamic, DynamicSection) else ()
            return next((str(tag.soname) for tag in tags), file.name)
    except ELFError as error:
        raise SysrootError(
            f"{file} is no shared library",
            cause=str(error) or type(error).__name__,
            step="install ROCm again",
        ) from error
