"""PyTorch's declarations, its settings, its tree; nothing is built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rocm_patch.components.buildfile import cache_problems
from rocm_patch.components.pytorch import Build, PyTorch, forget_links, kind_of
from rocm_patch.components.settings import load_settings
from rocm_patch.components.tree import sync_tree
from rocm_patch.errors import DataError, UsageError
from rocm_patch.paths import data_root
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.model import Request

STEPS = [
    "sources", "unpack", "series", "sysroot", "sdk-headers", "python-env", "share", "hipify", "deps",
    "configure", "compile", "install", "wheel", "audit",
]  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ROCM_PATCH_SYSROOT", raising=False)
    return tmp_path / "cache"


def keys(**changes: str) -> dict[str, str]:
    request = Request(component="pytorch", version="2.6.0", **changes)  # type: ignore[arg-type]
    return {item.step.name: item.key for item in Pipeline(PyTorch(), request).plan().steps}


def test_plan_of_the_real_recipe(cache: Path) -> None:
    plan = Pipeline(PyTorch(), Request(component="pytorch", version="2.6.0")).plan()
    assert [item.step.name for item in plan.steps] == STEPS
    assert plan.total().fetch > 27_000_000
    assert plan.total().seconds > 600
    assert not cache.exists()


def test_what_shares_and_what_does_not() -> None:
    base, other_target = keys(), keys(target="gfx1012")
    shared = [name for name in STEPS if base[name] == other_target[name]]
    assert shared == STEPS[: STEPS.index("configure")]
    without = keys(launcher="none")
    assert base["hipify"] == without["hipify"]
    assert base["configure"] != without["configure"]
    assert base["series"] == keys(sdk="sysroot:rocm-6.4")["series"]


def test_python_that_is_not_built_for() -> None:
    with pytest.raises(UsageError, match=r"Python 3\.14"):
        keys(python="3.14")
    with pytest.raises(UsageError, match=r"pytorch 0\.1"):
        load_settings("pytorch", "0.1")


def test_every_folder_name_in_the_settings_is_filled_in() -> None:
    settings = load_settings("pytorch", "2.6.0")
    names = ("src", "tools", "pyenv", "deps", "rocm", "llvm", "llvm_lib", "target", "label")
    filled = settings.filled({name: f"/{name}" for name in names})
    assert filled["CC"] == "/llvm/clang"
    assert not any("{" in value for value in filled.values())
    with pytest.raises(DataError, match="nobody fills in"):
        settings.filled({})


def test_broken_settings_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipes" / "pytorch").mkdir(parents=True)
    (tmp_path / "patches").mkdir()
    monkeypatch.setenv("ROCM_PATCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"build\.yml is not usable"):
        load_settings("pytorch", "2.6.0")
    text = (Path(__file__).parents[3] / "recipes" / "pytorch" / "build.yml").read_text()
    (tmp_path / "recipes" / "pytorch" / "build.yml").write_text(text.replace("epoch:", "epoque:"))
    with pytest.raises(DataError, match=r"build\.yml is not usable"):
        load_settings("pytorch", "2.6.0")


def test_cmake_cache_is_compared() -> None:
    text = "// help\n#c\nUSE_ROCM:BOOL=ON\nUSE_GLOO:BOOL=0\nUSE_MPI:UNINITIALIZED=FALSE\nBLAS:STRING=MKL\n"
    checks: dict[str, bool | str] = {
        "USE_ROCM": True,
        "USE_GLOO": True,
        "USE_MPI": False,
        "USE_NCCL": False,
        "BLAS": "OpenBLAS",
    }
    assert cache_problems(text, checks) == [
        "USE_GLOO is 0, must be ON",
        "USE_NCCL is not set, must be OFF",
        "BLAS is MKL, must be OpenBLAS",
    ]


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        ("caffe2/CMakeFiles/torch_hip.dir/__/aten/src/ATen/native/hip/torch_hip_generated_Sort.hip.o", "hip"),
        ("caffe2/CMakeFiles/torch_cpu.dir/x.cpp.o", "c++"),
        ("caffe2/torch/CMakeFiles/torch_python.dir/csrc/Module.cpp.o", "python"),
        ("lib/libtorch_cpu.so", "link"),
        ("lib/libfp16.a", "link"),
        ("caffe2/aten/src/ATen/Functions.h", "other"),
    ],
)
def test_classes(output: str, kind: str) -> None:
    assert kind_of(output) == kind


def test_sync_touches_only_what_differs(tmp_path: Path) -> None:
    wanted, live, record = tmp_path / "wanted", tmp_path / "live", tmp_path / "record"
    (wanted / "sub").mkdir(parents=True)
    (wanted / "same.h").write_text("same")
    (wanted / "sub" / "changed.cpp").write_text("one")
    (wanted / "gone.cpp").write_text("gone")
    (wanted / "link").symlink_to("same.h")
    for path in wanted.rglob("*.*"):
        os.utime(path, (1000, 1000))
    assert len(sync_tree(wanted, live, record)) == 4
    assert (live / "link").readlink() == Path("same.h")
    os.utime(live / "same.h", (2000, 2000))
    (live / "build").mkdir()
    (live / "build" / "object.o").write_text("made")

    (wanted / "sub" / "changed.cpp").write_text("two")
    os.utime(wanted / "sub" / "changed.cpp", (1000, 1000))
    (wanted / "gone.cpp").unlink()
    (wanted / "script").write_text("#!/bin/sh")
    assert sync_tree(wanted, live, record) == ["script", "sub/changed.cpp", "gone.cpp"]
    assert (live / "same.h").stat().st_mtime == 2000
    assert (live / "sub" / "changed.cpp").stat().st_mtime > 3000  # newer than any object of before
    assert (live / "build" / "object.o").exists()
    assert not (live / "gone.cpp").exists()

    (wanted / "script").chmod(0o755)
    (wanted / "link").unlink()
    (wanted / "link").symlink_to("script")
    assert sync_tree(wanted, live, record) == ["link", "script"]
    assert sync_tree(wanted, live, record) == []


def test_the_recipe_and_the_settings_name_the_same_versions_and_items() -> None:
    settings = load_settings("pytorch", "2.6.0")
    text = (data_root() / "recipes" / "pytorch" / "conandata.yml").read_text()
    assert all(f"name: {extra.item}\n" in text for extra in settings.extra)
    assert settings.layout in text


def test_other_link_time_parts_mean_linking_again(tmp_path: Path) -> None:
    build, deps = tmp_path / "build", tmp_path / "deps"
    kept = [build / "a.o", build / "CMakeFiles" / "x.hip.o"]
    linked = [build / "lib" / "libtorch.so", build / "lib.linux" / "torch" / "_C.so", build / "bin" / "shm"]

    def fill() -> None:
        for path in [*kept, *linked]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")

    (deps / "floor").mkdir(parents=True)
    (deps / "floor" / "libc.so.6").write_bytes(b"1")
    fill()
    forget_links(build, deps)
    assert all(path.is_file() for path in kept)
    assert not any(path.exists() for path in linked)
    fill()
    forget_links(build, deps)
    assert all(path.is_file() for path in linked)
    (deps / "floor" / "libc.so.6").write_bytes(b"2")
    forget_links(build, deps)
    assert not any(path.exists() for path in linked)


def test_a_python_that_the_sysroot_lacks_comes_from_the_recipe() -> None:
    def named(python: str, sdk: str = "sysroot") -> set[str]:
        request = Request(component="pytorch", version="2.6.0", python=python, sdk=sdk)
        return {item.name for item in Build(request, Path("work")).items}

    own = {"python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libpython3.11-dev"}
    assert own <= named("3.11")
    assert not own & named("3.13")
    assert not own & named("3.11", "host:/opt/rocm-6.4.3")
