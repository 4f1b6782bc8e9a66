"""The rocPRIM series on the sysroot's own headers: what hipcc makes of them for gfx1010, by our rules."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.isa.conftest import build

from rocm_patch.components.pytorch import Build
from rocm_patch.components.settings import load_settings
from rocm_patch.isa.library import NAME, Library
from rocm_patch.isa.report import kernels
from rocm_patch.paths import data_root
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.model import Request, Step
from rocm_patch.pipeline.sdk import SysrootSdk
from rocm_patch.series import apply_series, check, load_series, series_folder
from rocm_patch.sysroot import Bind, Sysroot

pytestmark = [pytest.mark.sysroot, pytest.mark.slow]

HERE = Path(__file__).parent
INCLUDE = "/usr/include/rocprim"
#: The kernels whose state takes 16 bytes, by a part of their mangled names.
WIDE = {
    "inclusive_scan": "lookback_scan_kernel",
    "reduce_by_key": "wrapped_reduce_by_key_config",
    "run_length_encode": "wrapped_trivial_runs_config",
    "partition_three_way": "partition_kernelILNS0_13select_methodE1",
}
SELECT = "partition_kernelILNS0_13select_methodE0"

Compile = Callable[[str, Path | None], Path]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(build(tmp_path_factory.mktemp("isa"), targets=("vgpu-isa",)) / NAME)


@pytest.fixture(scope="session")
def plain(sysroot: Sysroot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an include folder that holds the sysroot's rocprim."""
    folder = tmp_path_factory.mktemp("headers") / "plain"
    shutil.copytree(sysroot.path / INCLUDE.lstrip("/"), folder / "rocprim", symlinks=True)
    return folder


@pytest.fixture(scope="session")
def patched(plain: Path) -> Path:
    folder = plain.with_name("patched")
    shutil.copytree(plain, folder, symlinks=True)
    apply_series(load_series("rocprim", "6.4.3"), folder)
    return folder


@pytest.fixture(scope="session")
def compiled(sysroot: Sysroot, tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Give a compiler of the program's device code, with the sysroot's headers or those of a folder."""
    made: dict[tuple[str, Path | None], Path] = {}
    sdk = SysrootSdk()
    flags = load_settings("pytorch", "2.6.0").environment["HIPCC_COMPILE_FLAGS_APPEND"]
    places = {"llvm_lib": str(Path(sdk.llvm_bin).parent / "lib"), "src": "/test"}

    def one(target: str, headers: Path | None) -> Path:
        if (target, headers) not in made:
            work = tmp_path_factory.mktemp("object")
            binds = [Bind(HERE, "/test", "ro"), Bind(work, "/w")]
            if headers is not None:
                binds.append(Bind(headers / "rocprim", INCLUDE, "ro"))
            words = ["--cuda-device-only", "-c", "/test/lookback.hip", "-o", "/w/device.o"]
            command = sysroot.command(
                [f"{sdk.rocm_path}/bin/hipcc", f"--offload-arch={target}", "-O3", *words],
                binds=binds,
                env={"HIP_CLANG_PATH": sdk.llvm_bin, "HIPCC_COMPILE_FLAGS_APPEND": flags.format(**places)},
            )
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            made[target, headers] = work / "device.o"
        return made[target, headers]

    return one


def findings(library: Library, path: Path) -> dict[str, Counter[str]]:
    """Give for each kernel how often each rule is broken."""
    return {
        one.name: Counter(finding.rule for finding in one.report.findings) for one in kernels(path, library)
    }


def test_the_series_is_in_order(plain: Path) -> None:
    assert check(series_folder("rocprim", "6.4.3"), "6.4.3", root=data_root(), tree=plain) == []


def test_gfx1010_code_keeps_the_hardware_rules(library: Library, compiled: Compile, patched: Path) -> None:
    without = findings(library, compiled("gfx1010", None))
    for algorithm, part in WIDE.items():
        broken = sum((rules for name, rules in without.items() if part in name), Counter[str]())
        assert broken["gfx10-vmem-to-scalar-write"] > 0, algorithm
        assert broken["gfx10-lds-branch-vmem-war"] > 0, algorithm
    with_it = findings(library, compiled("gfx1010", patched))
    assert with_it.keys() == without.keys()
    assert {name: rules for name, rules in with_it.items() if rules} == {}


def test_select_keeps_a_state_of_8_bytes(library: Library, compiled: Compile) -> None:
    """So PyTorch's nonzero, which is a select, never had this fault; docs say so."""
    without = findings(library, compiled("gfx1010", None))
    selects = [rules for name, rules in without.items() if SELECT in name]
    assert len(selects) > 0
    assert not any(selects)


def test_each_access_waits_for_itself(library: Library, compiled: Compile, patched: Path) -> None:
    """Each 16-byte atomic store is followed by vscnt(0), each load by vmcnt(0), before anything else runs."""
    accesses: Counter[str] = Counter()
    for kernel in kernels(compiled("gfx1010", patched), library):
        text = [row for _, _, row in library.disassemble(kernel.code, kernel.wave)]
        for at, row in enumerate(text):
            kind = re.match(r"global_(load|store)_dwordx4 ", row)
            waits = [one.split()[0] for one in text[at + 1 : at + 5]]
            if kind and waits[-1] == "s_waitcnt_depctr":
                accesses[kind[1]] += 1
                assert waits == ["s_waitcnt", "s_waitcnt", "s_waitcnt_vscnt", "s_waitcnt_depctr"]
                assert text[at - 1].split() == ["s_waitcnt_vscnt", "null,", "0x0"]
                assert text[at + 3].split() == ["s_waitcnt_vscnt", "null,", "0x0"]
                assert text[at + 1].split() == ["s_waitcnt", "vmcnt(0)"]
    assert accesses["load"] >= len(WIDE)
    assert accesses["store"] >= len(WIDE)


def test_other_targets_compile_to_the_same_bytes(compiled: Compile, patched: Path) -> None:
    assert compiled("gfx1030", None).read_bytes() == compiled("gfx1030", patched).read_bytes()
    assert compiled("gfx1010", None).read_bytes() != compiled("gfx1010", patched).read_bytes()


class Headers:
    """PyTorch's build, of which only the step sdk-headers is run."""

    name = "pytorch"

    def steps(self, request: Request, folder: Path) -> list[Step]:
        every = {step.name: step for step in Build(request, folder).steps()}
        return [every["sysroot"], every["sdk-headers"]]

    def products(self, request: Request, folder: Path) -> list[Path]:
        del request, folder
        return []


def test_the_build_sees_the_patched_header(
    sysroot: Sysroot, patched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path))
    monkeypatch.setenv("ROCM_PATCH_SYSROOT", str(sysroot.path))
    request = Request(component="pytorch", version="2.6.0")
    pipeline = Pipeline(Headers(), request)
    pipeline.run()
    build = Build(request, pipeline.folder)
    mounts = [mount for mount in build.mounts if mount.inside == INCLUDE]
    command = build.sdk.command(["cat", f"{INCLUDE}/intrinsics/atomic.hpp"], mounts=mounts, env={}, cwd="/")
    seen = subprocess.run(command, capture_output=True, check=True).stdout
    assert seen == (patched / "rocprim/intrinsics/atomic.hpp").read_bytes()
    assert seen != (sysroot.path / INCLUDE.lstrip("/") / "intrinsics/atomic.hpp").read_bytes()
    touch = build.sdk.command(["touch", f"{INCLUDE}/x"], mounts=mounts, env={}, cwd="/")
    assert subprocess.run(touch, capture_output=True, check=False).returncode != 0
