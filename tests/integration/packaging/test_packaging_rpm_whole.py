"""The wheel's .rpm and the meta-package under dnf and zypper; kill -9 in the middle under rpm and dnf.

The roots have no distribution in them: one empty package says that it provides Python, glibc and AMD's
libraries. What is shown is what the clients do with our packages, not that the modules run there.
docs/records/packages.md has the same with torch's own .rpm.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.packaging import parts
from tests.integration.packaging.conftest import House
from tests.integration.packaging.rpmclients import Client, dnf, installed, rpm, zypper

META = "rocm-patch-gfx1010"
WHEEL = "python3-probe-gfx1010"
PACK = "rocblas-gfx1010-kernels"
OURS = f"{parts.STOCK_RPM}+gfx1010.1"


@pytest.mark.parametrize(("client", "yes"), [(dnf, []), (zypper, ["--gpg-auto-import-keys"])])
def test_the_meta_package_brings_the_wheel_and_the_libraries(
    client: Client, yes: list[str], *, root: Path, repo: Path, house: House, tmp_path: Path
) -> None:
    """By the meta-package's name alone: the wheel's needs are met, and the stock miopen-hip is upgraded."""
    wheel = house.path(f"{WHEEL}-")
    wanted = parts.required(wheel)
    assert "python(abi) = 3.13" in wanted
    before = set(root.rglob("*"))
    done = client(root, repo, *yes, "install", WHEEL)
    said = done.stdout + done.stderr
    # Without the Python and the glibc that the wheel needs it is refused, and the need named.
    assert any(f"nothing provides {one} needed by {WHEEL}" in said for one in wanted), said
    assert done.returncode != 0
    rpm(root, "-i", parts.stand_in_rpm(tmp_path, [one for one in wanted if one != "rocblas"]))
    stock = installed(root)
    done = client(root, repo, *yes, "install", META)
    assert done.returncode == 0, done.stdout + done.stderr
    assert installed(root) - stock == {
        f"{META} 6.4.3+gfx1010.1-1", f"{WHEEL} 1.0+rocm6.4.gfx1010-1", f"{PACK} {OURS}", f"miopen-hip {OURS}",
    }  # fmt: skip
    rpm(root, "-V", META, WHEEL, PACK, "miopen-hip")
    site = root / "usr/lib64/python3.13/site-packages/probe/__init__.py"
    assert "probe runs" in site.read_text()
    done = client(root, repo, *yes, "remove", META, WHEEL, PACK)
    assert done.returncode == 0, done.stdout + done.stderr
    rpm(root, "-U", "--oldpackage", house.stocks["miopen.rpm"])
    assert installed(root) == stock
    now = set(root.rglob("*"))
    left = {path for path in now - before if "probe" in path.name or "gfx1010" in path.name}
    # What the clients note of their own work is not ours to remove.
    assert {path for path in left if "var" not in path.relative_to(root).parts} == set()


KILLER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* rpm lays every file down as NAME;HEX and renames them all at the end: die before the AT-th of these. */
static void count(const char* from)
{
    static int left = 0;
    if(!strchr(from, ';'))
        return;
    if(left == 0)
        left = atoi(getenv("AT"));
    if(--left == 0)
        kill(getpid(), SIGKILL);
}
int renameat(int a, const char* from, int b, const char* to)
{
    count(from);
    return ((int (*)(int, const char*, int, const char*))dlsym(RTLD_NEXT, "renameat"))(a, from, b, to);
}
int rename(const char* from, const char* to)
{
    count(from);
    return ((int (*)(const char*, const char*))dlsym(RTLD_NEXT, "rename"))(from, to);
}
"""


@pytest.fixture(scope="session")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killer")
    (folder / "killer.c").write_text(KILLER)
    parts.run(
        ["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", folder / "killer.so", folder / "killer.c"]
    )
    return folder / "killer.so"


Upgrade = Callable[[Path, Path, House, dict[str, str]], subprocess.CompletedProcess[str]]


def by_rpm(root: Path, repo: Path, house: House, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    del repo
    argv = ["rpm", "--root", str(root), "--nosignature", "-U", str(house.path("miopen-hip-4"))]
    environment = {**parts.environment(root.parent), **env}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)


def by_dnf(root: Path, repo: Path, house: House, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    del house
    return dnf(root, repo, "upgrade", "miopen-hip", env=env)


@pytest.mark.parametrize("upgrade", [by_rpm, by_dnf])
def test_a_kill_in_the_middle_of_a_replacement_is_mended_by_the_same_command(
    upgrade: Upgrade, *, root: Path, repo: Path, house: House, killer: Path
) -> None:
    """A power cut when one file of ours is in its place and the others are not."""
    lib = root / parts.AMD_LIB
    done = upgrade(root, repo, house, {"LD_PRELOAD": str(killer), "AT": "2"})
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    assert f"miopen-hip {parts.STOCK_RPM}" in installed(root)
    assert [path for path in root.rglob("*;*") if path.is_relative_to(root / "opt")] != []
    # HEX is the second in which a run began; no one repeats it in the same one after a power cut.
    time.sleep(1.1)
    done = upgrade(root, repo, house, {})
    assert done.returncode == 0, done.stdout + done.stderr
    assert installed(root) == {f"rocblas {parts.STOCK_RPM}", f"miopen-hip {OURS}"}
    rpm(root, "-V", "miopen-hip", "rocblas")
    assert b"ours" in (lib / "libMIOpen.so.1").resolve().read_bytes()
    # rpm itself does not remove what the killed one had laid down; docs/packages.md says how to find it.
    whole = {path for path in lib.rglob("*") if ";" not in path.name and not path.is_dir()}
    assert {path.name for path in whole if "MIOpen" in path.name} == {"libMIOpen.so.1", "libMIOpen.so.1.4"}
