"""Our repository among apt's, dnf's and zypper's sources: found by what was fetched, told with no address."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rocm_patch.detect.fixture import load, save, unpack
from rocm_patch.detect.machine import examine
from rocm_patch.detect.model import Repository
from rocm_patch.detect.repositories import find_repositories, list_name
from rocm_patch.detect.tree import Tree

APT = "/etc/apt/sources.list.d/mirror.sources"
LISTS = "var/lib/apt/lists/build-box.lan_apt_dists_amd_"
OFFER = "Package: rocblas\nVersion: 4.4.0.60400-47+gfx1010.1\n\nPackage: stranger\nVersion: 1.0\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a machine whose apt has our repository, under a login, from a private host."""
    files = {
        APT[1:]: "# a note\nTypes: deb\nURIs: http://ada:secret@build-box.lan/apt/\nSuites: amd\n",
        "etc/apt/sources.list": "deb http://build-box.lan/debian trixie main\n# deb http://x/apt amd\n",
        f"{LISTS}InRelease": "-----BEGIN PGP SIGNED MESSAGE-----\n\nOrigin: rocm-patch\nSuite: amd\n",
        f"{LISTS}main_binary-amd64_Packages": OFFER,
    }
    for name, text in files.items():
        place = tmp_path / "root" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return tmp_path / "root"


def test_what_it_offers_is_read(root: Path) -> None:
    found = Repository(file=APT, manager="apt", suite="amd", lists="read", offers=["rocblas"])
    assert find_repositories(Tree(root)) == [found]
    packed = root / f"{LISTS}main_binary-amd64_Packages"
    packed.with_name(f"{packed.name}.gz").write_bytes(gzip.compress(OFFER.encode()))
    packed.unlink()
    assert find_repositories(Tree(root)) == [found]
    packed.with_name(f"{packed.name}.gz").write_bytes(b"\x1f\x8bnot gzip")
    tree = Tree(root)
    assert find_repositories(tree)[0].lists == "unread"
    assert "cannot be unpacked" in tree.notes[0]


def test_a_saved_machine_tells_no_address(root: Path, tmp_path: Path) -> None:
    tree = Tree(root)
    report = examine(tree)
    place = tmp_path / "saved.yml"
    place.write_text(save(tree, report, {}))
    for word in ("build-box", "secret", "trixie", "mirror"):
        assert word not in place.read_text()
    (tmp_path / "again").mkdir()
    (again,) = examine(unpack(load(place), tmp_path / "again", place)).repositories
    assert (again.suite, again.lists, again.offers) == ("amd", "read", ["rocblas"])


def test_other_forms_of_sources(root: Path) -> None:
    (root / APT[1:]).unlink()
    (root / "etc/apt/sources.list").write_text(
        "deb [arch=amd64 trusted=yes] http://build-box.lan/apt amd main\n"
    )
    (found,) = find_repositories(Tree(root))
    assert (found.file, found.offers) == ("/etc/apt/sources.list", ["rocblas"])
    (root / "etc/zypp/repos.d").mkdir(parents=True)
    (root / "etc/zypp/repos.d/x.repo").write_text(
        "[other]\nbaseurl=http://h/x\n[rocm-patch-amd]\nname=x\nenabled=1\nbaseurl=http://h/rpm/amd\n"
    )
    assert [one.manager for one in find_repositories(Tree(root))] == ["apt", "zypper"]


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("http://127.0.0.1:8642/apt", "127.0.0.1:8642_apt"),
        ("https://ada:secret@example.org/a_b/apt", "example.org_a%5fb_apt"),
        ("file:/srv/repo/apt", "_srv_repo_apt"),
        ("file:///srv/repo/apt", "_srv_repo_apt"),
    ],
)
def test_names_of_lists_are_apts(uri: str, name: str) -> None:
    assert list_name(uri) == name
