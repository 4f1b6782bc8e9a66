"""Repositories and packages signed with another key than the machine was told.

Nothing of them is installed, the tree stays as it was, and the refusal says that it is about the signature.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.integration.apply import debroot
from tests.integration.apply.rpmroot import manager
from tests.integration.apply.signed import (
    SOURCES,
    key_of,
    publish_signed,
    signed_by_another,
    tell_apt,
    tell_rpm,
)
from tests.unit.apply.kit import apply, describe

from rocm_patch.errors import ApplyError, CheckError
from rocm_patch.plan.actions import Packages

KERNELS = [("rule", Packages(kind="packages", install=["kernels"]))]


@pytest.fixture(scope="session")
def strange(room: Path, repository: Path) -> Path:
    """Give the same packages, published with a key that no root was told."""
    del repository
    return publish_signed(room, "debs", key_of(room, "other"), "debs-strange")


def test_apt_trusts_no_list_of_another_key(debian: Path, repository: Path, strange: Path) -> None:
    """Even where the owner had apt fetch the lists all the same, apply does not install from them."""
    tell_apt(debian, repository, strange.as_uri())
    with pytest.raises(subprocess.CalledProcessError) as refused:
        debroot.apt(debian, "update")
    assert b"NO_PUBKEY" in refused.value.stderr
    debroot.apt(debian, "-o", "Acquire::AllowInsecureRepositories=true", "update")
    before = describe(debian)
    with pytest.raises(ApplyError, match="everything was put back") as error:
        apply(debian, KERNELS)
    assert "There were unauthenticated packages" in str(error.value)
    assert describe(debian) == before


def test_apt_refuses_an_archive_that_differs_from_the_signed_list(
    debian: Path, repository: Path, room: Path
) -> None:
    copy = room / "tampered"
    subprocess.run(["cp", "-r", str(repository), str(copy)], check=True)
    (archive,) = copy.glob("apt/pool/debian/kernels_*.deb")
    archive.write_bytes(archive.read_bytes().replace(b"kernels\n", b"kernelz\n"))
    (debian / SOURCES).unlink()
    tell_apt(debian, repository, copy.as_uri())
    debroot.update(debian)
    before = describe(debian)
    with pytest.raises(ApplyError, match="everything was put back") as error:
        apply(debian, KERNELS)
    assert "Hash Sum mismatch" in str(error.value)
    assert describe(debian) == before


def test_a_package_of_another_key_in_rightly_signed_lists(
    system: tuple[str, Path], rpms: Path, room: Path
) -> None:
    kind, root = system
    copy = signed_by_another(room, rpms, "kernels")
    tell_rpm(root, kind, rpms, copy.as_uri())
    if kind == "zypper":
        manager(root, kind, "refresh")
    before = describe(root)
    with pytest.raises((ApplyError, CheckError)) as error:
        apply(root, KERNELS)
    told = "GPG check FAILED" if kind == "dnf" else "Signature verification failed"
    assert told in error.value.cause
    assert describe(root) == before
    assert not (root / "usr/share/helper").exists(), "nor what was signed rightly and comes with it"
