"""Patched copies of the SDK's headers, with an installed ROCm made of a few files."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from rocm_patch.components import sdkheaders
from rocm_patch.components.pytorch import Build
from rocm_patch.components.settings import SdkSeries, load_settings
from rocm_patch.errors import BuildError, DataError, HunkError, SeriesError
from rocm_patch.paths import data_root
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.model import Component, Estimate, Request, Step
from rocm_patch.pipeline.sdk import ContainerSdk, HostSdk, Mount, Sdk, SysrootSdk

WANTED = SdkSeries(
    component="rocprim",
    headers="{rocm}/include/rocprim",
    version_file="version.hpp",
    version_macro="ROCPRIM_VERSION",
    versions={"3.4.1": "6.4.3", "2.0.0": "none"},
)
PATCH = """Description: Wait
Author: somebody
Forwarded: no
---
--- a/rocprim/atomic.hpp
+++ b/rocprim/atomic.hpp
@@ -1,2 +1,2 @@
-wait(load)
+wait(everything)
 end
"""


@pytest.fixture
def rocm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an installed ROCm; the series are ours too."""
    data = tmp_path / "data"
    for version, names in (("6.4.3", "0001-wait.patch\n"), ("none", "")):
        folder = data / "patches" / "rocprim" / version
        folder.mkdir(parents=True)
        (folder / "series").write_text(names)
    (data / "patches" / "rocprim" / "6.4.3" / "0001-wait.patch").write_text(PATCH)
    (data / "recipes").mkdir()
    (data / "build").symlink_to(data_root() / "build")
    monkeypatch.setenv("ROCM_PATCH_DATA", str(data))
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path / "cache"))
    rocm = tmp_path / "rocm"
    (rocm / ".info").mkdir(parents=True)
    (rocm / ".info" / "version").write_text("6.4.3\n")
    headers = rocm / "include" / "rocprim"
    headers.mkdir(parents=True)
    (headers / "atomic.hpp").write_text("wait(load)\nend\n")
    tell_version(rocm, "3", "4", "1")
    for path in headers.iterdir():
        os.utime(path, (1000, 1000))
    return rocm


def tell_version(rocm: Path, *numbers: str) -> None:
    parts = zip(("MAJOR", "MINOR", "PATCH"), numbers, strict=True)
    text = "".join(f"#define ROCPRIM_VERSION_{part} {number}\n" for part, number in parts)
    (rocm / "include" / "rocprim" / "version.hpp").write_text(text)


class Headers:
    """A component with this one step."""

    name = "headers"

    def __init__(self, sdk: Sdk) -> None:
        self.sdk = sdk

    def steps(self, request: Request, folder: Path) -> list[Step]:
        del request, folder
        return [
            Step(
                name="sdk-headers", does="patch", outputs=[sdkheaders.FOLDER], estimate=Estimate,
                run=lambda run: sdkheaders.patch_headers(run, self.sdk, [WANTED]),
            )
        ]  # fmt: skip

    def products(self, request: Request, folder: Path) -> list[Path]:
        del request
        return [folder / sdkheaders.FOLDER / "rocprim"]


def patched(rocm: Path) -> Path:
    """Run the step; give the patched folder."""
    component: Component = Headers(HostSdk(rocm))
    pipeline = Pipeline(component, Request(component="headers", version="1"))
    pipeline.run()
    return pipeline.folder / sdkheaders.FOLDER / "rocprim"


def test_the_copy_is_patched_and_the_sdk_is_not(rocm: Path) -> None:
    made = patched(rocm)
    assert (made / "atomic.hpp").read_text() == "wait(everything)\nend\n"
    assert (rocm / "include/rocprim/atomic.hpp").read_text() == "wait(load)\nend\n"
    # Only what is patched is new to ninja.
    assert (made / "version.hpp").stat().st_mtime == 1000
    assert (made / "atomic.hpp").stat().st_mtime > 1000


def test_a_version_that_needs_nothing(rocm: Path) -> None:
    tell_version(rocm, "2", "0", "0")
    assert (patched(rocm) / "atomic.hpp").read_text() == "wait(load)\nend\n"


def test_what_the_sdk_holds_must_be_known(rocm: Path) -> None:
    tell_version(rocm, "4", "0", "0")
    with pytest.raises(SeriesError, match=r"rocprim is 4\.0\.0(.|\n)*known: 2\.0\.0, 3\.4\.1"):
        patched(rocm)
    (rocm / "include/rocprim/version.hpp").write_text("#define ROCPRIM_VERSION 304001\n")
    with pytest.raises(SeriesError, match="no line that defines ROCPRIM_VERSION_MAJOR"):
        patched(rocm)
    (rocm / "include/rocprim/version.hpp").unlink()
    with pytest.raises(SeriesError, match=r"version\.hpp is missing"):
        patched(rocm)


def test_other_bytes_than_the_version_promises(rocm: Path) -> None:
    (rocm / "include/rocprim/atomic.hpp").write_text("wait(stores)\nend\n")
    with pytest.raises(HunkError):
        patched(rocm)


def test_no_such_headers(rocm: Path) -> None:
    (rocm / "include/rocprim").rename(rocm / "include/hipcub")
    with pytest.raises(BuildError, match=r"the SDK has no .*/include/rocprim"):
        patched(rocm)


def test_where_the_copy_is_seen() -> None:
    folder = Path("/work")
    mounts = sdkheaders.header_mounts(folder, SysrootSdk(), [WANTED])
    assert mounts == [Mount(folder / "headers" / "rocprim", "/usr/include/rocprim")]
    container = ContainerSdk("image@sha256:" + "0" * 64)
    assert sdkheaders.header_mounts(folder, container, [WANTED])[0].inside == "/opt/rocm/include/rocprim"
    host = HostSdk(Path("/opt/rocm-6.4.3"))
    assert sdkheaders.header_mounts(folder, host, [WANTED])[0].inside == "/opt/rocm-6.4.3/include/rocprim"
    assert sdkheaders.place(WANTED, host) == PurePosixPath("/opt/rocm-6.4.3/include/rocprim")
    with pytest.raises(DataError, match="is no path"):
        sdkheaders.place(WANTED.model_copy(update={"headers": "{rocn}/x"}), host)


def test_pytorch_compiles_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path))
    build = Build(Request(component="pytorch", version="2.6.0"), tmp_path / "work")
    assert Mount(tmp_path / "work/headers/rocprim", "/usr/include/rocprim") in build.mounts
    steps = {step.name: step for step in build.steps()}
    assert "sdk-headers" in steps["configure"].after
    wanted = load_settings("pytorch", "2.6.0").sdk_series
    assert sdkheaders.digests(wanted)["rocprim"].keys() == wanted[0].versions.keys()
