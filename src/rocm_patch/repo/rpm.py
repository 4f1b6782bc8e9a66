"""The rpm repository: signed copies of the packages, createrepo_c's metadata, its signature.

Knows one repository folder. dist/'s own rpms stay unsigned, so that their bytes are reproducible.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from rocm_patch.errors import RepositoryError
from rocm_patch.packaging import tools
from rocm_patch.repo.keys import Key


def write_rpm(root: Path, suites: Mapping[str, Sequence[Path]], key: Key, *, epoch: int) -> list[str]:
    """Write a repository for each suite; gives the files of it, relative to `root`."""
    own: list[str] = []
    for suite, rpms in suites.items():
        top = root / suite
        top.mkdir(parents=True)
        for rpm in rpms:
            copy = top / rpm.name
            shutil.copyfile(rpm, copy)
            key.sign_rpm(copy)
            own.append(f"{suite}/{rpm.name}")
        tools.run(
            ["createrepo_c", "--quiet", "--no-database", "--checksum", "sha256",
             "--set-timestamp-to-revision", "--revision", str(epoch), str(top)],
            what=f"listing the packages of {suite}", error=RepositoryError,
        )  # fmt: skip
        data = top / "repodata"
        key.sign(data / "repomd.xml", data / "repomd.xml.asc")
        shutil.copyfile(root.parent / "keys" / "rocm-patch.asc", data / "repomd.xml.key")
        # Metadata is named by its hash, so a client with the old repomd.xml finds the old one.
        own += [str(path.relative_to(root)) for path in sorted(data.glob("*-*.xml.*"))]
    return own
