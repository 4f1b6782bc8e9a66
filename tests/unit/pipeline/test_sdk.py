"""Environments: their words, descriptions, argument lists; the launcher's variables."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rocm_patch.errors import SysrootError, UsageError
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


def test_host_runs_clean_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "yes")
    monkeypatch.setenv(RUN_VARIABLE, "run-1")
    sdk = HostSdk(tmp_path)
    mount = Mount(tmp_path, "/src")
    assert sdk.seen(mount) == str(tmp_path)
    argv = sdk.command(
        ["sh", "-c", f"pwd; echo $A $LEAK ${RUN_VARIABLE}; echo $PATH"],
        mounts=[mount], env={"A": "b"}, cwd=str(tmp_path),
    )  # fmt: skip
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0] == str(tmp_path)
    assert said[1] == "b run-1"
    assert said[2].startswith(f"{tmp_path}/bin:{tmp_path}/lib/llvm/bin:")


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


@pytest.mark.parametrize(("program", "user"), [("podman", "--userns=keep-id"), ("docker", "--user=")])
def test_container(program: str, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / program).write_text("")
    (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    sdk = ContainerSdk(IMAGE)
    line = sdk.command(
        ["ninja"], mounts=[Mount(Path("/a"), "/src", write=True), Mount(Path("/b"), "/tools")],
        env={"A": "b c"}, cwd="/src",
    )  # fmt: skip
    assert line[:5] == [program, "run", "--rm", "--init", "--network=none"]
    assert any(word.startswith(user) for word in line)
    assert "/a:/src:rw" in line
    assert "/b:/tools:ro" in line
    assert "A=b c" in line
    assert line[-2:] == [IMAGE, "ninja"]
    assert list(sdk.tools) == [program]
    assert sdk.describe()["image"] == "sha256:" + "a" * 64


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
    assert launcher_env("ccache", here, mounts)["CCACHE_DIR"] == str(tmp_path / "cache")
    env = launcher_env("sccache", inside, mounts)
    assert env["SCCACHE_DIST_AUTH"] == "mine"
    assert env["CMAKE_C_COMPILER_LAUNCHER"] == "sccache"
    assert launcher_env("none", inside, mounts) == {"HIP_CLANG_PATH": "/tools"}
