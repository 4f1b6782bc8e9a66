"""Environments: their words, descriptions, argument lists; the launcher's variables."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rocm_patch.errors import SysrootError, UsageError
from rocm_patch.pipeline import containersdk
from rocm_patch.pipeline.launcher import launcher_env, launcher_name, tools_mounts
from rocm_patch.pipeline.lock import RUN_VARIABLE
from rocm_patch.pipeline.sdk import ContainerSdk, HostSdk, Mount, SysrootSdk, digest, sdk_of

IMAGE = "registry.example/rocm@sha256:" + "a" * 64


def test_words() -> None:
    assert sdk_of("sysroot") == SysrootSdk()
    assert sdk_of("sysroot:other") == SysrootSdk(lock="other")
    assert sdk_of("host:/opt/rocm-6.4.3") == HostSdk(Path("/opt/rocm-6.4.3"))
    assert sdk_of(f"container:{IMAGE}") == ContainerSdk(IMAGE)


@pytest.mark.parametrize(
    "text", ["", "host", "host:relative", "container:", "container:rocm:latest", "cloud"]
)
def test_words_that_are_none(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        sdk_of(text)
    assert caught.value.step


def test_host_is_entered_clean_without_network_and_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAK", "yes")
    rocm, work = tmp_path / "rocm", tmp_path / "work"
    (rocm / "include").mkdir(parents=True)
    (rocm / "include" / "a.h").write_text("stock")
    (work / "headers").mkdir(parents=True)
    (work / "headers" / "a.h").write_text("patched")
    sdk = HostSdk(rocm)
    mounts = [Mount(work, "/src", write=True), Mount(work / "headers", f"{rocm}/include")]
    assert sdk.seen(mounts[0]) == "/src"
    script = (
        f"pwd; echo $A $LEAK; echo $PATH; cat {rocm}/include/a.h; echo; tail -n +2 /proc/net/route; "
        f"echo made > made; touch /usr/touched 2>/dev/null; touch {rocm}/touched 2>/dev/null; echo $?"
    )
    argv = sdk.command(["sh", "-c", script], mounts=mounts, env={"A": "b"}, cwd="/src")
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[:2] == ["/src", "b"]
    assert said[2].startswith(f"{rocm}/bin:{rocm}/lib/llvm/bin:")
    assert said[3:] == ["patched", "1"]  # no route leads anywhere
    assert (work / "made").read_text() == "made\n"
    assert (rocm / "include" / "a.h").read_text() == "stock"
    assert not Path("/usr/touched").exists()


def test_host_prefix_is_the_folder_that_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "rocm-6.4.3").mkdir()
    (tmp_path / "rocm").symlink_to("rocm-6.4.3")
    sdk = HostSdk(tmp_path / "rocm")
    assert sdk.rocm_path == f"{tmp_path}/rocm-6.4.3"
    assert sdk.llvm_bin.startswith(sdk.rocm_path)


def test_host_is_described_by_what_compiles(tmp_path: Path) -> None:
    sdk = HostSdk(tmp_path)
    with pytest.raises(SysrootError, match="no ROCm in"):
        sdk.describe()
    (tmp_path / ".info").mkdir()
    (tmp_path / ".info" / "version").write_text("6.4.3-129\n")
    first = digest(sdk)
    clang = tmp_path / "lib" / "llvm" / "bin" / "clang"
    clang.parent.mkdir(parents=True)
    clang.write_text("another compiler")
    assert digest(sdk) != first
    assert sdk.describe()["rocm"] == "6.4.3-129"


def engines(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Make programs of these names the only ones in PATH, beside the system's."""
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    containersdk._rootless_docker.cache_clear()


HEAD = ["--rm", "--init", "--network=none", "--pull=never", "--read-only", "--tmpfs=/tmp:rw,exec,mode=1777",
        "--entrypoint=", "--workdir=/src", "--security-opt=label=disable"]  # fmt: skip
PLAIN, ROOTLESS = "echo '[name=seccomp]'", "echo '[name=seccomp name=rootless]'"


@pytest.mark.parametrize(
    ("there", "uid", "user"),
    [
        ({"podman": "exit 9", "docker": PLAIN}, 1000, ["--userns=keep-id", "--user=1000:100"]),
        ({"podman": "exit 9"}, 0, ["--user=0:100"]),
        ({"docker": PLAIN}, 1000, ["--user=1000:100"]),
        ({"docker": ROOTLESS}, 1000, ["--user=0:0"]),
    ],
)
def test_container_command_word_for_word(
    there: dict[str, str], uid: int, user: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines(tmp_path, monkeypatch, **there)
    program = next(iter(there))
    for name, value in (("getuid", uid), ("geteuid", uid), ("getgid", 100)):
        monkeypatch.setattr(os, name, lambda value=value: value)
    monkeypatch.setenv(RUN_VARIABLE, "run-1")
    sdk = ContainerSdk(IMAGE)
    line = sdk.command(
        ["ninja", "-n"], mounts=[Mount(Path("/a"), "/src", write=True), Mount(Path("/b"), "/tools")],
        env={"A": "b c", "HOME": "/h"}, cwd="/src",
    )  # fmt: skip
    path = "PATH=/opt/rocm/bin:/opt/rocm/lib/llvm/bin:/usr/local/bin:/usr/bin:/bin"
    env = [path, "HOME=/h", "LC_ALL=C.UTF-8", "TZ=UTC", "A=b c", f"{RUN_VARIABLE}=run-1"]
    assert line == [
        program, "run", *HEAD, *user, "--volume", "/a:/src:rw", "--volume", "/b:/tools:ro",
        *(word for one in env for word in ("--env", one)), IMAGE, "ninja", "-n",
    ]  # fmt: skip
    assert list(sdk.tools) == [program]
    assert sdk.describe() == {"kind": "container", "image": "sha256:" + "a" * 64}


def test_container_image_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    here = tmp_path / "here"
    script = f'echo "$@" >> {log}; case "$1" in image) [ -e {here} ];; pull) : > {here};; esac'
    engines(tmp_path, monkeypatch, podman=script, docker="exit 9")
    said: list[str] = []
    ContainerSdk(IMAGE).prepare(said.append)
    ContainerSdk(IMAGE).prepare(said.append)
    asked = f"image inspect {IMAGE}"
    assert log.read_text().splitlines() == [asked, f"pull {IMAGE}", asked]
    assert said == [f"container: podman fetches {IMAGE}"]


def test_container_image_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines(tmp_path, monkeypatch, docker="echo no route >&2; exit 1")
    with pytest.raises(SysrootError, match="docker could not fetch") as caught:
        ContainerSdk(IMAGE).prepare(lambda _: None)
    assert caught.value.detail == ["no route"]
    assert f"docker pull {IMAGE}" in caught.value.step


def test_sysroot_is_described_by_its_lock_or_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROCM_PATCH_SYSROOT", raising=False)
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path / "cache"))
    sdk = SysrootSdk()
    assert set(sdk.describe()) == {"kind", "lock"}
    cost = sdk.cost()
    assert cost.fetch > 100_000_000
    assert cost.disk > cost.fetch
    monkeypatch.setenv("ROCM_PATCH_SYSROOT", str(tmp_path))
    with pytest.raises(SysrootError, match="is no Debian root"):
        sdk.describe()
    status = tmp_path / "var" / "lib" / "dpkg" / "status"
    status.parent.mkdir(parents=True)
    status.write_text("Package: a\n")
    first = digest(sdk)
    status.write_text("Package: b\n")
    assert digest(sdk) != first
    assert sdk.cost().fetch == 0


def test_launcher_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROCM_PATCH_LAUNCHER", raising=False)
    assert launcher_name() == "ccache"
    monkeypatch.setenv("ROCM_PATCH_LAUNCHER", "sccache")
    assert launcher_name() == "sccache"
    assert launcher_name("none") == "none"
    with pytest.raises(UsageError, match="no launcher distcc"):
        launcher_name("distcc")


def test_launcher_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SCCACHE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SCCACHE_DIST_AUTH", "mine")
    mounts = tools_mounts(tmp_path / "tools", tmp_path / "cache")
    inside, here = SysrootSdk(), HostSdk(Path("/opt/rocm"))
    env = launcher_env("ccache", inside, mounts)
    assert env["HIP_CLANG_PATH"] == "/tools"
    assert env["CCACHE_DIR"] == "/ccache"
    assert env["CMAKE_CXX_COMPILER_LAUNCHER"] == "ccache"
    assert "SCCACHE_DIST_AUTH" not in env
    assert launcher_env("ccache", here, mounts) == env
    env = launcher_env("sccache", inside, mounts)
    assert env["SCCACHE_DIST_AUTH"] == "mine"
    assert env["CMAKE_C_COMPILER_LAUNCHER"] == "sccache"
    assert launcher_env("none", inside, mounts) == {"HIP_CLANG_PATH": "/tools"}
