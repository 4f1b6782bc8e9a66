"""Another SDK than the sysroot: what must be in it, which settings hold; real commands in made-up ROCms."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rocm_patch.components import elsewhere
from rocm_patch.components.elsewhere import Elsewhere, Need, chosen, found_places
from rocm_patch.components.libsettings import load_library
from rocm_patch.components.pytorch import Build, PyTorch
from rocm_patch.components.settings import load_settings
from rocm_patch.errors import MissingToolError, RocmPatchError, SysrootError, UsageError
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.model import Estimate, Request, Step
from rocm_patch.pipeline.sdk import Mount, Sdk, sdk_of
from rocm_patch.wheel.inside import Inside

IMAGE = "container:example/rocm@sha256:" + "b" * 64
#: Runs a container's command in this machine's own files, mounts and ROCm where the image would have them.
ENGINE = """\
#!{python}
import os, sys
from pathlib import Path
from rocm_patch.sysroot import Bind, Sysroot
words = sys.argv[1:]
if words[0] == "image":
    sys.exit(0)
binds, env, place = [Bind(Path(os.environ["FAKE_OPT"]), "/opt", "ro")], {{}}, "/"
while not words[0].startswith("example/"):
    word = words.pop(0)
    if word == "--volume":
        outside, inside, mode = words.pop(0).split(":")
        binds.append(Bind(Path(outside), inside, mode))
    elif word == "--env":
        name, _, env_value = words.pop(0).partition("=")
        env[name] = env_value
    elif word.startswith("--workdir="):
        place = word.partition("=")[2]
line = Sysroot(path=Path("/")).command(words[1:], binds=binds, env=env, cwd=place)
os.environ["PATH"] += ":/usr/bin:/bin"
os.execvp(line[0], line)
"""


@pytest.fixture
def rocm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a release, a library and a compiler's folder."""
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path / "cache"))
    rocm = tmp_path / "opt" / "rocm-6.4.3"
    for name in (".info/version", "lib/libamdhip64.so", "lib/gcc/12/crt.o", "lib/llvm/bin/clang"):
        (rocm / name).parent.mkdir(parents=True, exist_ok=True)
        (rocm / name).write_text("6.4.3-127\n")
    return rocm


@pytest.fixture(params=["host", "container"])
def sdk(request: pytest.FixtureRequest, rocm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the words of --sdk for the made-up ROCm, installed and as an image."""
    if request.param == "host":
        return f"host:{rocm}"
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "podman").write_text(ENGINE.format(python=sys.executable))
    (folder / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(Path(elsewhere.__file__).parents[2]))
    # As in AMD's images: /opt/rocm is a link to the folder with the release in its name.
    (rocm.parent / "rocm").symlink_to("rocm-6.4.3")
    monkeypatch.setenv("FAKE_OPT", str(rocm.parent))
    return IMAGE


HERE = Elsewhere(
    rocm="6.4",
    needs=(
        Need(package="hip-dev", any=("{rocm}/lib/libamd*.so",)),
        Need(package="g++", any=("{rocm}/lib/gcc/13/crt.o", "{rocm}/lib/gcc/12/crt.o"), name="gcc"),
        Need(package="sccache", any=("{rocm}/none",), launcher="sccache"),
    ),
)


class Looks:
    """A component with this one step."""

    name = "looks"

    def __init__(self, sdk: Sdk, there: Elsewhere) -> None:
        self.sdk, self.there = sdk, there

    def steps(self, request: Request, folder: Path) -> list[Step]:
        del request, folder
        return [
            Step(
                name="sysroot", does="look", outputs=[elsewhere.FILE], estimate=Estimate,
                run=lambda run: elsewhere.make_ready(run, self.sdk, self.there),
            )
        ]  # fmt: skip

    def products(self, request: Request, folder: Path) -> list[Path]:
        del request
        return [folder / elsewhere.FILE]


def look(sdk: str, there: Elsewhere = HERE) -> Path:
    """Run the step; give the work folder."""
    pipeline = Pipeline(Looks(sdk_of(sdk), there), Request(component="looks", version="1", sdk=sdk))
    pipeline.run()
    return pipeline.folder


def test_what_is_found_is_written_down(sdk: str) -> None:
    folder = look(sdk)
    gcc = f"{sdk_of(sdk).rocm_path}/lib/gcc/12"
    assert found_places(folder) == {"gcc": gcc}
    assert json.loads((folder / elsewhere.FILE).read_text())["kind"] == sdk.partition(":")[0]
    assert found_places(folder / "not made") == {}


def test_everything_that_is_missing_is_named_with_one_command(sdk: str, rocm: Path) -> None:
    (rocm / "lib/libamdhip64.so").unlink()
    python = Need(package="python{python}-dev", any=("/no/{python}",))
    more = HERE.model_copy(update={"needs": (*HERE.needs, python)})
    with pytest.raises(MissingToolError) as caught:
        look(sdk, more)
    told = str(caught.value)
    assert "2 things that the build needs are not in" in told
    assert "/no/3.13: package python3.13-dev" in told
    step = caught.value.step
    assert "apt-get install --yes hip-dev python3.13-dev" in step or "--sdk sysroot" in step
    assert "sccache" not in told
    if sdk == IMAGE:
        assert "FROM example/rocm@sha256:bb" in step


@pytest.mark.parametrize("release", ["7.0.2-1\n", "6.40.0\n", None])
def test_another_release_is_refused(rocm: Path, release: str | None) -> None:
    version = rocm / ".info/version"
    version.write_text(release or "")
    with pytest.raises(SysrootError, match="this build is for 6") as refused:
        look(f"host:{rocm}")
    assert str(version) in refused.value.cause
    version.unlink()
    with pytest.raises(RocmPatchError, match="no ROCm in"):
        look(f"host:{rocm}")


def test_files_of_an_image_are_brought_here(sdk: str, rocm: Path, tmp_path: Path) -> None:
    (rocm / "lib" / "libamdhip64.so.6").symlink_to("libamdhip64.so")
    inside = Inside(sdk_of(sdk), copies=tmp_path / "copies" if sdk == IMAGE else None)
    inside.bring_libraries(["libamdhip64.so.6", "libnowhere.so"])
    place = next(
        inside.root / folder / "libamdhip64.so.6"
        for folder in inside.library_folders
        if (inside.root / folder / "libamdhip64.so.6").is_file()
    )
    assert place.read_text() == "6.4.3-127\n"
    assert (sdk == IMAGE) is place.is_relative_to(tmp_path / "copies")


def test_an_image_without_a_folder_for_copies_is_refused() -> None:
    with pytest.raises(UsageError, match="not on this machine"):
        _ = Inside(sdk_of(IMAGE)).root


def test_the_sysroots_settings_stay_as_they_are() -> None:
    settings, library = load_settings("pytorch", "2.6.0"), load_library("rocblas", "6.4.4")
    assert settings.on("sysroot") is settings
    assert library.on("sysroot", "rocblas") is library
    assert chosen(None, "sysroot", "x") is None
    with pytest.raises(UsageError, match="what x needs of a host"):
        chosen(None, "host", "x")


@pytest.mark.parametrize("kind", ["host", "container"])
def test_no_setting_names_a_place_of_the_sysroot_elsewhere(kind: str) -> None:
    names = "src build tools pyenv deps rocm llvm llvm_lib target label gcc tensile"
    places = {name: f"/at/{name}" for name in names.split()}
    pytorch = load_settings("pytorch", "2.6.0").on(kind)
    values = [*pytorch.filled(places).values(), *pytorch.cmake_entries(places).values()]
    for component, version in (("rocblas", "6.4.4"), ("miopen", "6.4.3")):
        library = load_library(component, version).on(kind, component)
        for texts in (library.environment, library.cmake):
            values += library.filled(texts, places).values()
        assert library.layouts == ("amd",)
    assert not [value for value in values if "clang/21" in value or "/usr/lib/gcc" in value or "{" in value]
    assert any("--gcc-install-dir=/at/gcc" in value for value in values)
    assert pytorch.wheel.static_packages == ()


def test_pytorch_is_planned_up_to_the_wheel_elsewhere(rocm: Path, tmp_path: Path) -> None:
    def keys(sdk: str) -> dict[str, str]:
        request = Request(component="pytorch", version="2.6.0", sdk=sdk)
        return {item.step.name: item.key for item in Pipeline(PyTorch(), request).plan().steps}

    here, made = keys(f"host:{rocm}"), keys("sysroot")
    assert [name for name in made if made[name] == here[name]] == ["sources", "unpack", "series"]
    build = Build(Request(component="pytorch", version="2.6.0", sdk=f"host:{rocm}"), tmp_path)
    (tmp_path / elsewhere.FILE).write_text(json.dumps({"found": {"gcc": "/usr/lib/gcc/x/13"}}))
    environment = build.environment()
    assert environment["ROCM_PATH"] == str(rocm)
    assert environment["CXX"] == f"{rocm}/lib/llvm/bin/clang++"
    assert environment["CFLAGS"] == "--gcc-install-dir=/usr/lib/gcc/x/13 -ffile-prefix-map=/src/="
    assert environment["PATH"] == f"/tools/bin:/pyenv/bin:{rocm}/bin:/usr/bin:/bin"
    assert Mount(tmp_path / "headers/rocprim", f"{rocm}/include/rocprim") in build.mounts


@pytest.mark.parametrize(("component", "version"), [("rocblas", "6.4.4"), ("miopen", "6.4.3")])
def test_common_needs_stand_before_the_components_own(component: str, version: str) -> None:
    own = load_library(component, version).elsewhere
    there = chosen(own, "host", component)
    assert own is not None
    assert there is not None
    assert there.needs[-len(own.needs) :] == own.needs
    assert {"rocm-llvm", "hipcc", "g++-13"} <= {need.package for need in there.needs[: -len(own.needs)]}
