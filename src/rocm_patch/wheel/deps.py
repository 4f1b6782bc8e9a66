"""What the build links with in place of the SDK's own: stubs, gloo without MPI, OpenBLAS's archive.

Made once before configuring, into one folder that programs see as /deps. Only linking
changes: headers stay the SDK's. Knows the SDK's places of these libraries; knows nothing
of PyTorch, whose build.yml names the CMake variables that lead here.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from rocm_patch.errors import BuildError
from rocm_patch.paths import data_root
from rocm_patch.pipeline.sdk import Mount
from rocm_patch.sources import unpack
from rocm_patch.wheel import floor, stubs
from rocm_patch.wheel.inside import Inside
from rocm_patch.wheel.table import Table

#: Where programs of the SDK see the folder.
INSIDE = "/deps"
#: Below the SDK's root.
OPENBLAS = "usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.a"
NONSHARED = "/usr/lib/x86_64-linux-gnu/libc_nonshared.a"
_GLOO_OFF = ("USE_MPI", "USE_IBVERBS", "USE_REDIS", "USE_CUDA", "USE_ROCM", "USE_NCCL", "USE_RCCL")


def data_files() -> tuple[Path, ...]:
    """Give the project's files that shape the folder, as inputs of the step that makes it."""
    return (data_root() / "build" / "compat" / "fortran.c", *floor.data_files())


def link_flags(seen: str) -> str:
    """Give LDFLAGS: the stubs come first; what a needed library needs itself is not judged here.

    OpenBLAS and its helpers are hidden, so that no other copy in the process is mixed up with it.
    """
    return f"-L{seen}/floor -Wl,--allow-shlib-undefined -Wl,--exclude-libs,libopenblas.a:libcompat.a"


def make_stubs(
    inside: Inside, folder: Path, table: Table, *, flags: str = ""
) -> Mapping[str, tuple[str, ...]]:
    """Make the stub libraries in `folder`/floor, and what defines anew what no stub has in lib/.

    Gives the names above the floor for each; `flags` are CXXFLAGS. BuildError where a library is
    absent from the SDK.
    """
    mount = Mount(folder, INSIDE, write=True)
    place = folder / "floor"
    place.mkdir(parents=True)
    seen = f"{inside.sdk.seen(mount)}/floor"
    above: dict[str, tuple[str, ...]] = {}
    inside.bring(f"/{stubs.FOLDER}/{name}" for name in stubs.LIBRARIES)
    for name in stubs.LIBRARIES:
        library = inside.root / stubs.FOLDER / name
        if not library.exists():
            raise BuildError(
                f"the SDK has no {name}",
                cause=f"{library} is missing",
                step="make the SDK whole; it has to be a Debian or Ubuntu system",
            )
        stub = stubs.stub_of(library, table)
        (place / f"{name}.s").write_text(stub.source, encoding="utf-8")
        (place / f"{name}.map").write_text(stub.script, encoding="utf-8")
        inside.run(stubs.link_command(f"{inside.sdk.llvm_bin}/clang", name, seen), mounts=[mount])
        above[name] = stub.above
        (place / f"{name}.s").unlink()
        (place / f"{name}.map").unlink()
    archive = f"{inside.sdk.seen(mount)}/lib/{floor.ARCHIVE}"
    for name, text in stubs.linker_scripts(seen, NONSHARED, archive).items():
        (place / name).write_text(text, encoding="utf-8")
    floor.make(inside, folder, mount, stubs=seen, flags=flags)
    return above


def make_openblas(inside: Inside, folder: Path) -> None:
    """Make lib/libopenblas-static.a: a linker script over the SDK's archive and our two functions."""
    mount = Mount(folder, INSIDE, write=True)
    lib = folder / "lib"
    lib.mkdir(parents=True, exist_ok=True)
    seen = f"{inside.sdk.seen(mount)}/lib"
    shutil.copyfile(data_root() / "build" / "compat" / "fortran.c", lib / "fortran.c")
    llvm = inside.sdk.llvm_bin
    flags = ["-O2", "-fPIC", "-fvisibility=hidden"]
    made = ["-c", f"{seen}/fortran.c", "-o", f"{seen}/fortran.o"]
    inside.run([f"{llvm}/clang", *flags, *made], mounts=[mount])
    inside.run([f"{llvm}/llvm-ar", "rcsD", f"{seen}/libcompat.a", f"{seen}/fortran.o"], mounts=[mount])
    # libm too: CMake tries LAPACK with this one file.
    script = f"GROUP ( /{OPENBLAS} {seen}/libcompat.a -lm )\n"
    (lib / "libopenblas-static.a").write_text(script, encoding="utf-8")
    for name in ("fortran.c", "fortran.o"):
        (lib / name).unlink()


def make_gloo(
    inside: Inside,
    folder: Path,
    source: Path,
    *,
    flags: str,
    mounts: list[Mount],
    env: Mapping[str, str],
    jobs: int,
) -> None:
    """Compile lib/libgloo.a from its source archive: TCP and libuv, nothing else; `flags` are CXXFLAGS.

    The SDK's libgloo is of the same source and its headers are used; its config.h says that it
    also has MPI, ibverbs, Redis and ROCm, but no class of gloo changes with these.
    """
    work = Mount(folder / "gloo", "/gloo", write=True)
    unpack(source, folder / "gloo" / "src")
    top = next(path for path in (folder / "gloo" / "src").iterdir() if path.is_dir())
    seen = inside.sdk.seen(work)
    llvm = inside.sdk.llvm_bin
    define = {
        "CMAKE_BUILD_TYPE": "Release", "CMAKE_CXX_COMPILER": f"{llvm}/clang++",
        "CMAKE_C_COMPILER": f"{llvm}/clang", "CMAKE_POSITION_INDEPENDENT_CODE": "ON",
        "CMAKE_CXX_FLAGS": f"{flags} -ffile-prefix-map={seen}/src/{top.name}/=gloo/",
        "USE_LIBUV": "ON", "BUILD_SHARED_LIBS": "OFF", "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
        **dict.fromkeys(_GLOO_OFF, "OFF"),
    }  # fmt: skip
    words = [f"-D{name}={value}" for name, value in define.items()]
    everything = [work, *mounts]
    configure = ["cmake", "-G", "Ninja", "-S", f"{seen}/src/{top.name}", "-B", f"{seen}/build", *words]
    inside.run(configure, mounts=everything, env=env)
    inside.run(["ninja", "-C", f"{seen}/build", f"-j{jobs}", "gloo"], mounts=everything, env=env)
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "gloo" / "build" / "gloo" / "libgloo.a", folder / "lib" / "libgloo.a")
    shutil.copyfile(top / "LICENSE", folder / "lib" / "gloo.LICENSE")
    shutil.rmtree(folder / "gloo")
