"""rocBLAS's pipeline from archive to product, in the real sysroot, on a library of two kernels in its place.

rocBLAS itself takes an hour of CPU. What is tried here is each step between its source and what packaging
gets: series, configure and its checks, compile, install, audit with the hardware's rules, product, archive.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
from tests.integration.rocblas.small import Mirror, built_already

from rocm_patch.components.packing import open_product
from rocm_patch.components.rocblas import RocBlas
from rocm_patch.errors import AuditError, ConfigureError
from rocm_patch.packaging import load_product
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.model import Request
from rocm_patch.sysroot import Sysroot

pytestmark = [pytest.mark.sysroot]

CMAKE = """
cmake_minimum_required(VERSION 3.20)
project(rocblas CXX)
option(BUILD_WITH_TENSILE "as rocBLAS has it" ON)
option(BUILD_WITH_HIPBLASLT "as rocBLAS has it" ON)
find_package(hip REQUIRED CONFIG)
add_library(rocblas SHARED scal.cpp)
set_target_properties(rocblas PROPERTIES VERSION 4.4.1 SOVERSION 4)
target_compile_options(rocblas PRIVATE -x hip --offload-arch=@ARCH@)
target_link_options(rocblas PRIVATE --offload-arch=@ARCH@)
install(TARGETS rocblas LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
"""
KERNELS = """
#include <hip/hip_runtime.h>
__global__ void scal(float* x, float a, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if(i < n)
        x[i] *= a;
}
__global__ void axpy(const float* x, float* y, float a, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if(i < n)
        y[i] += a * x[i];
}
extern "C" void run(float* x, float* y, int n)
{
    scal<<<n / 64, 64>>>(x, 2.0f, n);
    axpy<<<n / 64, 64>>>(x, y, 2.0f, n);
}
"""


def pipeline(
    work: Path, monkeypatch: pytest.MonkeyPatch, sysroot: Sysroot, arch: str, more: str = ""
) -> Pipeline:
    """Give the pipeline over a copy of the project's data whose rocBLAS is the small one."""
    mirror = Mirror(work, monkeypatch, sysroot)
    files = {
        "CMakeLists.txt": CMAKE.replace("@ARCH@", arch) + more,
        "scal.cpp": KERNELS,
        "LICENSE.md": "licence\n",
    }
    mirror.rocblas(files)
    request = Request(
        component="rocblas", version="6.4.4", flavour="without-tensile", launcher="none", jobs=2
    )
    return Pipeline(RocBlas(), request)


def test_from_archive_to_product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sysroot: Sysroot) -> None:
    pipe = pipeline(tmp_path, monkeypatch, sysroot, "gfx1010")
    assert pipe.run().to_do == []
    packed, audit = pipe.products()
    summary = json.loads(audit.read_text())
    assert summary["kernels"] == 2
    with tarfile.open(packed) as tar:
        members = {member.name: member for member in tar.getmembers()}
        text = tar.extractfile("product/product.json")
        assert text is not None
        product = json.load(text)
    assert {(member.uid, member.mtime) for member in members.values()} == {(0, 1758672000)}
    assert (product["component"], product["version"], product["targets"]) == ("rocblas", "4.4.1", ["gfx1010"])
    listed = {one["path"]: one for one in product["files"]}
    assert f"product/{next(iter(listed))}" in members
    assert listed["lib/librocblas.so.4.4.1"]["role"] == "library"
    assert listed["lib/librocblas.so.4"]["link"] == "librocblas.so.4.4.1"
    assert listed["licences/rocblas"]["role"] == "licence"
    (source,) = product["sources"]
    pinned = hashlib.sha256((tmp_path / "mirror" / "rocblas_6.4.4.orig.tar.gz").read_bytes()).hexdigest()
    assert source["sha256"] == pinned
    opened = open_product(packed, tmp_path / "products")
    assert opened.name == "rocblas-6.4.4-gfx1010-without-tensile"
    assert open_product(packed, tmp_path / "products") == opened
    assert [one.name for one in opened.parent.iterdir()] == [opened.name]
    assert [entry.path for entry in load_product(opened).files] == list(listed)
    # Nothing of it is done again, and what is packed again is the same.
    first = packed.read_bytes()
    (pipe.state / "delivery.mark.json").unlink()
    assert [item.step.name for item in pipe.plan().to_do] == ["delivery"]
    pipe.run()
    assert packed.read_bytes() == first


def test_code_for_another_card_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sysroot: Sysroot, decoder: Path
) -> None:
    built_already(monkeypatch, decoder)
    pipe = pipeline(tmp_path, monkeypatch, sysroot, "gfx1030")
    with pytest.raises(AuditError, match="does not hold what a gfx1010 needs") as caught:
        pipe.run()
    assert "gfx1030" in caught.value.cause


def test_a_feature_that_cmake_changes_by_itself_stops_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sysroot: Sysroot
) -> None:
    forced = 'set(BUILD_WITH_HIPBLASLT ON CACHE BOOL "" FORCE)\n'
    pipe = pipeline(tmp_path, monkeypatch, sysroot, "gfx1010", forced)
    with pytest.raises(ConfigureError) as caught:
        pipe.run(until="configure")
    assert "BUILD_WITH_HIPBLASLT is ON, must be OFF" in caught.value.detail
