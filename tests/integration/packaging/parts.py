"""What the packaging tests work on: small libraries with real sections, stock packages in both formats,
products as a recipe leaves them, a wheel, and clients of the repositories.

Stock packages stand for AMD's (which cannot be reached from a test) with AMD's names and layout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgpack
from tests.unit.audit import make

from rocm_patch.packaging import Origin, SeriesUsed, describe, write_product
from rocm_patch.wheel.archive import pack_wheel

EPOCH = 1764201600
ROCM = "6.4.3"
AMD_LIB = f"opt/rocm-{ROCM}/lib"
STOCK_DEB = "4.4.0.60400-47~24.04"
STOCK_RPM = "4.4.0.60400-47.el9"
MACHINES = {"gfx1010": 0x33, "gfx1030": 0x36}


def run(argv: Sequence[str | Path], **more: object) -> str:
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return str(done.stdout)


def code(target: str, name: str = "kernel") -> bytes:
    return make.code_object(make.K(name), mach=MACHINES[target], target=f"amdgcn-amd-amdhsa--{target}")


def library(path: Path, targets: Sequence[str], *, soname: str, word: str) -> Path:
    """Link a real shared library that answers `word` and holds a fat binary for `targets`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fat = path.with_suffix(".fat")
    fat.write_bytes(make.fat(**{target: code(target) for target in targets}))
    source = path.with_suffix(".c")
    source.write_text(
        f'#include <stdio.h>\nconst char *who(void) {{ puts("{word}"); return "{word}"; }}\n'
        f'__asm__(".section .hip_fatbin,\\"a\\",@progbits\\n.p2align 12\\n.incbin \\"{fat}\\"\\n.text");\n'
    )
    run(["gcc", "-shared", "-fPIC", "-s", f"-Wl,-soname,{soname}", "-Wl,-z,relro,-z,now", "-o", path, source])
    fat.unlink()
    source.unlink()
    return path


def kernels(folder: Path, target: str = "gfx1010") -> None:
    """Fill a kernel pack: an index, a fallback library and its code, the source kernels."""
    folder.mkdir(parents=True)
    lead = "TensileLibrary_Type_SS_Contraction_l_Ailk_Bljk_Cijk_Dijk_fallback"
    lazy = {"library": {"type": "Placeholder", "value": lead}, "solutions": []}
    (folder / f"TensileLibrary_lazy_{target}.dat").write_bytes(msgpack.packb(lazy))
    (folder / f"{lead}.dat").write_bytes(msgpack.packb({"library": {}, "solutions": [{}]}))
    (folder / f"{lead}_{target}.hsaco").write_bytes(code(target, "Cijk"))
    (folder / f"Kernels.so-000-{target}.hsaco").write_bytes(code(target, "beta"))


def product(folder: Path, component: str, *, with_library: str = "", with_kernels: bool = False) -> Path:
    """Lay out what a recipe's build leaves, and describe it."""
    folder.mkdir(parents=True)
    if with_library:
        name = {"rocblas": "librocblas.so.4", "miopen": "libMIOpen.so.1"}[component]
        library(folder / "lib" / f"{name}.4", ["gfx1010"], soname=name, word=with_library)
        (folder / "lib" / name).symlink_to(f"{name}.4")
        # What make install also leaves; it belongs to the stock -dev package.
        (folder / "lib" / name.partition(".so")[0]).with_suffix(".so").symlink_to(name)
        for extra in ("include/miopen/miopen.h", "lib/cmake/miopen/miopen-config.cmake"):
            (folder / extra).parent.mkdir(parents=True)
            (folder / extra).write_text("development\n")
        (folder / "share/miopen/db").mkdir(parents=True)
        (folder / "share/miopen/db/gfx1010.db").write_text("data\n")
    if with_kernels:
        kernels(folder / "lib/rocblas/library/gfx1010")
    return redescribe(licensed(folder, component), component)


def licensed(folder: Path, component: str) -> Path:
    (folder / "licences").mkdir()
    (folder / "licences" / f"{component}.txt").write_text("Copyright 2020 upstream.\nMIT.\n")
    return folder


def redescribe(folder: Path, component: str, layout: str = "amd") -> Path:
    """Write product.json over what lies there now."""
    described = describe(
        folder,
        component=component,
        version="6.4.3",
        rocm=ROCM,
        layouts=[layout],
        targets=["gfx1010"],
        epoch=EPOCH,
        licence="MIT",
        sources=[Origin(name=component, version="6.4.3", sha256="ab" * 32)],
        series=SeriesUsed(name=f"{component}/6.4.3", sha256="cd" * 32, patches=("0001-one.patch",)),
    )
    write_product(described, folder)
    return folder


def stock_tree(folder: Path, package: str, targets: Sequence[str]) -> Path:
    name = {"rocblas": "librocblas.so.4", "miopen-hip": "libMIOpen.so.1"}[package]
    library(folder / AMD_LIB / f"{name}.4.60400", targets, soname=name, word="stock")
    (folder / AMD_LIB / name).symlink_to(f"{name}.4.60400")
    if package == "rocblas":
        kernels(folder / AMD_LIB / "rocblas/library", "gfx1030")
    return folder


def stock_deb(out: Path, package: str, targets: Sequence[str], version: str = STOCK_DEB) -> Path:
    tree = stock_tree(out / f"{package}-{version}-deb", package, targets)
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        f"Package: {package}\nVersion: {version}\nArchitecture: amd64\nMaintainer: AMD <a@example.org>\n"
        "Depends: libc6\nDescription: stock package of the tests\n"
    )
    made = out / f"{package}_{version}_amd64.deb"
    run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", tree, made])
    shutil.rmtree(tree)
    return made


def stock_rpm(out: Path, package: str, targets: Sequence[str], version: str = STOCK_RPM) -> Path:
    tree = stock_tree(out / f"{package}-{version}-tree", package, targets)
    number, _, release = version.partition("-")
    spec = out / f"{package}.spec"
    spec.write_text(
        f"Name: {package}\nVersion: {number}\nRelease: {release}\nSummary: stock package of the tests\n"
        f"License: MIT\nAutoReqProv: no\n%description\nStock.\n%install\ncp -a {tree}/. %{{buildroot}}/\n"
        "%files\n/opt/*\n"
    )
    macros = ("__os_install_post %{nil}", "debug_package %{nil}", "_build_id_links none",
              f"_topdir {out}/top", "_binary_payload w1.gzdio",
              "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm")  # fmt: skip
    argv = ["rpmbuild", "-bb", "--target", "x86_64"]
    for one in macros:
        argv += ["--define", one]
    run([*argv, spec])
    made = out / f"{package}-{version}.x86_64.rpm"
    shutil.move(out / "top/RPMS" / made.name, made)
    shutil.rmtree(tree)
    return made


def stand_in_rpm(out: Path, provides: Sequence[str]) -> Path:
    """An empty package that says it has what a root made for a test lacks: Python, glibc, AMD's libraries."""
    spec = out / "stand-in.spec"
    lines = "".join(f"Provides: {one}\n" for one in provides)
    spec.write_text(
        "Name: stand-in\nVersion: 1\nRelease: 1\nSummary: in the place of a distribution\nLicense: MIT\n"
        f"BuildArch: noarch\nAutoReqProv: no\n{lines}%description\nNo files.\n%files\n"
    )
    run(["rpmbuild", "-bb", "--define", f"_topdir {out}/top", spec])
    return out / "top/RPMS/noarch/stand-in-1-1.noarch.rpm"


def required(rpm: Path) -> list[str]:
    """Give what a package asks of others, as a package that provides it would say it."""
    out = run(["rpm", "-qp", "--nosignature", "--requires", rpm])
    return [
        line.replace(">=", "=").replace("<=", "=")
        for line in out.splitlines()
        if not line.startswith("rpmlib(")
    ]


def wheel(folder: Path) -> Path:
    """A small finished wheel: a module, a program, what it needs of the system, licence and bill."""
    tree = folder / "wheel-tree"
    info = tree / "probe-1.0+rocm6.4.gfx1010.dist-info"
    (tree / "probe").mkdir(parents=True)
    (info / "licenses").mkdir(parents=True)
    (tree / "probe/__init__.py").write_text("def main() -> int:\n    print('probe runs')\n    return 0\n")
    (info / "licenses/LICENSE").write_text("Copyright 2020 upstream.\nMIT.\n")
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: probe\nVersion: 1.0+rocm6.4.gfx1010\nLicense-Expression: MIT\n"
        "Requires-Python: >=3.13\nRequires-External: glibc (>=2.38)\n"
        "Requires-External: ROCm (>=6.4,<6.5)\nRequires-External: librocblas.so.4\n\nA probe.\n"
    )
    (info / "entry_points.txt").write_text("[console_scripts]\nprobe-run = probe:main\n")
    tag = "cp313-cp313-linux_x86_64"
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tag}\n")
    made = folder / f"probe-1.0+rocm6.4.gfx1010-{tag}.whl"
    pack_wheel(tree, made, epoch=EPOCH)
    shutil.rmtree(tree)
    return made


def environment(home: Path) -> dict[str, str]:
    """Give programs a home of their own, in which rpm's database is where rpm's own systems have it."""
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    return {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"}
