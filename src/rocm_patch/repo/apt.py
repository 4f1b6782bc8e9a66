"""The apt repository: pool, Packages, by-hash, Release, InRelease and Release.gpg.

apt-ftparchive writes the indexes, the key signs them. Knows one repository folder; when
and how it takes an old one's place is publish's business.
"""

from __future__ import annotations

import email.utils
import gzip
import lzma
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from debian.deb822 import Packages, Release

from rocm_patch.errors import RepositoryError
from rocm_patch.packaging import tools
from rocm_patch.repo.keys import Key
from rocm_patch.sources.store import sha256_file

COMPONENT = "main"
ARCHITECTURE = "amd64"


def write_apt(root: Path, suites: Mapping[str, Sequence[Path]], key: Key, *, epoch: int) -> list[str]:
    """Write the repository over packages by suite; gives the files of it, relative to `root`."""
    own: list[str] = []
    for suite, debs in suites.items():
        pool = root / "pool" / suite
        pool.mkdir(parents=True)
        for deb in debs:
            link_or_copy(deb, pool / deb.name)
            own.append(f"pool/{suite}/{deb.name}")
        own += _suite(root, suite, key, epoch)
    return own


def _suite(root: Path, suite: str, key: Key, epoch: int) -> list[str]:
    top = root / "dists" / suite
    indexes = top / COMPONENT / f"binary-{ARCHITECTURE}"
    indexes.mkdir(parents=True)
    text = tools.run(
        ["apt-ftparchive", "packages", f"pool/{suite}"], what="listing packages", cwd=root,
        error=RepositoryError,
    )  # fmt: skip
    plain = text.encode()
    forms = {"Packages": plain, "Packages.gz": gzip.compress(plain, 9, mtime=0),
             "Packages.xz": lzma.compress(plain)}  # fmt: skip
    kept: list[str] = []
    for name, data in forms.items():
        (indexes / name).write_bytes(data)
        # A client that has read the old InRelease finds the old index by its hash.
        by_hash = indexes / "by-hash" / "SHA256"
        by_hash.mkdir(parents=True, exist_ok=True)
        digest = sha256_file(indexes / name)
        (by_hash / digest).write_bytes(data)
        kept.append(str((by_hash / digest).relative_to(root)))
    _release(top, suite, epoch)
    key.sign(top / "Release", top / "InRelease", clear=True)
    key.sign(top / "Release", top / "Release.gpg")
    return kept


def _release(top: Path, suite: str, epoch: int) -> None:
    options = {
        "Origin": "rocm-patch",
        "Label": "rocm-patch",
        "Suite": suite,
        "Codename": suite,
        "Architectures": ARCHITECTURE,
        "Components": COMPONENT,
        "Acquire-By-Hash": "yes",
        "Description": f"ROCm packages with code for gfx1010, {suite} layout",
    }
    argv = ["apt-ftparchive"]
    for name, value in options.items():
        argv += ["-o", f"APT::FTPArchive::Release::{name}={value}"]
    for name in ("MD5", "SHA1", "SHA512"):
        argv += ["-o", f"APT::FTPArchive::Release::{name}=false"]
    text = tools.run([*argv, "release", "."], what="writing Release", cwd=top, error=RepositoryError)
    fields = Release(text)
    if "SHA256" not in fields:
        raise RepositoryError("apt-ftparchive wrote a Release without hashes", step="check apt-utils")
    lines = [line for line in text.splitlines() if not line.startswith("Date:") and "by-hash/" not in line]
    lines.insert(1, f"Date: {email.utils.formatdate(epoch, usegmt=True).replace('GMT', 'UTC')}")
    (top / "Release").write_text("\n".join(lines) + "\n", encoding="utf-8")


def names_in(root: Path, suite: str) -> list[tuple[str, str]]:
    """Give name and version of each package of a suite."""
    with (root / "dists" / suite / COMPONENT / f"binary-{ARCHITECTURE}" / "Packages").open("rb") as lines:
        records = Packages.iter_paragraphs(lines, use_apt_pkg=False)
        return [(str(one["Package"]), str(one["Version"])) for one in records]


def link_or_copy(source: Path, target: Path) -> None:
    """Link a file into the repository; copy where the file system cannot."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
