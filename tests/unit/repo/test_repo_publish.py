"""Publishing: what is refused, what a kill leaves, and that the private half stays in the keyring."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from rocm_patch.errors import BusyError, RepositoryError, UsageError
from rocm_patch.repo import Key, find_key, make_key, publish

CONTROL = (
    "Package: thing\nVersion: {}\nArchitecture: amd64\nMaintainer: a <a@example.org>\nDescription: a thing\n"
)
KILLED = """
import os, signal, sys
from pathlib import Path
from rocm_patch.repo import find_key, publish
sys.modules["rocm_patch.repo.publish"].exchange = lambda fresh, out: os.kill(os.getpid(), signal.SIGKILL)
dist, out, home, fingerprint = sys.argv[1:]
publish(Path(dist), Path(out), find_key(fingerprint, Path(home)), url="http://x")
"""


def add(dist: Path, version: str) -> None:
    tree = dist.parent / f"tree-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(CONTROL.format(version))
    out = dist / "packages/debian/deb"
    out.mkdir(parents=True, exist_ok=True)
    argv: list[str | Path] = ["dpkg-deb", "-Zgzip", "--build", tree, out / f"thing_{version}_amd64.deb"]
    subprocess.run(argv, check=True, capture_output=True)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    made = make_key(tmp_path_factory.mktemp("k") / "ring")
    yield made
    made.close()


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    add(tmp_path / "dist", "1.0-1")
    return tmp_path / "dist"


def test_generations_follow_each_other_and_a_kill_changes_nothing(
    dist: Path, key: Key, tmp_path: Path
) -> None:
    out = tmp_path / "out/repo"
    publish(dist, out, key, url="http://x")
    first = content(out)
    assert {"apt/dists/debian/InRelease", "apt/dists/debian/Release.gpg", "keys/rocm-patch.asc",
            "apt/pool/debian/thing_1.0-1_amd64.deb", "rocm-patch-debian.sources"} <= first.keys()  # fmt: skip
    (dist / "packages/debian/deb/thing_1.0-1_amd64.deb").unlink()
    add(dist, "1.0-2")
    # Killed when the new generation is whole, but not yet in its place.
    argv: list[str | Path] = [sys.executable, "-c", KILLED, dist, out, key.home or "", key.fingerprint]
    path = os.pathsep.join(["src", *sys.path])
    done = subprocess.run(argv, check=False, capture_output=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert content(out) == first
    assert len(list(out.parent.glob(".repo-new-*"))) == 1
    publish(dist, out, key, url="http://x")
    assert list(out.parent.glob(".repo-new-*")) == []
    second = content(out)
    listed = second["apt/dists/debian/main/binary-amd64/Packages"].decode()
    assert "Version: 1.0-2" in listed
    assert "Version: 1.0-1" not in listed
    # What a client with the first index asks for is still there, once.
    old = [name for name in first if "/by-hash/" in name or name.startswith("apt/pool")]
    assert all(second[name] == first[name] for name in old)
    publish(dist, out, key, url="http://x")
    assert not any(name in content(out) for name in old)


def test_the_private_half_stays_in_its_keyring(dist: Path, key: Key, tmp_path: Path) -> None:
    out = tmp_path / "repo"
    publish(dist, out, key, url="http://x")
    home = key.home
    assert home is not None
    assert home.stat().st_mode & 0o077 == 0
    assert not any(b"PRIVATE KEY" in data for data in content(out).values())
    shown = subprocess.run(
        ["gpg", "--homedir", tmp_path, "--batch", "--show-keys", "--with-colons",
         out / "keys/rocm-patch.asc"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    kinds = {line.partition(":")[0] for line in shown.stdout.splitlines()}
    assert "pub" in kinds
    assert not kinds & {"sec", "ssb"}
    # Asked for again, it is the same key; by its fingerprint as well.
    assert make_key(home).fingerprint == key.fingerprint
    assert find_key(key.fingerprint.lower(), home).fingerprint == key.fingerprint


def test_refusals(dist: Path, key: Key, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter").write_text("mine")
    with pytest.raises(UsageError, match="is not replaced"):
        publish(dist, foreign, key, url="http://x")
    assert (foreign / "letter").read_text() == "mine"
    with pytest.raises(UsageError, match="nothing to publish"):
        publish(tmp_path / "foreign", tmp_path / "repo", key, url="http://x")
    with FileLock(tmp_path / ".repo.lock"), pytest.raises(BusyError):
        publish(dist, tmp_path / "repo", key, url="http://x")
    with pytest.raises(RepositoryError, match="no private key"):
        find_key("0" * 40, key.home)
