"""rocBLAS's and MIOpen's declarations: their steps, flavours, settings and product; nothing is built."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner
from tests.unit.audit import make

from rocm_patch.cli.build import build as build_command
from rocm_patch.components import COMPONENTS, default_sdk, load_component
from rocm_patch.components.library import LibraryBuild
from rocm_patch.components.libsettings import load_library
from rocm_patch.components.plain import MIOpen
from rocm_patch.components.product import write_product
from rocm_patch.components.rocblas import Build, RocBlas
from rocm_patch.errors import AuditError, DataError, SourceError, UsageError
from rocm_patch.packaging import Origin, load_product
from rocm_patch.paths import data_root
from rocm_patch.pipeline import door
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.model import Request
from rocm_patch.sources import load_recipe
from rocm_patch.sysroot import load_lock

COMMON = ["sources", "unpack", "series", "sysroot", "rules"]
ENDS = ["audit", "product", "delivery"]
VERSIONS = ["5.7.1", "6.0.2", "6.1.2", "6.2.4", "6.3.3", "6.4.4", "7.0.2", "7.1.1"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ROCM_PATCH_SYSROOT", raising=False)
    return tmp_path / "cache"


def request(flavour: str = "", component: str = "rocblas", version: str = "6.4.4") -> Request:
    return Request(component=component, version=version, flavour=flavour)


def names(flavour: str) -> list[str]:
    return [item.step.name for item in Pipeline(RocBlas(), request(flavour)).plan().steps]


def test_steps_of_each_flavour(cache: Path) -> None:
    tensile = ["tensile", "logic", "python-env"]
    assert names("") == [*COMMON, *tensile, "configure", "compile", "install", *ENDS]
    assert names("kernels-only") == [*COMMON, *tensile, "kernels", *ENDS]
    assert names("without-tensile") == [*COMMON, "configure", "compile", "install", *ENDS]
    assert not cache.exists()


def test_miopen_compiles_without_composable_kernel() -> None:
    plan = Pipeline(MIOpen(), request(component="miopen", version="6.4.3")).plan()
    assert [item.step.name for item in plan.steps] == [*COMMON, "configure", "compile", "install", *ENDS]
    settings = load_library("miopen", "6.4.3")
    assert settings.cmake["MIOPEN_USE_COMPOSABLEKERNEL"] == "OFF"
    assert settings.cache["MIOPEN_USE_COMPOSABLEKERNEL"] is False


def test_tensile_turns_on_and_off_with_the_flavour(tmp_path: Path) -> None:
    whole, without = (Build(request(flavour), tmp_path) for flavour in ("", "without-tensile"))
    assert whole.cmake_entries()["BUILD_WITH_TENSILE"] == "ON"
    assert whole.cache_checks()["BUILD_WITH_TENSILE"] is True
    assert whole.environment()["TENSILE_ROCM_ASSEMBLER_PATH"] == "/usr/lib/llvm-21/bin/clang++"
    assert without.cmake_entries()["BUILD_WITH_TENSILE"] == "OFF"
    assert without.cache_checks()["BUILD_WITH_TENSILE"] is False
    assert [item.name for item in without.items] == ["rocblas"]
    assert {"rocblas", "tensile", "msgpack", "joblib"} <= {item.name for item in whole.items}
    assert [item.name for item in whole.source_items()] == ["rocblas", "tensile"]


def test_flavours_have_folders_and_keys_of_their_own() -> None:
    labels = {request(flavour).label for flavour in ("", "kernels-only", "without-tensile")}
    assert len(labels) == 3
    assert request().label == "rocblas-6.4.4-gfx1010-py3.13-sysroot"
    keys = {
        Pipeline(RocBlas(), request(flavour)).plan().key
        for flavour in ("", "kernels-only", "without-tensile")
    }
    assert len(keys) == 3


def test_a_flavour_that_a_component_has_not_is_refused() -> None:
    done = CliRunner().invoke(build_command, ["pytorch", "2.6.0", "--kernels-only", "--plan"])
    assert isinstance(done.exception, UsageError)
    assert "kernels-only" in str(done.exception)


def test_the_flavour_goes_through_conan() -> None:
    def recipe(flavour: str | None) -> SimpleNamespace:
        options = SimpleNamespace(get_safe=lambda name: flavour if name == "flavour" else None)
        return SimpleNamespace(options=options)

    assert door.flavour_of(recipe("kernels-only")) == "kernels-only"
    assert door.flavour_of(recipe("whole")) == ""
    assert door.flavour_of(recipe(None)) == ""


def test_every_version_is_pinned_and_has_a_series() -> None:
    for component, versions in (("tensile", VERSIONS), ("rocblas", VERSIONS)):
        assert list(load_recipe(component).sources) == versions
    assert [*load_recipe("miopen").sources] == [*VERSIONS[:5], "6.4.3", *VERSIONS[6:]]
    for component in ("tensile", "rocblas", "miopen"):
        for version, folder in load_recipe(component).series.items():
            assert (data_root() / "patches" / component / folder / "series").is_file(), (component, version)


def test_what_nobody_can_build_is_said() -> None:
    with pytest.raises(UsageError, match=r"rocblas 7\.1\.1 is built"):
        load_library("rocblas", "7.1.1")


def test_broken_settings_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (data_root() / "recipes" / "rocblas" / "build.yml").read_text()
    (tmp_path / "recipes" / "rocblas").mkdir(parents=True)
    (tmp_path / "patches").mkdir()
    (tmp_path / "recipes" / "rocblas" / "build.yml").write_text(text.replace("epoch:", "epoque:"))
    monkeypatch.setenv("ROCM_PATCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"build\.yml is not usable"):
        load_library("rocblas", "6.4.4")


def test_tensile_out_of_reach_says_what_was_tried_and_what_can_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROCM_PATCH_OFFLINE", "1")
    build = Build(request(), tmp_path / "work")
    assert build.tensile_item is not None
    with pytest.raises(SourceError) as caught:
        build.fetched(build.tensile_item)
    text = "\n".join([*caught.value.detail, caught.value.step])
    assert "orig-tensile.tar.gz" in text
    assert "be49885fce2a" in text
    assert "ROCM_PATCH_MIRROR" in text
    assert "--without-tensile" in text


def test_a_mirror_is_all_that_tensile_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pinned hash decides; a file of the right name and other bytes is passed over."""
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "rocblas_6.4.4.orig-tensile.tar.gz").write_bytes(b"x" * 12731812)
    monkeypatch.setenv("ROCM_PATCH_MIRROR", f"file://{tmp_path}/mirror/{{file}}")
    monkeypatch.setenv("ROCM_PATCH_OFFLINE", "1")
    build = Build(request(), tmp_path / "work")
    assert build.tensile_item is not None
    with pytest.raises(SourceError) as caught:
        build.fetched(build.tensile_item)
    assert any("wrong content" in line for line in caught.value.detail)


def test_product_lists_every_file_by_role(tmp_path: Path) -> None:
    folder = tmp_path / "product"
    for name in ("lib/librocblas.so.4.4", "lib/rocblas/library/gfx1010/Kernels.so-000-gfx1010.hsaco",
                 "licences/rocblas", "include/rocblas/rocblas.h"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "lib" / "librocblas.so").symlink_to("librocblas.so.4.4")
    write_product(
        folder, request(), load_library("rocblas", "6.4.4"), sdk={"kind": "sysroot"},
        sources=[Origin(name="rocblas", version="6.4.4", sha256="0" * 64)],
    )  # fmt: skip
    described = load_product(folder)
    roles = {one.path: one.role for one in described.files}
    assert roles == {
        "include/rocblas/rocblas.h": "data",
        "lib/librocblas.so": "library", "lib/librocblas.so.4.4": "library",
        "lib/rocblas/library/gfx1010/Kernels.so-000-gfx1010.hsaco": "kernels", "licences/rocblas": "licence",
    }  # fmt: skip
    assert (described.component, described.version, described.rocm) == ("rocblas", "4.4.1", "6.4")
    assert described.series is not None
    assert described.series.name == "rocblas/6.4.4"
    assert [one.link for one in described.files if one.link] == ["librocblas.so.4.4"]


def test_every_component_loads_and_has_a_recipe() -> None:
    for name in COMPONENTS:
        assert load_component(name).name == name
        assert (data_root() / "recipes" / name / "conanfile.py").is_file()


def test_the_second_list_of_wishes_is_no_part_of_the_first() -> None:
    """PyTorch's environment is named by its own lock alone."""
    folder = data_root() / "build" / "sysroot"
    locks = [load_lock(name) for name in ("rocm-6.4", "rocm-6.4-libraries")]
    first, second = (yaml.safe_load((folder / f"{lock.name}.yml").read_text()) for lock in locks)
    assert first["name"] != second["name"]
    assert "libmsgpack-cxx-dev" in second["packages"]["rocblas"]
    versions = [{package.name: package.sha256 for package in lock.packages} for lock in locks]
    shared = versions[0].keys() & versions[1].keys()
    assert {"clang-21", "libamdhip64-6", "hipcc"} <= shared
    # Where both have a package it is the same: objects of one fit those of the other.
    assert [name for name in shared if versions[0][name] != versions[1][name]] == []


def test_sdk_that_is_taken_where_none_is_named() -> None:
    assert default_sdk(load_component("pytorch"), "") == "sysroot"
    assert default_sdk(load_component("rocblas"), "without-tensile") == "sysroot"
    assert default_sdk(load_component("rocblas"), "kernels-only") == "sysroot"
    assert default_sdk(load_component("rocblas"), "") == "sysroot:rocm-6.4-libraries"
    assert default_sdk(load_component("miopen"), "") == "sysroot:rocm-6.4-libraries"


@pytest.mark.parametrize(
    ("component", "version", "mach", "refused"),
    [
        ("miopen", "6.4.3", None, False),
        ("miopen", "6.4.3", 0x33, False),
        ("miopen", "6.4.3", 0x36, True),
        ("rocsolver", "6.4.3", None, True),
        ("rocsolver", "6.4.3", 0x33, False),
    ],
    ids=["text alone", "text and gfx1010", "text and gfx1030", "no code", "gfx1010"],
)
def test_a_library_without_code_passes_the_audit_only_where_its_kernels_are_text(
    component: str, version: str, mach: int | None, *, refused: bool,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(LibraryBuild, "kernel_rules", lambda _: ())
    (tmp_path / "installed/lib").mkdir(parents=True)
    (tmp_path / "installed/lib/lib.so.1").write_text("__kernel void text() {}\n")
    if mach is not None:
        target = {0x33: "gfx1010", 0x36: "gfx1030"}[mach]
        code = make.code_object(make.K(), mach=mach, target=f"amdgcn-amd-amdhsa--{target}")
        (tmp_path / "installed/lib/kernel.co").write_bytes(code)
    build = LibraryBuild(Request(component=component, version=version), tmp_path)
    run = SimpleNamespace(facts={}, scratch=tmp_path / "scratch")
    run.scratch.mkdir()
    if refused:
        with pytest.raises(AuditError, match="does not hold what a gfx1010 needs"):
            build.audit(run)  # type: ignore[arg-type]  # all that this step takes of a run
    else:
        build.audit(run)  # type: ignore[arg-type]
        assert (run.scratch / "audit" / f"{build.stem}.audit.json").is_file()
