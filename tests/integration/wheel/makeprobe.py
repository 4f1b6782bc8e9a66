"""Compile the probe wheel in the sysroot, as setup.py would leave it: with build paths and debug data."""

from __future__ import annotations

from pathlib import Path

from rocm_patch.pipeline.sdk import Mount
from rocm_patch.wheel.archive import pack_wheel
from rocm_patch.wheel.deps import INSIDE, link_flags
from rocm_patch.wheel.inside import Inside

HERE = Path(__file__).with_name("probe")
GCC = "--gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/13"
#: What libtorch_cpu and libtorch_hip need, by their link lines.
CPU = ["tensorpipe", "onnx_proto", "onnx", "protobuf", "sleef", "uv", "cpuinfo", "cpp-httplib"]
ROCM = [
    "MIOpen",
    "hiprtc",
    "hipblas",
    "hipfft",
    "hiprand",
    "hipsparse",
    "hipsolver",
    "rocrand",
    "roctx64",
    "amdhip64",
]
TAG = "cp313-cp313-linux_x86_64"
METADATA = (
    "Metadata-Version: 2.1\nName: probe\nVersion: 1.0+rocm6.4.gfx1010\nRequires-Python: >=3.13\n\nA probe.\n"
)


def make_probe(
    inside: Inside, deps: Path, folder: Path, *, more: tuple[str, ...] = (), floor: bool = True
) -> Path:
    """Give the raw wheel; `more` are further libraries that the GPU library is linked with."""
    work = Mount(folder, "/w", write=True)
    mounts = [work, Mount(deps, INSIDE), Mount(HERE, "/probe")]
    llvm = inside.sdk.llvm_bin
    package = folder / "tree" / "probe"
    (package / "lib").mkdir(parents=True)
    common = ["-O1", "-g", "-fPIC", "-shared", GCC, "-fclang-abi-compat=17"]
    link = [*(link_flags(INSIDE).split() if floor else ()), "-Wl,--no-as-needed"]
    out = "/w/tree/probe"

    def compile_(source: str, target: str, *words: str) -> None:
        inside.run(
            [f"{llvm}/clang++", *common, f"/probe/{source}", "-o", f"{out}/{target}", *words, *link],
            mounts=mounts,
        )

    blas = f"{INSIDE}/lib/libopenblas-static.a" if floor else "-lopenblas"
    libs = [f"{INSIDE}/lib/libgloo.a", "-luv", blas, "-fopenmp=libomp", *(f"-l{name}" for name in CPU)]
    compile_("cpu.cpp", "lib/libprobe_cpu.so", "-std=c++17", "-DFMT_HEADER_ONLY", *libs)
    hip = ["-x", "hip", "--offload-arch=gfx1010", "--rocm-path=/usr"]
    hip += [f"--rocm-device-lib-path={Path(llvm).parent}/lib/clang/21/amdgcn/bitcode"]
    rocm = [f"-l{name}" for name in (*ROCM, *more)]
    inside.run(
        [
            f"{llvm}/clang++",
            *common,
            *hip,
            "/probe/gpu.hip",
            "-o",
            f"{out}/lib/libprobe_hip.so",
            *rocm,
            *link,
        ],
        mounts=mounts,
    )
    module = "_C.cpython-313-x86_64-linux-gnu.so"
    compile_(
        "module.cpp", module, "-I/usr/include/python3.13", f"-L{out}/lib", "-lprobe_cpu", "-lprobe_hip",
        "-Wl,-rpath,$ORIGIN/lib",
    )  # fmt: skip
    inside.run(["patchelf", "--set-rpath", "$ORIGIN", f"{out}/lib/libprobe_cpu.so"], mounts=mounts)
    (package / "__init__.py").write_text("from probe._C import all as everything\n", encoding="utf-8")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "__init__.cpython-313.pyc").write_bytes(b"litter")
    info = folder / "tree" / "probe-1.0+rocm6.4.gfx1010.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA, encoding="utf-8")
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {TAG}\n")
    raw = folder / f"probe-1.0+rocm6.4.gfx1010-{TAG}.whl"
    pack_wheel(folder / "tree", raw, epoch=1738108800)
    return raw
