"""`--kernels-only` from a mirror to an additive .deb, with a stand-in in Tensile's place.

Tensile itself cannot be reached from here. The stand-in is ours: it takes the words that the pipeline gives
to TensileCreateLibrary (and no others), needs the wheel and the derived logic where they must be, and writes
the smallest pack that the audit holds for whole, with kernels that the sysroot's compiler made for gfx1010.
What is shown is that nothing but Tensile is missing: with it in the mirror the same steps run.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgpack
import pytest
from debian.debfile import DebFile
from tests.integration.packaging import parts
from tests.integration.rocblas.small import Mirror, built_already

from rocm_patch.audit import targets_in
from rocm_patch.components.rocblas import LOGIC, RocBlas
from rocm_patch.errors import BuildError
from rocm_patch.packaging.build import Order, package_all
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.model import Request
from rocm_patch.sysroot import Sysroot

pytestmark = [pytest.mark.sysroot]

LEAD = "TensileLibrary_Type_SS_Contraction_l_Ailk_Bljk_Cijk_Dijk_fallback"
NAVI21 = """\
- {MinimumRequiredVersion: 4.26.0}
- navi21
- gfx1030
- [Device 73a2]
- Batched: true
  DataType: 0
- - AssertFree0ElementMultiple: 1
    ISA: [10, 3, 0]
    SolutionIndex: 0
- [2, 3, 0, 1]
- - - [64, 64, 1, 64]
    - [0, 1.0]
- null
"""
#: The module that the stand-in wants from its wheel: the two kinds of index, in msgpack.
PACKED = f"""\
LAZY = {msgpack.packb({"library": {"type": "Placeholder", "value": LEAD}, "solutions": []})!r}
FALLBACK = {msgpack.packb({"library": {}, "solutions": [{}]})!r}
"""
STAND_IN = '''\
import argparse
import os
import pathlib
import subprocess

import packed

KERNEL = """
extern "C" __attribute__((global)) void @NAME@(float* x, float a)
{
    x[__builtin_amdgcn_workgroup_id_x() * 64 + __builtin_amdgcn_workitem_id_x()] *= a;
}
"""

words = argparse.ArgumentParser(allow_abbrev=False)
for flag in ("merge-files", "separate-architectures", "lazy-library-loading", "no-short-file-names"):
    words.add_argument(f"--{flag}", action="store_true", required=True)
for name in ("code-object-version", "cxx-compiler", "library-format", "architecture", "jobs"):
    words.add_argument(f"--{name}", required=True)
words.add_argument("logic", type=pathlib.Path)
words.add_argument("out", type=pathlib.Path)
words.add_argument("runtime", choices=["HIP"])
given = words.parse_args()
tuned = sorted(given.logic.rglob("navi10_*.yaml"))
assert tuned and all(given.architecture in path.read_text() for path in tuned), "no tuned logic of the card"
assert given.library_format == "msgpack", given
made = given.out / "library"
made.mkdir()
arch = given.architecture
(made / f"TensileLibrary_lazy_{arch}.dat").write_bytes(packed.LAZY)
(made / "@LEAD@.dat").write_bytes(packed.FALLBACK)
(made / "TensileManifest.txt").write_text(str(given.out))
#: As Tensile does: its own kernels by the assembler, those of its sources by the compiler of the words.
files = (
    ("Cijk", f"@LEAD@_{arch}.hsaco", os.environ["TENSILE_ROCM_ASSEMBLER_PATH"]),
    ("beta", f"Kernels.so-000-{arch}.hsaco", given.cxx_compiler),
)
for name, file, compiler in files[:@FILES@]:
    source = given.out / f"{name}.hip"
    source.write_text(KERNEL.replace("@NAME@", name))
    subprocess.run(
        [compiler, "-x", "hip", "-O1", "-nogpuinc", "-nogpulib",
         f"--offload-arch={arch}", "--offload-device-only", "--no-gpu-bundle-output", source,
         "-o", made / file],
        check=True,
    )
'''


def pipeline(
    work: Path, monkeypatch: pytest.MonkeyPatch, sysroot: Sysroot, decoder: Path, *, files: int = 2
) -> Pipeline:
    built_already(monkeypatch, decoder)
    mirror = Mirror(work, monkeypatch, sysroot)
    logic = f"{LOGIC}/navi21/navi21_Cijk_Ailk_Bjlk_SB.yaml"
    mirror.rocblas({"LICENSE.md": "Copyright 2020 nobody.\nMIT.\n", logic: NAVI21})
    text = STAND_IN.replace("@LEAD@", LEAD).replace("@FILES@", str(files))
    mirror.tensile({"Tensile/bin/TensileCreateLibrary": text})
    mirror.wheel("packed", PACKED)
    request = Request(component="rocblas", version="6.4.4", flavour="kernels-only", launcher="none", jobs=2)
    return Pipeline(RocBlas(), request)


def test_from_a_mirror_to_an_additive_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sysroot: Sysroot, decoder: Path
) -> None:
    pipe = pipeline(tmp_path, monkeypatch, sysroot, decoder)
    assert pipe.run().to_do == []
    assert pipe.plan().to_do == []
    dist = tmp_path / "dist"
    dist.mkdir()
    for path in pipe.products():
        shutil.copy(path, dist)
    stock = parts.stock_deb(tmp_path, "rocblas", ["gfx1010", "gfx1030"])
    outcome = package_all(Order(dist, stocks=[stock], layouts=["amd"], formats=["deb"]))
    assert outcome.left_out == []
    made, meta = outcome.made
    assert made.decision is not None
    assert made.decision.kind == "additive"
    assert made.path.name == f"rocblas-gfx1010-kernels_{parts.STOCK_DEB}+gfx1010.1_amd64.deb"
    assert [str(one.names[0]) for one in meta.package.depends] == ["rocblas-gfx1010-kernels"]
    assert targets_in(made.path) == {"gfx1010"}
    folder = f"./{parts.AMD_LIB}/rocblas/library/gfx1010/"
    with DebFile(str(made.path)) as archive:
        names = [one.name for one in archive.data.tgz().getmembers() if one.isfile()]
    # The manifest is left out: it names folders of the machine that built.
    assert sorted(one.removeprefix(folder) for one in names if one.startswith(folder)) == [
        "Kernels.so-000-gfx1010.hsaco",
        f"{LEAD}.dat",
        f"{LEAD}_gfx1010.hsaco",
        "TensileLibrary_lazy_gfx1010.dat",
    ]


def test_a_pack_that_lacks_a_file_stops_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sysroot: Sysroot, decoder: Path
) -> None:
    pipe = pipeline(tmp_path, monkeypatch, sysroot, decoder, files=1)
    with pytest.raises(BuildError, match="did not make a complete library") as caught:
        pipe.run()
    assert "Kernels.so-000-gfx1010.hsaco" in caught.value.cause
