"""dnf and zypper, each in a root of its own, from the signed repository: install, remove, and refusals."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.packaging import parts
from tests.integration.packaging.conftest import House
from tests.integration.packaging.rpmclients import Client, dnf, installed, rpm, zypper

from rocm_patch.repo import Key, make_key, publish

PACK = "rocblas-gfx1010-kernels"


@pytest.mark.parametrize(
    ("client", "yes", "update"), [(dnf, [], "upgrade"), (zypper, ["--gpg-auto-import-keys"], "update")]
)
def test_installs_upgrades_and_removes(
    client: Client,
    yes: list[str],
    update: str,
    *,
    root: Path,
    repo: Path,
    house: House,
) -> None:
    before = set(root.glob("opt/**/*"))
    stock = {f"rocblas {parts.STOCK_RPM}", f"miopen-hip {parts.STOCK_RPM}"}
    assert installed(root) == stock
    for words in (("install", PACK), (update, "miopen-hip")):
        done = client(root, repo, *yes, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert installed(root) == {
        f"rocblas {parts.STOCK_RPM}", f"miopen-hip {parts.STOCK_RPM}+gfx1010.1",
        f"{PACK} {parts.STOCK_RPM}+gfx1010.1",
    }  # fmt: skip
    # rpm looks at each file: nothing differs from what was packaged.
    rpm(root, "-V", PACK, "miopen-hip")
    done = client(root, repo, "remove", PACK)
    assert done.returncode == 0, done.stdout + done.stderr
    rpm(root, "-U", "--oldpackage", house.stocks["miopen.rpm"])
    assert installed(root) == stock
    assert set(root.glob("opt/**/*")) == before


def tampered(copy: Path) -> None:
    rpm = next(copy.glob("rpm/amd/rocblas-*.rpm"))
    data = bytearray(rpm.read_bytes())
    data[-20] ^= 1
    rpm.unlink()
    rpm.write_bytes(data)


def unsigned(copy: Path) -> None:
    (copy / "rpm/amd/repodata/repomd.xml.asc").unlink()


def changed(copy: Path) -> None:
    path = copy / "rpm/amd/repodata/repomd.xml"
    text = path.read_text()
    path.unlink()
    path.write_text(text.replace("<revision>", "<revision>1"))


@pytest.mark.parametrize(("client", "yes"), [(dnf, []), (zypper, ["--no-gpg-checks"])])
def test_the_next_stock_library_waits_for_its_pack(
    client: Client, yes: list[str], *, root: Path, repo: Path, house: House, tmp_path: Path
) -> None:
    rpm(root, "-i", house.path(f"{PACK}-4"))
    later = parts.stock_rpm(tmp_path, "rocblas", ["gfx1030"], "4.4.1.60401-83.el9")
    before = installed(root)
    done = client(root, repo, *yes, "install", str(later))
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "rocblas < 4.4.0.60400.0~" in said, said
    assert installed(root) == before


def copied(served: tuple[Path, str], tmp_path: Path) -> Path:
    """Give a copy of the repositories whose client files lead to the copy."""
    copy = tmp_path / "repo"
    shutil.copytree(served[0], copy)
    file = copy / "rocm-patch-amd.repo"
    text = file.read_text().replace(served[1], copy.as_uri())
    file.unlink()
    file.write_text(text)
    return copy


def nothing(copy: Path) -> None:
    """The control: a copy that was not spoiled is taken."""
    assert copy.is_dir()


#: Why each client refuses, in its own words.
WORDS: dict[tuple[Client, Callable[[Path], None]], str] = {
    (dnf, nothing): "Complete!",
    (dnf, tampered): "incorrect checksum",
    (dnf, unsigned): "GPG signature is not available",
    (dnf, changed): "Bad GPG signature",
    (zypper, nothing): "1 new package to install",
    (zypper, tampered): "Signature verification failed",
    (zypper, unsigned): "is unsigned",
    (zypper, changed): "modified after it has been signed",
}


@pytest.mark.parametrize("client", [dnf, zypper])
@pytest.mark.parametrize("spoil", [nothing, tampered, unsigned, changed])
def test_what_is_not_as_signed_is_refused(
    client: Client, spoil: Callable[[Path], None], root: Path, served: tuple[Path, str], tmp_path: Path
) -> None:
    copy = copied(served, tmp_path)
    spoil(copy)
    before = installed(root)
    yes = ["--gpg-auto-import-keys"] if client is zypper else []
    done = client(root, copy, *yes, "install", PACK)
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == (spoil is nothing), said
    assert (installed(root) == before) == (spoil is not nothing), said
    assert WORDS[client, spoil] in said, said


@pytest.mark.parametrize("client", [dnf, zypper])
def test_an_unsigned_package_in_signed_metadata_is_refused(
    client: Client, *, root: Path, house: House, served: tuple[Path, str], key: Key, tmp_path: Path
) -> None:
    """gpgcheck, apart from repo_gpgcheck: the metadata is as signed, the package never was."""
    copy = copied(served, tmp_path)
    top = copy / "rpm/amd"
    for path in top.glob("*.rpm"):
        path.unlink()
    shutil.copy(house.path(f"{PACK}-4"), top)
    shutil.rmtree(top / "repodata")
    parts.run(["createrepo_c", "--quiet", top])
    key.sign(top / "repodata/repomd.xml", top / "repodata/repomd.xml.asc")
    (top / "repodata/repomd.xml.key").write_text(key.public())
    before = installed(root)
    yes = ["--gpg-auto-import-keys"] if client is zypper else []
    done = client(root, copy, *yes, "install", PACK)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert installed(root) == before
    assert "not signed" in said, said


@pytest.mark.parametrize("client", [dnf, zypper])
def test_another_key_is_refused(client: Client, root: Path, house: House, key: Key, tmp_path: Path) -> None:
    """The client was told one key, the repository is signed with another."""
    copy = tmp_path / "repo"
    publish(house.dist, copy, make_key(tmp_path / "other"), url=copy.as_uri())
    (copy / "keys/rocm-patch.asc").write_text(key.public())
    (copy / "rpm/amd/repodata/repomd.xml.key").write_text(key.public())
    yes = ["--gpg-auto-import-keys"] if client is zypper else []
    done = client(root, copy, *yes, "install", PACK)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "signature" in said.lower(), said
    assert PACK not in str(installed(root))
