"""The compiler launcher (ccache, sccache or none) for C++ and for HIP device objects.

CMake takes a launcher for C and C++. hipcc takes none: it starts the clang it finds in
HIP_CLANG_PATH, so it is given a folder whose clang calls the launcher. FindHIP also
runs hipcc twice for each object, once for its dependencies and once to compile; the
hipcc put in its place answers both with one compile. ccache gets -mllvm's word in a form
that it does not mistake.

Knows compilers and launchers; nothing of what is compiled.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rocm_patch.errors import UsageError
from rocm_patch.paths import data_root
from rocm_patch.pipeline.digest import atomic_write
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.sdk import Mount, Sdk

LAUNCHERS = ("ccache", "sccache", "none")
#: Where the folder of tools, and the compiler cache, are seen inside an SDK.
TOOLS_INSIDE = "/tools"
CACHE_INSIDE = "/ccache"
#: Variables by which a user points sccache to its scheduler and storage.
_SCCACHE_PREFIX = "SCCACHE_"


def launcher_name(asked: str | None = None) -> str:
    """Give the launcher: as asked for, else $ROCM_PATCH_LAUNCHER, else ccache. UsageError."""
    name = asked or os.environ.get("ROCM_PATCH_LAUNCHER") or "ccache"
    if name not in LAUNCHERS:
        raise UsageError(f"there is no launcher {name}", step=f"one of: {', '.join(LAUNCHERS)}")
    return name


def tools_mounts(tools: Path, cache: Path) -> list[Mount]:
    """Give the mounts that the launcher needs."""
    return [Mount(tools, TOOLS_INSIDE), Mount(cache, CACHE_INSIDE, write=True)]


def launcher_env(name: str, sdk: Sdk, mounts: Sequence[Mount]) -> dict[str, str]:
    """Give the variables that make CMake and hipcc compile through the launcher.

    ccache names a compiler by its content, so that a cache is good for each machine with
    the same SDK. What the user has set for sccache is passed on.
    """
    seen = {mount.inside: sdk.seen(mount) for mount in mounts}
    tools = seen[TOOLS_INSIDE]
    env = {"HIP_CLANG_PATH": tools}
    if name == "none":
        return env
    env |= {f"CMAKE_{language}_COMPILER_LAUNCHER": name for language in ("C", "CXX")}
    if name == "ccache":
        env |= {
            "CCACHE_DIR": seen[CACHE_INSIDE],
            "CCACHE_COMPILERCHECK": "content",
            "CCACHE_NOHASHDIR": "1",
            "CCACHE_MAXSIZE": os.environ.get("CCACHE_MAXSIZE", "20G"),
            "CCACHE_SLOPPINESS": "pch_defines,time_macros,include_file_mtime,include_file_ctime",
        }
    else:
        env |= {"SCCACHE_DIR": seen[CACHE_INSIDE]}
        env |= {key: value for key, value in os.environ.items() if key.startswith(_SCCACHE_PREFIX)}
    return env


def write_tools(
    run: StepRun,
    sdk: Sdk,
    folder: Path,
    *,
    launcher: str,
    cmake_cache: Mapping[str, str],
    precompile: Mapping[str, tuple[str, Sequence[str]]] | None = None,
) -> None:
    """Make the folder of tools: clang through the launcher, all else of LLVM linked, our hipcc in bin/.

    launcher.cmake there (for CMAKE_PROJECT_TOP_LEVEL_INCLUDES) makes FindHIP take our hipcc
    and sets `cmake_cache`. `precompile` names, for a CMake target, the header in build/precompile/
    that its C++ sources share, and regular expressions of sources that do not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mount = Mount(folder, TOOLS_INSIDE, write=True)
    seen = sdk.seen(mount)
    link = ["ln", "--symbolic", "--force", f"--target-directory={seen}"]
    argv = ["find", sdk.llvm_bin, "-mindepth", "1", "-maxdepth", "1", "-exec", *link, "{}", "+"]
    run.call(sdk.command(argv, mounts=[mount], env={}, cwd="/"))
    values = {"@LLVM@": sdk.llvm_bin, "@HIPCC@": shlex.quote(f"{sdk.rocm_path}/bin/hipcc"), "@TOOLS@": seen}
    values["@LAUNCHER@"] = "" if launcher == "none" else launcher
    for name in ("clang", "clang++"):
        _script(folder / name, "clang", {**values, "@NAME@": name})
    _script(folder / "bin" / "hipcc", "hipcc", values)
    if launcher == "ccache":
        _script(folder / "bin" / "ccache", "ccache", {})
    _script(folder / "hipcc.cmake", "hipcc.cmake", values)
    lines = [f'include("{seen}/hipcc.cmake")\n']
    lines += [f'set({name} "{value}" CACHE STRING "" FORCE)\n' for name, value in cmake_cache.items()]
    if precompile:
        lines += _precompile_lines(folder, seen, precompile)
    atomic_write(folder / "launcher.cmake", "".join(lines).encode())


def _precompile_lines(
    folder: Path, seen: str, precompile: Mapping[str, tuple[str, Sequence[str]]]
) -> list[str]:
    """Copy the headers into the tools, where they have the same path on every machine."""
    for path in precompile_files():
        copy, content = folder / "precompile" / path.name, path.read_bytes()
        # A new time would compile the header again, and then all that include it.
        if not copy.is_file() or copy.read_bytes() != content:
            atomic_write(copy, content)
    lines = [f'include("{seen}/precompile/precompile.cmake")\n']
    for target, (header, without) in precompile.items():
        # Bracket arguments: a regular expression's backslashes are CMake's business only once.
        words = " ".join(f"[=[{word}]=]" for word in (f"{seen}/precompile/{header}", *without))
        call = f"rocm_patch_precompile {target} {words}"
        lines.append(f'cmake_language(DEFER DIRECTORY "${{CMAKE_SOURCE_DIR}}" CALL {call})\n')
    return lines


def _script(path: Path, template: str, values: Mapping[str, str]) -> None:
    """Write a program from build/launchers/; a link in its place is replaced, never followed."""
    text = (data_root() / "build" / "launchers" / template).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(name, value)
    atomic_write(path, text.encode())
    path.chmod(0o755)


def launcher_files() -> tuple[Path, ...]:
    """Give the templates, as inputs of what is compiled through them."""
    return tuple(sorted((data_root() / "build" / "launchers").iterdir()))


def precompile_files() -> tuple[Path, ...]:
    """Give the headers that may be precompiled and the CMake function that does it."""
    return tuple(sorted((data_root() / "build" / "precompile").iterdir()))
