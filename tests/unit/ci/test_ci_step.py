"""ci/step run: what `audit` asks of real small packages where packaging leaves them; where `validate` goes.

The script is copied to a checkout of the test's own, whose dist/ it reads; the project it runs is this one.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.unit.audit import make

from rocm_patch.packaging.deb import build_deb
from rocm_patch.packaging.layout import load_layouts
from rocm_patch.packaging.model import Change, Content, Package
from rocm_patch.packaging.rpm import build_rpm

ROOT = Path(__file__).resolve().parents[3]
MACHINES = {"gfx1010": 0x33, "gfx1030": 0x36}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    top = tmp_path / "checkout"
    (top / "ci").mkdir(parents=True)
    shutil.copy(ROOT / "ci/step", top / "ci")
    for name in ("src", "noxfile.py"):
        (top / name).symlink_to(ROOT / name)
    program(top / ".nox/tests/bin/python", f'exec "{sys.executable}" "$@"')
    program(top / "nox", 'printf "%s\\n" "$@" >called')
    return top


def program(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def step(checkout: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = ["env", *(f"{key}={value}" for key, value in env.items()), str(checkout / "ci/step"), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def package(checkout: Path, name: str, layout: str, format_: str, target: str | None) -> Path:
    """Build a package with one code object for `target`, or without code, where packaging puts it."""
    code = make.code_object(make.K(), mach=MACHINES[target], target=f"amdgcn-amd-amdhsa--{target}") \
        if target else b"text\n"  # fmt: skip
    made = Package(
        name=name, version="1", revision="1", section="libs", summary="test", description=("Test.",),
        licence="MIT", epoch=1, contents=[Content("/usr/lib/kernel.co", code)], licences={"MIT": "MIT"},
        changes=(Change("1-1", ("Test.",)),), sbom=b"{}",
    )  # fmt: skip
    build = build_deb if format_ == "deb" else build_rpm
    return build(made, checkout / "dist/packages" / layout / format_, checkout.parent / "scratch")


def test_audit_reads_every_package_where_packaging_leaves_it(checkout: Path) -> None:
    # Debian's name of the replacing library, of which no word is `kernels` or `rocsolver-`.
    good = package(checkout, "librocsolver0", "debian", "deb", "gfx1010")
    bad = [
        package(checkout, "librocblas4", "debian", "deb", "gfx1030"),
        package(checkout, "rocblas", "amd", "rpm", "gfx1030"),
        package(checkout, "python3-torch-gfx1010", "amd", "rpm", None),
    ]
    for name in ("libmiopen1", "rocm-patch-gfx1010"):
        package(checkout, name, "debian", "deb", None)
    # The other layout's of the same name has a page of its own.
    package(checkout, "rocm-patch-gfx1010", "amd", "deb", None)
    done = step(checkout, "audit")
    assert done.returncode == 1, done.stderr
    said = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("error: dist/")]
    assert sorted(said) == sorted(str(path.relative_to(checkout)) for path in bad), done.stderr
    documents = {path.name for path in (checkout / "dist/audit").glob("*.json")}
    assert {one.partition("_")[0].partition("-1-1.")[0] for one in documents} == {
        "debian-deb-librocsolver0", "debian-deb-librocblas4", "debian-deb-libmiopen1",
        "debian-deb-rocm-patch-gfx1010", "amd-deb-rocm-patch-gfx1010", "amd-rpm-rocblas",
        "amd-rpm-python3-torch-gfx1010",
    }  # fmt: skip
    document = json.loads((checkout / f"dist/audit/debian-deb-{good.name}.json").read_text())
    assert document["files"][0]["targets"]["gfx1010"]["kernels"] == 1
    assert len(list((checkout / "dist/audit").glob("*.html"))) == len(documents)
    shutil.rmtree(checkout / "dist/packages/amd")
    bad[0].unlink()
    assert step(checkout, "audit").returncode == 0


def test_audit_asks_the_target_of_every_component_but_miopen() -> None:
    """A package name that layouts.yml gains is asked as well, unless its code is text."""
    exempt = [line.strip().partition(")")[0] for line in (ROOT / "ci/step").read_text().splitlines()
              if ") set -- --target" in line]  # fmt: skip
    assert exempt == ['rocm-patch-"$target"[_-]* | miopen-* | libmiopen*']
    names = {one.package for layout in load_layouts().layouts.values() for one in layout.components.values()}
    text = {name for name in names if name.startswith(("miopen-", "libmiopen"))}
    assert text == {"miopen-hip", "libmiopen1"}


def test_without_anything_to_audit_it_says_what_to_run(checkout: Path) -> None:
    done = step(checkout, "audit")
    assert done.returncode == 2
    assert "ci/step package" in done.stderr


def test_validate_uses_the_card_of_the_machine(checkout: Path) -> None:
    """On a runner with a card nothing may put the virtual one in its place."""
    done = step(checkout, "validate", "--tier", "full", PYTHON="/opt/torch/bin/python")
    assert done.returncode == 0, done.stderr
    called = (checkout / "called").read_text().split()
    assert called[3:] == [
        "--report", "dist/validation", "--python", "/opt/torch/bin/python", "--tier", "full"
    ]  # fmt: skip
    assert called[:1] + called[2:3] == ["-s", "--"]
    words = session_words(called[1])
    assert words[:4] == ["python", "-m", "rocm_patch", "validate"]
    assert "--virtual" not in words
    assert "--virtual" in session_words("validate-torch-gfx1010")


def session_words(name: str) -> list[str]:
    """Give the fixed words of the command that a nox session runs (the tests have no nox)."""
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name == name.replace("-", "_"):
            calls = [one for one in ast.walk(node) if isinstance(one, ast.Call)]
            return [
                str(word.value)
                for call in calls
                if isinstance(call.func, ast.Attribute) and call.func.attr == "run"
                for word in call.args
                if isinstance(word, ast.Constant)
            ]
    raise AssertionError(f"noxfile.py has no session {name}")


def test_both_runners_with_a_card_call_that_step() -> None:
    github = yaml.safe_load((ROOT / "ci/github/build.yml").read_text())["jobs"]["validate"]
    gitlab = yaml.safe_load((ROOT / "ci/gitlab/.gitlab-ci.yml").read_text())["validate"]
    for lines in ([one.get("run", "") for one in github["steps"]], gitlab["script"]):
        assert [one for one in lines if one.endswith("ci/step validate --tier full")] != []
        assert not any("--virtual" in one or "validate-torch" in one for one in lines)
