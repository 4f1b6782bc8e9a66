"""A real small wheel, finished, is within every rule; each rule finds what is planted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.integration.wheel.conftest import Shop
from tests.integration.wheel.makeprobe import make_probe

from rocm_patch.cli.wheel import wheel as command
from rocm_patch.errors import WheelError
from rocm_patch.pipeline.sdk import Mount
from rocm_patch.sysroot import load_lock
from rocm_patch.wheel import check, sbom
from rocm_patch.wheel.archive import dist_info, pack_wheel, unpack_wheel
from rocm_patch.wheel.elf import read_dynamic
from rocm_patch.wheel.inside import Inside

pytestmark = [pytest.mark.sysroot, pytest.mark.network, pytest.mark.slow]

CPU = "probe/lib/libprobe_cpu.so"
HIP = "probe/lib/libprobe_hip.so"


@pytest.fixture
def tree(finished: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    unpack_wheel(finished, folder)
    return folder


def broken(finished: Path, tree: Path, shop: Shop) -> dict[str, list[str]]:
    """Pack a tree again and give what each rule says of it."""
    target = tree.parent / finished.name
    pack_wheel(tree, target, epoch=0)
    found = check.problems(target, shop.table, root=shop.inside.root)
    return {rule: [one.text for one in found if one.rule == rule] for rule in {one.rule for one in found}}


def test_within_every_rule(finished: Path, shop: Shop) -> None:
    assert check.problems(finished, shop.table, root=shop.inside.root) == []
    assert finished.name == "probe-1.0+rocm6.4.gfx1010-cp313-cp313-linux_x86_64.whl"


def test_packing_twice_gives_the_same_bytes(finished: Path, shop: Shop, raw: Path, tmp_path: Path) -> None:
    assert shop.finish(raw, tmp_path / "b").read_bytes() == finished.read_bytes()


def test_what_it_says_of_itself(finished: Path, tree: Path) -> None:
    done = CliRunner().invoke(command, ["show", "--json", str(finished)])
    told = json.loads(done.output)
    assert told["floors"] == {"CXXABI": "1.3.13", "GCC": "3.3.1", "GLIBC": "2.34", "GLIBCXX": "3.4.30"}
    assert "libMIOpen.so.1" in told["rocm"]
    assert {"libomp.so.5", "libonnx.so.1"} <= set(told["vendored"].values())
    assert not any("openblas" in name or "gloo" in name or "gfortran" in name for name in told["vendored"])
    assert told["libraries"][HIP]["runpath"][:2] == ["$ORIGIN", "/opt/rocm-6.4.4/lib"]
    assert told["libraries"][CPU]["runpath"] == ["$ORIGIN", "$ORIGIN/../../probe.libs"]
    plain = CliRunner().invoke(command, ["show", str(finished)])
    assert "GLIBC 2.34" in plain.output
    text = (dist_info(tree) / "METADATA").read_text(encoding="utf-8")
    assert "Requires-External: glibc (>=2.34)" in text


def test_bill_of_materials(tree: Path) -> None:
    bill = json.loads((dist_info(tree) / "sboms" / sbom.FILE).read_bytes())
    assert bill["specVersion"] == "1.6"
    assert bill["metadata"]["component"]["pedigree"]["patches"][0]["type"] == "unofficial"
    by_name = {one["name"]: one for one in bill["components"]}
    locked = {one.name: one for one in load_lock().packages}
    for name in ("libuv1t64", "libopenblas-pthread-dev"):
        assert by_name[name]["version"] == locked[name].version
        assert by_name[name]["hashes"] == [{"alg": "SHA-256", "content": locked[name].sha256}]
    for name, one in by_name.items():
        said = {entry["name"]: entry["value"] for entry in one["properties"]}
        theirs = f"licenses/debian/{name}.copyright"
        wanted = "licenses/rocm-patch.LICENSE" if name == "rocm-patch-floor" else theirs
        assert said["rocm-patch:licence-file"] == wanted
    assert (dist_info(tree) / "licenses/rocm-patch.LICENSE").read_bytes()
    assert (dist_info(tree) / "licenses/debian/libuv1t64.copyright").read_bytes()


def test_without_the_stubs_the_floor_is_broken(
    shop: Shop, inside: Inside, linkparts: Path, tmp_path: Path
) -> None:
    """The sysroot's own libc and libopenblas: what auditwheel refuses, and what the rule says."""
    plain = make_probe(inside, linkparts, tmp_path / "p", floor=False)
    tree = tmp_path / "t"
    tree.mkdir()
    unpack_wheel(plain, tree)
    found = [one for one in check.problems(plain, shop.table) if one.rule == "floor"]
    assert f"{CPU} asks libm.so.6 for GLIBC_2.43" in {one.text for one in found}


def test_hipblaslt_fails(shop: Shop, inside: Inside, raw: Path, tmp_path: Path) -> None:
    tree = tmp_path / "t"
    tree.mkdir()
    unpack_wheel(raw, tree)
    mount = Mount(tree, "/w", write=True)
    inside.run(["patchelf", "--add-needed", "libhipblaslt.so.1", f"/w/{HIP}"], mounts=[mount])
    inside.run(["patchelf", "--add-needed", "libnowhere.so.3", f"/w/{HIP}"], mounts=[mount])
    found = broken(raw, tree, shop)["sonames"]
    assert f"{HIP} needs libhipblaslt.so.1, which Debian's and AMD's ROCm 6.4 do not both have" in found
    assert f"{HIP} needs libnowhere.so.3, which is neither in the wheel nor on every system" in found


def test_search_paths(finished: Path, tree: Path, shop: Shop) -> None:
    mount = Mount(tree, "/w", write=True)
    argv = ["patchelf", "--force-rpath", "--set-rpath", "/opt/rocm/lib", f"/w/{HIP}"]
    shop.inside.run(argv, mounts=[mount])
    shop.inside.run(["patchelf", "--set-rpath", "/deps/lib", f"/w/{CPU}"], mounts=[mount])
    found = broken(finished, tree, shop)
    assert f"{HIP} has RPATH /opt/rocm/lib" in found["search-path"]
    assert any(text.startswith(f"{CPU} has RUNPATH /deps/lib, not ") for text in found["search-path"])
    assert f"{CPU} names /deps/lib" in found["build-paths"]


def test_planted_files(finished: Path, tree: Path, shop: Shop) -> None:
    (tree / "probe" / "x.pyc").write_bytes(b"x")
    (tree / "probe" / "note.py").write_text(
        'here = "/src/build/lib and -I/pyenv/include, https://x/home/y"\n'
    )
    info = dist_info(tree)
    text = (info / "METADATA").read_text(encoding="utf-8").replace("glibc (>=2.34)", "glibc (>=2.17)")
    (info / "METADATA").write_text(text, encoding="utf-8")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp313-cp313-linux_x86_64\n")
    shutil.copyfile(tree / HIP, next(tree.glob("probe.libs/libuv*")))
    (info / "licenses/debian/libuv1t64.copyright").unlink()
    found = broken(finished, tree, shop)
    assert found["litter"] == ["probe/x.pyc is compiled Python"]
    assert found["build-paths"] == [
        "probe/note.py names /pyenv/include",
        "probe/note.py names /src/build/lib",
    ]
    assert found["name"] == ["WHEEL does not list cp313-cp313-manylinux_2_34_x86_64, which was computed"]
    assert len(found["external"]) == 2
    assert any("does not name probe.libs/libuv" in text for text in found["bill"])
    assert any("the licence of libuv1t64" in text for text in found["bill"])
    assert any("asks for uv_" in text for text in found["unresolved"])


def test_raw_wheel_is_refused_with_every_rule(raw: Path, shop: Shop) -> None:
    with pytest.raises(WheelError) as caught:
        check.require(raw, shop.table)
    rules = {line.partition(":")[0] for line in caught.value.detail}
    assert {"litter", "sonames", "external", "bill", "name"} <= rules
    done = CliRunner().invoke(command, ["check", str(raw)])
    assert isinstance(done.exception, WheelError)


def test_finish_by_hand(raw: Path, tmp_path: Path) -> None:
    argv = ["finish", str(raw), "--out", str(tmp_path / "o"), "--licence", "MIT"]
    done = CliRunner().invoke(command, argv, catch_exceptions=False)
    made = Path(done.output.strip())
    assert (
        CliRunner()
        .invoke(command, ["check", str(made)], catch_exceptions=False)
        .output.endswith("rules, none broken\n")
    )
    (tmp_path / "back").mkdir()
    unpack_wheel(made, tmp_path / "back")
    dynamic = read_dynamic(tmp_path / "back" / CPU)
    assert dynamic is not None
    assert "libc.so.6" in dynamic.needed
