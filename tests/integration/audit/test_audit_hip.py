"""A real HIP program, compiled in the sysroot, audited and compared with what LLVM's own tools say."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from rocm_patch.audit import Report, audit_paths, targets_in
from rocm_patch.audit.model import Kernel
from rocm_patch.audit.occupancy import registers_allow
from rocm_patch.audit.targets import known_targets, machines
from rocm_patch.errors import SysrootError
from rocm_patch.sysroot.core import Sysroot
from rocm_patch.sysroot.lock import DEFAULT_NAME, load_lock
from rocm_patch.sysroot.make import create
from rocm_patch.sysroot.mounts import Bind

pytestmark = pytest.mark.sysroot

SOURCE = """
#include <hip/hip_runtime.h>
__global__ void axpy(float a, const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] += a * x[i];
}
__global__ __launch_bounds__(256) void tile_sum(const float* x, float* out) {
  __shared__ float tile[256];
  tile[threadIdx.x] = x[blockIdx.x * 256 + threadIdx.x];
  __syncthreads();
  for (int s = 128; s; s >>= 1) {
    if (threadIdx.x < s) tile[threadIdx.x] += tile[threadIdx.x + s];
    __syncthreads();
  }
  if (!threadIdx.x) out[blockIdx.x] = tile[0];
}
template <int N> __global__ __launch_bounds__(64) void heavy(const float* x, float* y) {
  float v[N], s = 0;
  for (int i = 0; i < N; ++i) v[i] = x[i * 64 + threadIdx.x];
  for (int i = 0; i < N; ++i) for (int j = 0; j < i; ++j) s += v[i] * v[j];
  for (int i = 0; i < N; ++i) y[i * 64 + threadIdx.x] = v[i] * s;
}
template __global__ void heavy<100>(const float*, float*);
__global__ void indexed(float* y, int k) {
  float t[64];
  for (int i = 0; i < 64; ++i) t[i] = y[i];
  y[0] = t[k & 63];
}
"""
SECOND = """
#include <hip/hip_runtime.h>
__global__ void everywhere(float* y) { y[threadIdx.x] = 1; }
#if !defined(__HIP_DEVICE_COMPILE__) || defined(__gfx1030__)
__global__ void only_gfx1030(float* y) { y[threadIdx.x] = 2; }
#endif
"""
#: HIP's header refuses wave64 on gfx10, which assembly may still use; this passes its check.
WAVE64 = ("-mwavefrontsize64", "-D__GFX7__")
ARCHS = ("--offload-arch=gfx1010", "--offload-arch=gfx1030")
LLVM = "/usr/lib/llvm-21/bin"
REMARKS = "-Rpass-analysis=kernel-resource-usage"


@attrs.frozen
class Shop:
    """The sysroot with a work folder that both sides see."""

    sysroot: Sysroot
    folder: Path

    def run(self, *argv: str, env: dict[str, str] | None = None) -> str:
        done = self.sysroot.run(
            list(argv), binds=[Bind(self.folder, "/w")], cwd="/w", env={"HIP_CLANG_PATH": LLVM, **(env or {})}
        )
        return done.stdout + done.stderr

    def hipcc(
        self, source: str, name: str, *flags: str, env: dict[str, str] | None = None
    ) -> tuple[Path, str]:
        (self.folder / f"{name}.hip").write_text(source)
        output = self.run("hipcc", "-O2", *flags, "-c", f"{name}.hip", "-o", f"{name}.o", env=env)
        return self.folder / f"{name}.o", output


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("hip")
    try:
        return Shop(Sysroot.open(), folder)
    except SysrootError:
        return Shop(create(load_lock(DEFAULT_NAME)), folder)


def _kernels(report: Report, processor: str = "gfx1010") -> dict[str, Kernel]:
    codes = [code for file in report.files for code in file.code_objects()]
    return {k.name: k for code in codes if code.target.processor == processor for k in code.kernels}


@pytest.mark.parametrize(("version", "wave", "compressed"), [(4, 32, 0), (5, 64, 2), (6, 32, 3), (6, 64, 0)])
def test_program(shop: Shop, version: int, wave: int, compressed: int) -> None:
    flags = [*ARCHS, f"-mcode-object-version={version}", *(WAVE64 if wave == 64 else ())]
    flags += ["--offload-compress"] if compressed else []
    env = {"COMPRESSED_BUNDLE_FORMAT_VERSION": str(compressed)} if compressed else {}
    path, _ = shop.hipcc(SOURCE, f"v{version}w{wave}c{compressed}", *flags, env=env)
    report = audit_paths([path])
    (file,) = report.files
    assert report.unreadable == []
    assert [fat.compressed_version for fat in file.fat_binaries] == [compressed]
    assert {code.version for code in file.code_objects()} == {version}
    assert {name: t.kernels for name, t in file.totals.items()} == {"gfx1010": 4, "gfx1030": 4}
    assert {kernel.wave for kernel in _kernels(report).values()} == {wave}
    assert set(file.findings) == ({"wave64"} if wave == 64 else set())
    assert report.failures == []
    assert targets_in(path) == {"gfx1010", "gfx1030"}


@pytest.mark.parametrize("wave", [32, 64])
def test_resources_are_those_the_compiler_reports(shop: Shop, wave: int) -> None:
    flags = ["--offload-arch=gfx1010", REMARKS, *(WAVE64 if wave == 64 else ())]
    path, output = shop.hipcc(SOURCE, f"remarks{wave}", *flags)
    kernels = _kernels(audit_paths([path]))
    blocks = re.split(r"Function Name: (\S+)", output)[1:]
    seen = dict(zip(blocks[::2], blocks[1::2], strict=True))
    assert set(seen) == set(kernels)
    for name, text in seen.items():
        values = {key: int(number) for key, number in re.findall(r"remark: +(.*?): (\d+) \[", text)}
        kernel = kernels[name]
        assert kernel.occupancy is not None
        found = (kernel.vgprs, kernel.sgprs, kernel.scratch, kernel.lds, kernel.vgpr_spills)
        keys = ("VGPRs", "TotalSGPRs", "ScratchSize [bytes/lane]", "LDS Size [bytes/block]", "VGPRs Spill")
        assert found == tuple(values[key] for key in keys), name
        by_registers = registers_allow(known_targets()["gfx1010"], wave=wave, vgprs=kernel.vgprs)
        # No kernel here is held back by LDS: what LLVM prints follows from registers alone.
        assert by_registers == values["Occupancy [waves/SIMD]"], name
        assert kernel.occupancy.waves <= by_registers


def test_library_of_two_sources(shop: Shop) -> None:
    for source, name in ((SOURCE, "one"), (SECOND, "two")):
        shop.hipcc(source, name, *ARCHS, "-fPIC")
    shop.run("hipcc", "-shared", "one.o", "two.o", "-o", "libtwo.so")
    path = shop.folder / "libtwo.so"
    report = audit_paths([path])
    (file,) = report.files
    assert len(file.fat_binaries) == 2
    assert file.findings == {}
    assert file.missing == ["_Z12only_gfx1030Pf"]
    listed = shop.run(f"{LLVM}/llvm-objdump", "--offloading", "libtwo.so")
    assert listed.count("gfx1010") == sum(len(f.processors() & {"gfx1010"}) for f in file.fat_binaries)


@pytest.mark.parametrize("flags", [(), ("--offload-compress",)])
def test_bundle_file_lists_what_the_bundler_lists(shop: Shop, flags: tuple[str, ...]) -> None:
    (shop.folder / "genco.hip").write_text(SECOND)
    shop.run("hipcc", "-O2", *ARCHS, *flags, "--genco", "genco.hip", "-o", "genco.co")
    report = audit_paths([shop.folder / "genco.co"])
    (fat,) = report.files[0].fat_binaries
    listed = shop.run(f"{LLVM}/clang-offload-bundler", "-type=o", "-list", "-input=genco.co").split()
    assert sorted(entry.ident for entry in fat.entries) == sorted(listed)
    assert bool(fat.compression) == bool(flags)
    assert report.files[0].findings == {}


def test_rdc_object_holds_bitcode_and_so_no_code_for_the_card(shop: Shop) -> None:
    path, _ = shop.hipcc(SECOND, "rdc", *ARCHS, "-fgpu-rdc")
    report = audit_paths([path])
    contents = [entry.content for fat in report.files[0].fat_binaries for entry in fat.entries]
    assert contents.count("bitcode") == 2
    assert report.failures[0].reason.endswith("has no code object)")


def test_names_and_resources_of_a_real_library_agree_with_readelf(shop: Shop) -> None:
    inside = "usr/lib/x86_64-linux-gnu/rocblas"
    (real,) = (shop.sysroot.path / inside).glob("*/library/Kernels.so-000-gfx1010.hsaco")
    report = audit_paths([real])
    kernels = _kernels(report)
    notes = shop.run(f"{LLVM}/llvm-readelf", "--notes", f"/{real.relative_to(shop.sysroot.path)}")
    fields = (".name", ".vgpr_count", ".sgpr_count", ".group_segment_fixed_size", ".kernarg_segment_size")
    columns = [re.findall(rf"^    {re.escape(field)}: +'?([^'\n]+)", notes, re.MULTILINE) for field in fields]
    theirs = {name: tuple(map(int, rest)) for name, *rest in zip(*columns, strict=True)}
    ours = {name: (k.vgprs, k.sgprs, k.lds, k.kernarg) for name, k in kernels.items()}
    assert len(ours) > 100
    assert ours == theirs
    assert report.summary.violations == 0


def test_processor_table_is_the_compilers(shop: Shop) -> None:
    listed = shop.run(f"{LLVM}/clang", "--target=amdgcn-amd-amdhsa", "--print-supported-cpus")
    names = sorted(set(re.findall(r"^\t(gfx\S+)$", listed, re.MULTILINE)))
    assert "gfx1010" in names
    (shop.folder / "empty.s").write_text("\n")
    script = (
        'for n in "$@"; do clang --target=amdgcn-amd-amdhsa -mcpu=$n -mcode-object-version=6 -c empty.s'
        ' -o "cpu-$n.o" || exit 1; done'
    )
    shop.run("sh", "-c", script, "sh", *names, env={"PATH": f"{LLVM}:/usr/bin:/bin"})
    known = {machine.name: machine for machine in machines().values()}
    for name in names:
        flags = int.from_bytes((shop.folder / f"cpu-{name}.o").read_bytes()[48:52], "little")
        features = {f for f, mask in (("xnack", 0x300), ("sramecc", 0xC00)) if flags & mask}
        assert (known[name].mach, set(known[name].features)) == (flags & 0xFF, features), name
    assert set(known) <= set(names)
