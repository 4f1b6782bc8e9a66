"""MIOpen's series on the kernel sources inside the sysroot's libMIOpen 6.4.3, by the sysroot's own clang.

What a card would be handed at run time is compiled here for gfx1010. The host's part of the series
has no source here; tests/unit/patches shows what its lines do.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.integration.isa.conftest import build
from tests.integration.miopen.embedded import CONFIG, FILES, HEADER, write_tree
from tests.integration.miopen.reduction import KINDS, write_reduction

from rocm_patch.isa.library import NAME, Library
from rocm_patch.isa.report import kernels
from rocm_patch.series import Patch, load_series
from rocm_patch.sysroot import Bind, Sysroot

pytestmark = [pytest.mark.sysroot]

VERSION = "6.4.3"
LIBRARY = "usr/lib/x86_64-linux-gnu/libMIOpen.so.1.0"
CLANG = "/usr/lib/llvm-21/bin/clang"
#: What MIOpen's solvers define for a training BatchNorm in fp32 on a card that is no RDNA2 or later.
DEFINES = {
    "MIOPEN_USE_FP16": 0, "MIOPEN_USE_FP32": 1, "MIOPEN_USE_FPMIX": 0, "MIOPEN_USE_BFPMIX": 0,
    "MIO_SAVE_MEAN_VARIANCE": 1, "MIO_RUNNING_RESULT": 1, "MIO_BN_USESAVED": 1, "MIO_BN_NODPP": 0,
    "MIO_BN_VARIANT": 0, "MIO_BN_LDS_SIZE": 256, "MIO_BN_LDSGCN_SIZE": 4, "MIO_BN_GRP0": 256,
    "MIO_BN_GRP1": 1,
    "MIO_BN_GRP2": 1, "MIO_BN_NGRPS": 1, "MIO_BN_N": 32, "MIO_BN_C": 64, "MIO_BN_HW": 196, "MIO_BN_NHW": 6272,
    "MIO_BN_CHW": 12544, "MIO_BN_NCHW": 401408, "MIO_BN_CBA_WRITE_INTERMEDIATE": 0, "MIOPEN_YES_ACTIV": 1,
    "MIOPEN_NRN_OP_ID": 3, "MIO_LAYOUT_NHWC": 0,
    "MIO_BN_GFX103X": 0, "MIO_BN_GFX110X": 0, "MIO_BN_GFX120X": 0,
}  # fmt: skip
#: What it defines for a sum in fp32 over one of two dimensions, on a gfx10.
REDUCTION = {
    "CK_USE_AMD_BUFFER_ATOMIC_FADD": 0, "CK_BLOCK_SYNC_LDS_WITHOUT_SYNC_VMEM": 1,
    "CK_USE_AMD_BUFFER_ADDRESSING": 0, "CK_PARAM_SRC_DATATYPE": 1, "CK_PARAM_DST_DATATYPE": 1,
    "CK_PARAM_REDUCE_COMPTYPE": 1, "CK_PARAM_BLOCKSIZE": 256, "CK_PARAM_THREAD_BUFFER_LENGTH": 8,
    "CK_PARAM_ACCESSES_PER_THREAD_INBLOCK": 2, "CK_PARAM_ACCESSES_PER_THREAD_INWARP": 2,
    "CK_PARAM_NUM_TOREDUCE_DIMS": 1, "CK_PARAM_REDUCE_OP": 0, "CK_PARAM_NAN_PROPAGATE": 0,
    "CK_PARAM_REDUCE_INDICES": 0, "CK_PARAM_IN_DIMS": 2, "CK_PARAM_OUT_DIMS": 1,
    "CK_PARAM_SRC2D_PADDING": 0, "CK_PARAM_DST1D_PADDING": 0, "MIOPEN_USE_FP32": 0, "MIOPEN_USE_FP16": 0,
}  # fmt: skip
#: The other forms of each kernel; that of several passes has no activation in it.
VARIANTS = [(name, variant) for name in FILES for variant in (1, 2, 3) if variant != 2 or "Activ" not in name]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Give the decoder with the hardware's rules."""
    return Library(build(tmp_path_factory.mktemp("isa"), targets=("vgpu-isa",)) / NAME)


@pytest.fixture(scope="session")
def plain(sysroot: Sysroot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("miopen") / "plain"
    write_tree(sysroot.path / LIBRARY, tree)
    return tree


@pytest.fixture(scope="session")
def patched(plain: Path) -> Path:
    """The two patches of kernels, applied at exactly the stated lines."""
    tree = plain.with_name("patched")
    shutil.copytree(plain, tree)
    for patch in load_series("miopen", VERSION).patches[:2]:
        assert apply(patch, tree) == []
    return tree


def apply(patch: Patch, tree: Path) -> list[str]:
    """Apply a patch without fuzz; give what GNU patch says of hunks that stand elsewhere."""
    done = subprocess.run(
        ["patch", "-p1", "-F0", "--no-backup-if-mismatch"],
        cwd=tree, input=patch.data, capture_output=True, check=False,
    )  # fmt: skip
    said = done.stdout.decode()
    assert done.returncode == 0, said
    return [line for line in said.splitlines() if "offset" in line or "fuzz" in line]


def compile_kernel(sysroot: Sysroot, tree: Path, name: str, gfx: str, work: Path, *, variant: int = 0) -> str:
    """Compile a kernel to machine code as MIOpen does; gives the errors, nothing where it went well."""
    defines = [f"-D{key}={value}" for key, value in {**DEFINES, "MIO_BN_VARIANT": variant}.items()]
    argv = [CLANG, "-x", "cl", "-cl-std=CL2.0", "-target", "amdgcn-amd-amdhsa", f"-mcpu={gfx}", "-nogpulib"]
    argv += ["-O3", "-Wno-everything", *defines, "-c", f"/src/kernels/{name}", "-o", "/w/kernel.o"]
    return run(sysroot, argv, [Bind(tree / "src", "/src", "ro"), Bind(work, "/w")])


def run(sysroot: Sysroot, argv: list[str], binds: list[Bind]) -> str:
    """Run a compiler in the sysroot; gives its errors."""
    done = subprocess.run(sysroot.command(argv, binds=binds), capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == ("error:" not in done.stderr), done.stderr[-2000:]
    return "\n".join(line for line in done.stderr.splitlines() if "error:" in line)


@pytest.mark.parametrize("name", FILES)
def test_batchnorm_kernels_compile(
    sysroot: Sysroot, plain: Path, patched: Path, *, library: Library, tmp_path: Path, name: str
) -> None:
    """Each kernel that reduces across lanes: upstream's stops at row_bcast, the patched one compiles.

    What comes out keeps the rules of the hardware.
    """
    assert "not a valid operand" in compile_kernel(sysroot, plain, name, "gfx1010", tmp_path)
    assert compile_kernel(sysroot, patched, name, "gfx1010", tmp_path) == ""
    made = list(kernels(tmp_path / "kernel.o", library))
    assert made
    assert all(one.name.startswith("MIOpenBatchNorm") for one in made)
    assert [finding for one in made for finding in one.report.findings] == []


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_the_other_variants_compile(
    sysroot: Sysroot, patched: Path, *, library: Library, tmp_path: Path, name: str, variant: int
) -> None:
    """MIOpen chooses by shape; the variant of several passes is made of kernels of its own."""
    assert compile_kernel(sysroot, patched, name, "gfx1010", tmp_path, variant=variant) == ""
    made = list(kernels(tmp_path / "kernel.o", library))
    assert made
    assert [finding for one in made for finding in one.report.findings] == []


@pytest.mark.parametrize("kind", KINDS)
def test_reduction_kernels_compile(
    sysroot: Sysroot, patched: Path, library: Library, tmp_path: Path, kind: str
) -> None:
    """The first pass of each kind: upstream's stops for want of a GPU's name, with the patch it compiles."""
    work = tmp_path / "kernel"
    write_reduction(sysroot.path / LIBRARY, work, kind)
    llvm = Path(CLANG).parent.parent
    argv = [
        f"{CLANG}++",
        "-x",
        "hip",
        "--offload-arch=gfx1010",
        "--cuda-device-only",
        "-std=c++17",
        "-O3",
        "-w",
    ]
    argv += [f"--rocm-device-lib-path={llvm}/lib/clang/21/amdgcn/bitcode", "--rocm-path=/usr"]
    argv += ["--gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/13", "-I/w"]
    argv += [f"-D{key}={value}" for key, value in REDUCTION.items()]
    argv += ["-c", "/w/kernel.cpp", "-o", "/w/kernel.o"]
    assert "Need to define (only) one GPU target" in run(sysroot, argv, [Bind(work, "/w")])
    shutil.copyfile(patched / CONFIG, work / "config.hpp")
    assert run(sysroot, argv, [Bind(work, "/w")]) == ""
    made = {one.name: one.report.findings for one in kernels(work / "kernel.o", library)}
    assert made == {"gridwise_generic_reduce_1": (), "gridwise_generic_reduce_1_prepare": ()}


def test_other_families_are_compiled_as_before(sysroot: Sysroot, plain: Path, patched: Path) -> None:
    name = "MIOpenBatchNormBwdSpatial.cl"
    for gfx in ("gfx906", "gfx1030"):
        before, after = (macros(sysroot, tree, f"kernels/{name}", gfx) for tree in (plain, patched))
        assert before["MIOPEN_USE_AMDGCN"] == after["MIOPEN_USE_AMDGCN"] == "1", gfx


@pytest.mark.parametrize("gfx", ["gfx1010", "gfx1011", "gfx1012"])
def test_the_header_alone_leaves_dpp_off(sysroot: Sysroot, plain: Path, patched: Path, gfx: str) -> None:
    """For kernels that do not decide by themselves."""
    assert macros(sysroot, plain, f"kernels/{HEADER}", gfx)["MIOPEN_USE_AMDGCN"] == "1"
    assert macros(sysroot, patched, f"kernels/{HEADER}", gfx)["MIOPEN_USE_AMDGCN"] == "0"


def test_configuration_of_each_card(sysroot: Sysroot, plain: Path, patched: Path) -> None:
    config = CONFIG.removeprefix("src/")
    with pytest.raises(AssertionError, match="Need to define"):
        macros(sysroot, plain, config, "gfx1010")
    found = macros(sysroot, patched, config, "gfx1010")
    assert found["CK_BUFFER_RESOURCE_3RD_DWORD"] == "0x31014000"
    assert "CK_USE_AMD_V_FMAC_F32" in found
    assert (
        not {"CK_USE_AMD_V_DOT2_F32_F16", "CK_USE_AMD_V_DOT4_I32_I8", "CK_USE_AMD_V_MAC_F32"} & found.keys()
    )
    # A card that the host names is configured as it was.
    named = ("-DCK_AMD_GPU_GFX1030",)
    other = [macros(sysroot, tree, config, "gfx1030", *named) for tree in (plain, patched)]
    assert other[0] == other[1]
    with pytest.raises(AssertionError, match="Need to define"):
        macros(sysroot, patched, config, "gfx1030")


def macros(sysroot: Sysroot, tree: Path, name: str, gfx: str, *more: str) -> dict[str, str]:
    """Preprocess a file for a card; gives the macros that stand at its end."""
    argv = [CLANG, "-x", "cl", "-cl-std=CL2.0", "-target", "amdgcn-amd-amdhsa", f"-mcpu={gfx}", "-nogpulib"]
    argv += ["-E", "-dM", "-DMIOPEN_DONT_USE_HIP_RUNTIME_HEADERS", "-DMIOPEN_USE_FP32=1", *more]
    stubs = 'for f in bfloat16_dev.hpp miopen_cstdint.hpp; do : > /tmp/$f; done; exec "$@" -I/tmp'
    command = sysroot.command(
        ["sh", "-c", stubs, "sh", *argv, f"/src/{name}"], binds=[Bind(tree / "src", "/src", "ro")]
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(re.findall(r"^#define (\w+)(?: (.*))?$", done.stdout, re.MULTILINE))
