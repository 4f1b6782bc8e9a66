"""Signed repositories for tests of apply, made by the project's own `repo`, and clients told of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from rocm_patch.packaging.build import PACKAGES
from rocm_patch.repo import Key, make_key, publish

SOURCES = "etc/apt/sources.list.d/rocm-patch.sources"


def key_of(room: Path, name: str = "ring") -> Key:
    """Give the key of one keyring in the room, made the first time."""
    return make_key(room / name)


def publish_signed(room: Path, dist: str, key: Key | None = None, out: str | None = None) -> Path:
    """Publish the packages of room/dist, and give the repository's folder."""
    place = room / (out or f"{dist}-signed")
    assert (room / dist / PACKAGES).is_dir()
    publish(room / dist, place, key or key_of(room), url=place.as_uri())
    return place


def tell_apt(root: Path, repository: Path, url: str) -> None:
    """Put the repository's own .sources file, with its key inside, into a root."""
    text = (repository / "rocm-patch-debian.sources").read_text()
    place = root / SOURCES
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text.replace(repository.as_uri(), url))


def tell_rpm(root: Path, kind: str, repository: Path, url: str) -> None:
    """Put the repository's own .repo file, which has every signature checked, into a root."""
    text = (repository / "rocm-patch-amd.repo").read_text()
    assert "\ngpgcheck=1\nrepo_gpgcheck=1\n" in text
    place = root / ("etc/zypp/repos.d" if kind == "zypper" else "etc/yum.repos.d") / "local.repo"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text.replace(repository.as_uri(), url) + "\nautorefresh=0\n")


def signed_by_another(room: Path, repository: Path, package: str) -> Path:
    """Copy a repository with one rpm signed by a key that no client was told, in rightly signed lists."""
    copy = room / "signed-by-another"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(repository, copy)
    top = copy / "rpm/amd"
    key, other = key_of(room), key_of(room, "other")
    (one,) = top.glob(f"{package}-*.rpm")
    other.sign_rpm(one)
    shutil.rmtree(top / "repodata")
    subprocess.run(["createrepo_c", "--quiet", str(top)], check=True, capture_output=True)
    key.sign(top / "repodata/repomd.xml", top / "repodata/repomd.xml.asc")
    shutil.copy(copy / "keys/rocm-patch.asc", top / "repodata/repomd.xml.key")
    key.close()
    other.close()
    return copy
