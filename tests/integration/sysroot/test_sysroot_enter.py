"""Commands in the real sysroot: what they see, cannot do, and how they end; what hipcc makes there."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rocm_patch.errors import SysrootError
from rocm_patch.sysroot import Bind, Sysroot, core
from rocm_patch.sysroot.core import Backend

pytestmark = pytest.mark.sysroot

HIPCC = {"HIP_CLANG_PATH": "/usr/lib/llvm-21/bin"}
PROGRAM = """
#include <hip/hip_runtime.h>
#include <cmath>
__global__ void root(float* values) { values[threadIdx.x] = std::sqrt(values[threadIdx.x]); }
int main() { return 0; }
"""
LOOPBACK = """
import socket
with socket.socket() as there:
    there.bind(("127.0.0.1", 0))
    there.listen()
    with socket.create_connection(there.getsockname(), 5):
        print("loopback up")
"""


@pytest.fixture(params=["bwrap", "nsexec"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Give each way in; both must work where these tests run."""
    name: Backend = request.param
    assert core.probe(name) is None
    return name


def run(real: Sysroot, backend: Backend, *argv: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command by one way in."""
    command = real.command(argv, backend=backend, **options)  # type: ignore[arg-type]  # the API's own words
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_inside_is_clean(real: Sysroot, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/somewhere")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    done = run(real, backend, "env", "--", "sh", "-c", "env; id -u; ls -A /tmp; ps -e -o pid= | wc -l")
    lines = done.stdout.split("\n")
    assert done.returncode == 0, done.stderr
    assert "SOURCE_DATE_EPOCH=1700000000" in lines
    assert "HOME=/tmp" in lines
    assert not any(line.startswith(("LD_LIBRARY_PATH", "USER=")) for line in lines)
    assert "0" in lines
    assert int(lines[-2]) < 8


def test_the_root_is_read_only_and_binds_are_not(real: Sysroot, backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_text("here\n")
    binds = [Bind(tmp_path, "/w"), Bind(tmp_path / "in", "/opt/deep/in", "ro")]
    script = "cat /opt/deep/in/file; touch /w/made"
    script += "; ! touch /usr/made && ! touch /opt/deep/in/made && ! touch /made"
    done = run(real, backend, "sh", "-c", script, binds=binds, cwd="/w")
    assert (done.returncode, done.stdout) == (0, "here\n"), done.stderr
    assert (tmp_path / "made").exists()
    assert not (real.path / "usr/made").exists()


def test_the_network_is_off_and_the_loopback_up(real: Sysroot, backend: Backend) -> None:
    with socket.socket() as outside:
        outside.bind(("127.0.0.1", 0))
        outside.listen()
        port = outside.getsockname()[1]
        reach = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('reached')"
        assert "loopback up" in run(real, backend, "python3", "-c", LOOPBACK).stdout
        assert "reached" not in run(real, backend, "python3", "-c", reach).stdout
        assert "reached" in run(real, backend, "python3", "-c", reach, network=True).stdout
    devices = run(real, backend, "cat", "/proc/net/dev").stdout.splitlines()[2:]
    assert [line.partition(":")[0].strip() for line in devices] == ["lo"]


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_exit_codes_pass_through(real: Sysroot, backend: Backend, script: str, code: int) -> None:
    assert run(real, backend, "sh", "-c", script).returncode == code


def test_devices_work(real: Sysroot, backend: Backend) -> None:
    script = "echo x > /dev/null && head -c 8 /dev/urandom | wc -c && test -d /dev/shm && test -e /dev/ptmx"
    assert run(real, backend, "sh", "-c", script).stdout == "8\n"


def test_all_inside_dies_with_the_caller(real: Sysroot, backend: Backend, tmp_path: Path) -> None:
    script = "echo started > /w/mark; sleep 300 & sleep 300"
    command = real.command(["sh", "-c", script], backend=backend, binds=[Bind(tmp_path, "/w")])
    starter = f"import subprocess, sys; subprocess.run({command!r})"
    with subprocess.Popen([sys.executable, "-c", starter]) as process:
        _until((tmp_path / "mark").exists)
        inside = _descendants(process.pid)
        assert len(inside) >= 3
        process.send_signal(signal.SIGKILL)
        process.wait()
    _until(lambda: not any(map(_alive, inside)))


def test_a_signal_reaches_the_command(real: Sysroot, tmp_path: Path, child_env: dict[str, str]) -> None:
    script = (
        "trap 'echo caught > /w/caught; exit 9' TERM; echo started > /w/mark; while :; do sleep 0.1; done"
    )
    words = ["sysroot", "enter", "--bind", f"{tmp_path}:/w", "--", "sh", "-c", script]
    env = {**child_env, "ROCM_PATCH_SYSROOT": str(real.path)}
    with subprocess.Popen([sys.executable, "-m", "rocm_patch", *words], env=env) as process:
        _until((tmp_path / "mark").exists)
        process.terminate()
        assert process.wait(30) == 9
    assert (tmp_path / "caught").exists()


def test_a_writable_view_changes_nothing(real: Sysroot, tmp_path: Path, child_env: dict[str, str]) -> None:
    script = "rm /usr/bin/git && echo new > /etc/new && cat /etc/new"
    words = ["sysroot", "enter", "--writable", "--", "sh", "-c", script]
    env = {**child_env, "ROCM_PATCH_SYSROOT": str(real.path)}
    command = [sys.executable, "-m", "rocm_patch", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "new\n"), done.stderr
    assert (real.path / "usr/bin/git").exists()
    assert not (real.path / "etc/new").exists()
    assert list((tmp_path / "cache/sysroots").iterdir()) == []


def test_hipcc_tells_its_version(real: Sysroot) -> None:
    assert "HIP version: 6.4" in real.run(["hipcc", "--version"], env=HIPCC).stdout


def test_a_hip_program_compiles_for_gfx1010(real: Sysroot, tmp_path: Path) -> None:
    (tmp_path / "root.hip").write_text(PROGRAM)
    argv = ["hipcc", "--offload-arch=gfx1010", "root.hip", "-o", "root"]
    real.run(argv, binds=[Bind(tmp_path, "/w")], cwd="/w", env=HIPCC)
    assert b"amdgcn-amd-amdhsa--gfx1010" in (tmp_path / "root").read_bytes()


def test_a_failure_shows_what_the_compiler_said(real: Sysroot, tmp_path: Path) -> None:
    (tmp_path / "bad.hip").write_text("oops")
    with pytest.raises(SysrootError) as caught:
        real.run(["hipcc", "-c", "bad.hip"], binds=[Bind(tmp_path, "/w", "ro")], cwd="/w", env=HIPCC)
    assert any("bad.hip:1:1" in line for line in caught.value.detail)
    with pytest.raises(SysrootError, match="still running"):
        real.run(["sleep", "30"], timeout=1)


def test_miopens_compilers_work_with_miopens_words(real: Sysroot, tmp_path: Path) -> None:
    (tmp_path / "root.hip").write_text(PROGRAM)
    (tmp_path / "twice.cl").write_text("kernel void twice(global float* v) { v[get_global_id(0)] *= 2.0f; }")
    hip = ["-x", "hip", "-isystem", "/usr/include", "--offload-arch=gfx1010", "--offload-device-only"]
    hip += ["-c", "/w/root.hip", "-o", "/w/root.co"]
    binds = [Bind(tmp_path, "/w")]
    packaged = real.run(["/usr/lib/llvm-21/bin/clang++", *hip], binds=binds, check=False)
    assert packaged.returncode != 0, "the packaged compiler takes these words now: the fix-up may go"
    assert "math.h" in packaged.stderr
    real.run(["/usr/bin/clang++-21", *hip], binds=binds)
    assert (tmp_path / "root.co").stat().st_size > 0
    (place,) = (real.path / "build/reproducible-path").glob("miopen-*/build/clang-21")
    opencl = ["-target", "amdgcn-amd-amdhsa", "-x", "cl", "-cl-std=CL2.0", "-mcpu=gfx1010"]
    opencl += ["/w/twice.cl", "-o", "/w/twice.co"]
    real.run([f"/{place.relative_to(real.path)}", *opencl], binds=binds)
    assert (tmp_path / "twice.co").read_bytes()[:4] == b"\x7fELF"


def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not happen in time"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    """Say whether a process still runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def _descendants(pid: int) -> list[int]:
    """Give all processes below one."""
    found: list[int] = []
    for child in core._children(pid):
        found += [child, *_descendants(child)]
    return found
