"""The sysroot, what is linked with, and the finished probe wheel, each made once a session."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from tests.integration.wheel.makeprobe import TAG, make_probe

from rocm_patch.pipeline.sdk import SysrootSdk, sdk_of
from rocm_patch.sources import ObjectStore, fetch_all, load_recipe
from rocm_patch.wheel import deps, floor
from rocm_patch.wheel.finish import Given, finish
from rocm_patch.wheel.inside import Inside
from rocm_patch.wheel.sbom import Subject
from rocm_patch.wheel.table import Table, load_table

EPOCH = 1738108800


@attrs.frozen
class Shop:
    """All that finishing needs."""

    inside: Inside
    table: Table
    given: Given

    def finish(self, raw: Path, folder: Path) -> Path:
        folder.mkdir(parents=True)
        return finish(
            raw, folder, self.given, inside=self.inside, table=self.table, scratch=folder / "scratch"
        )


@pytest.fixture(scope="session")
def inside() -> Inside:
    sdk = sdk_of("sysroot")
    assert isinstance(sdk, SysrootSdk)
    sdk.prepare(lambda _: None)
    return Inside(sdk)


@pytest.fixture(scope="session")
def linkparts(inside: Inside, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pipeline's step `deps` makes."""
    folder = tmp_path_factory.mktemp("deps")
    gloo = [item for item in load_recipe("pytorch").items("2.6.0") if item.name == "gloo"]
    archive = fetch_all(gloo, cache=ObjectStore())["gloo"]
    flags = "--gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/13 -fclang-abi-compat=17"
    deps.make_stubs(inside, folder, load_table(), flags=flags)
    deps.make_openblas(inside, folder)
    deps.make_gloo(inside, folder, archive, flags=flags, mounts=[], env={}, jobs=2)
    return folder


@pytest.fixture(scope="session")
def shop(inside: Inside, linkparts: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    wanted = ("auditwheel", "pyelftools", "packaging")
    items = [item for item in load_recipe("pytorch").items("2.6.0", python="3.13") if item.name in wanted]
    folder = tmp_path_factory.mktemp("tools")
    tools = []
    for name, path in sorted(fetch_all(items, cache=ObjectStore()).items()):
        tools.append(folder / f"{name}.whl")
        tools[-1].symlink_to(path)
    subject = Subject(
        name="probe",
        version="1.0+rocm6.4.gfx1010",
        licence="MIT",
        epoch=EPOCH,
        sdk=dict(inside.sdk.describe()),
        ancestor="pkg:generic/probe@1.0",
        ancestor_sha256="0" * 64,
        patches=[("0001-none.patch", "--- a\n+++ b\n")],
    )
    packages = ("libopenblas-pthread-dev", "libfmt-dev")
    given = Given(
        subject=subject, tag=TAG, python="python3.13", floor=linkparts / "lib" / floor.LIBRARY,
        tools=tools, static_packages=packages,
    )  # fmt: skip
    return Shop(inside, load_table(), given)


@pytest.fixture(scope="session")
def raw(inside: Inside, linkparts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_probe(inside, linkparts, tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="session")
def finished(shop: Shop, raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop.finish(raw, tmp_path_factory.mktemp("finished") / "a")
