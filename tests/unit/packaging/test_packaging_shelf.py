"""What lies in dist/packages, and which of it a meta-package asks for."""

from __future__ import annotations

import os
from pathlib import Path

from rocm_patch.packaging.bill import plain_bill
from rocm_patch.packaging.shelf import Lying, bill_of, covered, newest_release, read_shelf
from rocm_patch.wheel.sbom import Part


def lay(
    folder: Path, name: str, version: str, component: str, *, rocm: str = "6.4", target: str = "gfx1010"
) -> Path:
    """Lay a package's name and bill down; its content is not looked at."""
    file = folder / f"{name}_{version}_amd64.deb"
    file.write_bytes(b"")
    facts = {"targets": target, **({"rocm": rocm} if rocm else {})}
    parts = [Part("static", "source", "1"), Part("vendored", component, "1")]
    bill_of(file).write_bytes(
        plain_bill(name=name, version=version, licence="MIT", epoch=86400, parts=parts, facts=facts)
    )
    return file


def shelf(folder: Path, made: set[Path]) -> tuple[list[str], list[str]]:
    said: list[str] = []
    found = list(read_shelf(folder, "deb", "gfx1010", said.append))
    chosen = covered(found, made, "deb", said.append)
    return [f"{one.name} {one.version}" for one in chosen], said


def test_a_bill_says_what_a_package_is(tmp_path: Path) -> None:
    file = lay(tmp_path, "librocsolver0", "6.4.3-2+b1+0gfx1010.1", "rocsolver")
    (found,) = read_shelf(tmp_path, "deb", "gfx1010", print)
    assert found == Lying(
        file, "librocsolver0", "6.4.3-2+b1+0gfx1010.1", "MIT", 86400, "rocsolver", "6.4", kernels=False
    )
    assert list(read_shelf(tmp_path, "deb", "gfx1012", print)) == []


def test_what_earlier_runs_made_is_covered(tmp_path: Path) -> None:
    lay(tmp_path, "librocsolver0", "6.4.3-2+0gfx1010.1", "rocsolver")
    lay(tmp_path, "librocblas4", "6.4.4-4+0gfx1010.1", "rocblas")
    # Kernels and a library of one component go together: the flavours of rocBLAS.
    lay(tmp_path, "rocblas-gfx1010-kernels", "6.4.4-4+0gfx1010.1", "rocblas")
    lay(tmp_path, "python3-other-gfx1012", "1", "other", target="gfx1012")
    made = lay(tmp_path, "python3-torch-gfx1010", "2.6.0+rocm6.4.gfx1010-1", "torch", rocm="")
    chosen, said = shelf(tmp_path, {made})
    assert [one.partition(" ")[0] for one in chosen] == [
        "librocblas4", "librocsolver0", "python3-torch-gfx1010", "rocblas-gfx1010-kernels",
    ]  # fmt: skip
    assert said == []


def test_of_a_component_what_this_run_made_counts_and_else_the_last(tmp_path: Path) -> None:
    lay(tmp_path, "librocblas4", "6.4.4-4+0gfx1010.2", "rocblas")
    lay(tmp_path, "librocsolver0", "6.4.3-2+0gfx1010.9", "rocsolver")
    lay(tmp_path, "librocsolver0", "6.4.3-2+0gfx1010.10", "rocsolver")
    # A library put in by diversion and one under the stock name: the one made last.
    for name, when in (("miopen-gfx1010", 2000), ("libmiopen1", 1000)):
        os.utime(lay(tmp_path, name, "6.4.3-1+0gfx1010.1", "miopen"), (when, when))
    made = lay(tmp_path, "librocblas4", "6.4.4-4+0gfx1010.1", "rocblas")
    assert shelf(tmp_path, {made})[0] == [
        "librocblas4 6.4.4-4+0gfx1010.1",
        "librocsolver0 6.4.3-2+0gfx1010.10",
        "miopen-gfx1010 6.4.3-1+0gfx1010.1",
    ]


def test_what_cannot_be_installed_together_or_has_no_bill_is_said(tmp_path: Path) -> None:
    lay(tmp_path, "librocblas4", "6.3.3-1+0gfx1010.1", "rocblas", rocm="6.3.3")
    (tmp_path / "by-hand_1_amd64.deb").write_bytes(b"")
    broken = lay(tmp_path, "libmiopen1", "6.4.3-1+0gfx1010.1", "miopen")
    bill_of(broken).write_text('{"metadata": {}}')
    made = lay(tmp_path, "librocsolver0", "6.4.3-2+0gfx1010.1", "rocsolver", rocm="6.4.3")
    chosen, said = shelf(tmp_path, {made})
    assert chosen == ["librocsolver0 6.4.3-2+0gfx1010.1"]
    assert [line.partition(" ")[0].partition("_")[0] for line in said] == [
        "by-hand", "libmiopen1", "librocblas4",
    ]  # fmt: skip
    assert said[2].endswith("it is for ROCm 6.3.3")


def test_releases_are_ordered_as_numbers(tmp_path: Path) -> None:
    for component, rocm in (("rocblas", "6.10"), ("miopen", "6.9.2"), ("torch", "")):
        lay(tmp_path, component, "1", component, rocm=rocm)
    found = list(read_shelf(tmp_path, "deb", "gfx1010", print))
    assert newest_release(found) == "6.10"
    # The wheel's release is the one in its version.
    lay(tmp_path, "torch", "2.6.0+rocm6.11.gfx1010-1", "torch", rocm="")
    assert newest_release(list(read_shelf(tmp_path, "deb", "gfx1010", print))) == "6.11"
