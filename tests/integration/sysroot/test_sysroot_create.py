"""Making roots for real: whole or not at all, one at a time, offline, as the lock says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest

from rocm_patch.errors import LockDriftError, SysrootError
from rocm_patch.sources.progress import Silent
from rocm_patch.sources.store import ObjectStore
from rocm_patch.sysroot import Sysroot, load_lock
from rocm_patch.sysroot.core import RECORD, root_key
from rocm_patch.sysroot.lock import Lock
from rocm_patch.sysroot.make import create
from rocm_patch.sysroot.resolve import resolve
from rocm_patch.sysroot.verify import verify
from rocm_patch.sysroot.wishes import load_wishes

pytestmark = pytest.mark.sysroot

MAKER = """
import sys
from pathlib import Path
from rocm_patch.sources.store import ObjectStore
from rocm_patch.sysroot.lock import load_lock
from rocm_patch.sysroot.make import create
waited = []
lock, store = load_lock(Path(sys.argv[1])), ObjectStore(Path(sys.argv[2]))
root = create(lock, store=store, on_wait=lambda: waited.append(1))
print("waited" if waited else "made", root.path)
"""


@attrs.frozen
class Maker:
    """Starts processes that make the small root in a cache of this test."""

    lock: Lock
    lock_file: Path
    store: Path
    env: dict[str, str]

    @property
    def folder(self) -> Path:
        """Give the folder of the roots."""
        return Path(self.env["ROCM_PATCH_CACHE"]) / "sysroots"

    @property
    def place(self) -> Path:
        """Give where the finished root will be."""
        return self.folder / root_key(self.lock)

    def start(self) -> subprocess.Popen[str]:
        """Start one."""
        argv = [sys.executable, "-c", MAKER, str(self.lock_file), str(self.store)]
        return subprocess.Popen(argv, env=self.env, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def maker(mini_lock: Lock, store_root: Path, tmp_path: Path, child_env: dict[str, str]) -> Maker:
    """Give the means to make the small root."""
    file = tmp_path / "mini.lock"
    file.write_text(mini_lock.text(), encoding="utf-8")
    return Maker(mini_lock, file, store_root, child_env)


def test_a_killed_run_leaves_no_root_and_the_next_one_goes_on(maker: Maker) -> None:
    with maker.start() as first:
        end = time.monotonic() + 120
        while not list(maker.folder.glob(".making-*/root/var/lib/dpkg/info/tar.list")):
            assert time.monotonic() < end, "dpkg was not reached"
            time.sleep(0.1)
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert not maker.place.exists()
    left = list(maker.folder.glob(".making-*"))
    assert len(left) == 1
    with maker.start() as second, maker.start() as third:
        told = sorted(one.communicate(timeout=600)[0] for one in (second, third))
    assert told == [f"made {maker.place}\n", f"waited {maker.place}\n"]
    assert list(maker.folder.glob(".making-*")) == []
    verdict = verify(maker.place, maker.lock)
    assert verdict.drift == ()
    assert verdict.packages == len(maker.lock.packages)
    owners = {(entry.lstat().st_uid, entry.lstat().st_gid) for entry in maker.place.rglob("*")}
    assert owners == {(os.getuid(), os.getgid())}
    _drift_is_found(maker)


def _drift_is_found(maker: Maker) -> None:
    """Damage the finished root in several ways at once; each is named."""
    (maker.place / "usr/bin/tar").write_bytes(b"not tar")
    (maker.place / "usr/bin/grep").unlink()
    smaller = Lock(header=maker.lock.header, packages=maker.lock.packages[1:])
    with pytest.raises(LockDriftError) as caught:
        verify(maker.place, smaller).require()
    gone = maker.lock.packages[0]
    assert sorted(caught.value.detail) == sorted(
        [
            f"{gone.name}: {gone.version} is in the root, but not in the lock",
            "grep: /usr/bin/grep is missing",
            "tar: /usr/bin/tar has another content",
        ]
    )


def test_packages_that_do_not_fit_together_fail(
    mini_lock: Lock, store_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path))
    extra = next(package for package in load_lock().packages if package.name == "rocminfo")
    lock = Lock(header=mini_lock.header, packages=tuple(sorted((*mini_lock.packages, extra))))
    with pytest.raises(SysrootError, match="dpkg failed") as caught:
        create(lock, store=ObjectStore(store_root), ui=Silent())
    assert any("rocminfo" in line for line in caught.value.detail)
    assert not (tmp_path / "sysroots" / root_key(lock)).exists()


def test_the_real_root_is_as_locked(real: Sysroot) -> None:
    lock = load_lock()
    verdict = verify(real.path, lock)
    assert verdict.drift == ()
    assert verdict.packages == len(lock.packages)
    assert verdict.files > 20_000
    record = real.record()
    assert record["packages-sha256"] == lock.digest
    assert [one["name"] for one in record["fixups"]] == ["miopen-opencl-compiler", "miopen-hip-compiler"]
    assert all(len(one["reason"]) > 50 for one in record["fixups"])


def test_a_made_root_is_opened_at_once(real: Sysroot) -> None:
    began = time.monotonic()
    assert create(load_lock()).path == real.path
    assert time.monotonic() - began < 2
    assert (real.path / RECORD).is_file()


def test_an_unsigned_archive_is_refused(tmp_path: Path) -> None:
    wishes, digest = load_wishes("rocm-6.4")
    suite = tmp_path / "archive/dists/sid"
    index = suite / "main/binary-amd64/Packages"
    index.parent.mkdir(parents=True)
    index.write_text("")
    (suite / "Release").write_text("Suite: sid\nCodename: sid\nComponents: main\nArchitectures: amd64\n")
    with pytest.raises(SysrootError, match="lists could not be fetched") as caught:
        resolve(wishes, wishes_sha256=digest, archive=f"file://{tmp_path}/archive", work=tmp_path / "work")
    assert any("not signed" in line or "InRelease" in line for line in caught.value.detail)


@pytest.mark.network
def test_the_real_suite_gives_a_lock(tmp_path: Path) -> None:
    wishes, digest = load_wishes("rocm-6.4")
    small = wishes.model_copy(update={"packages": {"tools": ("rocminfo", "zlib1g-dev")}, "name": "small"})
    lock = resolve(
        small, wishes_sha256=digest, archive="http://deb.debian.org/debian", work=tmp_path / "work"
    )
    names = {package.name for package in lock.packages}
    assert {"apt", "dpkg", "libc6", "rocminfo", "zlib1g-dev", "libhsa-runtime64-1"} <= names
    assert "hipcc" not in names
    assert len(lock.header["index-sha256"]) == 64
    shutil.rmtree(tmp_path / "work")
