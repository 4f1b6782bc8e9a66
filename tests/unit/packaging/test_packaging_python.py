"""A wheel that says of itself what torch's does: its needs in each format and layout, files, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rocm_patch.errors import PackageError
from rocm_patch.packaging.layout import Format
from rocm_patch.packaging.model import Package, Relation
from rocm_patch.packaging.python import wheel_package
from rocm_patch.wheel.archive import pack_wheel

METADATA = """\
Metadata-Version: 2.1
Name: torch
Version: 2.6.0+rocm6.4.gfx1010
License: BSD-3-Clause
Requires-Dist: filelock
Requires-Dist: typing-extensions>=4.10.0
Requires-Dist: setuptools; python_version >= "3.12"
Requires-Dist: sympy==1.13.1; python_version >= "3.9"
Requires-Dist: opt-einsum>=3.3; extra == "opt-einsum"
Requires-External: glibc (>=2.38)
Requires-External: libstdc++ (GLIBCXX) (>=3.4.32)
Requires-External: libstdc++ (CXXABI) (>=1.3.15)
Requires-External: ROCm (>=6.4,<6.5)
Requires-External: libamdhip64.so.6
Requires-External: libhiprtc.so.6
Requires-External: libMIOpen.so.1
"""
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(
        metadata: str = METADATA, *, licence: bool = True, tag: str = "cp313-cp313-linux_x86_64"
    ) -> Path:
        tree = tmp_path / "tree"
        info = tree / "torch-2.6.0+rocm6.4.gfx1010.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(metadata)
        (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        (info / "entry_points.txt").write_text("[console_scripts]\ntorchrun = torch.distributed.run:main\n")
        if licence:
            (info / "LICENSE").write_text("Copyright\n")
        (tree / "torch/bin").mkdir(parents=True)
        (tree / "torch/lib").mkdir()
        (tree / "torch/__init__.py").write_text("")
        (tree / "torch/bin/protoc").write_text("")
        (tree / "torch/bin/protoc").chmod(0o755)
        (tree / "torch/lib/libtorch.so").write_text("")
        (tree / "torch/lib/libtorch.so").chmod(0o755)
        scripts = tree / "torch-2.6.0+rocm6.4.gfx1010.data/scripts"
        scripts.mkdir(parents=True)
        (scripts / "convert").write_text("#!python\nprint(1)\n")
        wheel = tmp_path / f"torch-2.6.0+rocm6.4.gfx1010-{tag}.whl"
        pack_wheel(tree, wheel, epoch=1738108800)
        return wheel

    return made


def packaged(wheel: Path, format_: Format, layout: str) -> Package:
    scratch = wheel.parent / f"{format_}-{layout}"
    return wheel_package(wheel, scratch, layout=layout, format_=format_, target="gfx1010")


def test_needs_in_debians_names(make: Make) -> None:
    package = packaged(make(), "deb", "debian")
    assert [one.text("deb") for one in package.depends] == [
        "python3", "python3.13", "python3-filelock", "python3-typing-extensions (>= 4.10.0)",
        "python3-setuptools", "python3-sympy (>= 1.13.1)", "libc6 (>= 2.38)", "libstdc++6 (>= 13.2)",
        "libamdhip64-6", "libhiprtc6", "libmiopen1",
    ]  # fmt: skip
    assert package.full_version == "2.6.0+rocm6.4.gfx1010-1"
    assert "python3-torch" in [one.text("deb") for one in package.conflicts]
    assert package.epoch == 1738108800


def test_needs_in_amds_names_as_rpm(make: Make) -> None:
    package = packaged(make(), "rpm", "amd")
    said = [one.text("rpm") for one in package.depends]
    assert said[0] == "python(abi) = 3.13"
    # hip-runtime-amd has two of the libraries and is asked for once.
    assert said[-4:] == [
        "libc.so.6(GLIBC_2.38)(64bit)", "libstdc++.so.6(GLIBCXX_3.4.32)(64bit)",
        "hip-runtime-amd", "miopen-hip",
    ]  # fmt: skip


def test_files_and_programs(make: Make) -> None:
    package = packaged(make(), "rpm", "amd")
    files = {one.path: one for one in package.contents}
    site = "/usr/lib64/python3.13/site-packages"
    assert files[f"{site}/torch/bin/protoc"].executable
    assert not files[f"{site}/torch/lib/libtorch.so"].executable
    assert files["/usr/bin/convert"].source == b"#!/usr/bin/python3.13\nprint(1)\n"
    torchrun = files["/usr/bin/torchrun"].source
    assert isinstance(torchrun, bytes)
    assert b"from torch.distributed.run import main\n\nsys.exit(main())" in torchrun
    info = f"{site}/torch-2.6.0+rocm6.4.gfx1010.dist-info"
    # pip takes a package without RECORD for somebody else's.
    assert f"{info}/RECORD" not in files
    assert files[f"{info}/INSTALLER"].source == b"rpm\n"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (("libMIOpen.so.1", "libother.so.3"), "has libother.so.3 is not known"),
        (("(>=3.4.32)", "(>=3.9.99)"), "GLIBCXX_3.9.99 is not known"),
        (("License: BSD-3-Clause\n", ""), "names no licence"),
    ],
)
def test_what_is_not_known_is_refused(make: Make, change: tuple[str, str], word: str) -> None:
    with pytest.raises(PackageError, match=word.replace("+", r"\+")):
        packaged(make(METADATA.replace(*change)), "deb", "debian")


def test_a_wheel_without_licence_text_or_for_every_python_is_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="no licence text"):
        packaged(make(licence=False), "deb", "debian")
    wheel = next(tmp_path.glob("*.whl"))
    other = wheel.rename(tmp_path / "torch-2.6.0+rocm6.4.gfx1010-py3-none-any.whl")
    with pytest.raises(PackageError, match="no one CPython"):
        packaged(other, "rpm", "amd")


def test_another_pythons_package_has_its_own_name_and_excludes_the_usual_one(make: Make) -> None:
    package = packaged(make(tag="cp311-cp311-linux_x86_64"), "deb", "debian")
    assert package.name == "python3.11-torch-gfx1010"
    assert Relation(("python3-torch-gfx1010",)) in package.conflicts
    assert Relation(("python3.11",)) in package.depends
