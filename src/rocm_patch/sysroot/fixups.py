"""Mends of a fresh root: faults of single packages that would else break the build or the GPU's libraries.

Each is data in `build/sysroot/fixups/` (fixups.yml and the files it names) with the
package and version it is for and its reason; what was done is recorded in the root.
Knows nothing of how the root was made.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rocm_patch.errors import DataError, SysrootError
from rocm_patch.paths import data_root
from rocm_patch.sysroot.lock import Lock


class Fixup(BaseModel):
    """One mend: the file `content` put at `path`. `replaces` is the link that stood there, if any.

    `beside` names a package without which there is nothing to mend (a compiler, in a root
    that only runs programs).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    package: str
    version: str
    reason: Annotated[str, Field(min_length=20)]
    path: str
    content: Annotated[str, Field(pattern=r"^[a-z0-9+._-]+$")]
    replaces: str | None = None
    beside: str | None = None

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith("/") or ".." in value.split("/"):
            raise ValueError("must be an absolute path inside the root")
        return value


def fixups_folder() -> Path:
    """Give the folder of the fix-ups in the project's data."""
    return data_root() / "build" / "sysroot" / "fixups"


def load_fixups(folder: Path | None = None) -> list[Fixup]:
    """Read all fix-ups; DataError when the file breaks its form."""
    file = (folder or fixups_folder()) / "fixups.yml"
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        return [Fixup.model_validate(one) for one in data]
    except (OSError, yaml.YAMLError, ValidationError, TypeError) as error:
        raise DataError(f"{file} is not a list of fix-ups", cause=" ".join(str(error).split())) from error


def chosen(lock: Lock, folder: Path | None = None) -> list[Fixup]:
    """Give the fix-ups that are for packages of this lock, at exactly their versions."""
    versions = {package.name: package.version for package in lock.packages}
    exact = [fixup for fixup in load_fixups(folder) if versions.get(fixup.package) == fixup.version]
    return [fixup for fixup in exact if fixup.beside is None or fixup.beside in versions]


def digest(lock: Lock, folder: Path | None = None) -> str:
    """Give the sha256 over all that the fix-ups of this lock put into a root."""
    total = hashlib.sha256()
    for fixup in chosen(lock, folder):
        content = ((folder or fixups_folder()) / fixup.content).read_bytes()
        total.update(f"{fixup.path} {fixup.replaces} {hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def apply(root: Path, lock: Lock, folder: Path | None = None) -> list[dict[str, Any]]:
    """Carry out the fix-ups in a fresh root; give what was done, for the root's record.

    SysrootError where a file is not in the state that the fix-up was written for.
    """
    done: list[dict[str, Any]] = []
    for fixup in chosen(lock, folder):
        target = root / fixup.path.lstrip("/")
        was = str(target.readlink()) if target.is_symlink() else None
        if was != fixup.replaces or (was is None and target.exists()):
            raise SysrootError(
                f"the fix-up {fixup.name} does not fit this root",
                cause=f"{fixup.path} is {'a link to ' + was if was else 'not the link'} "
                f"it should be: {fixup.replaces or 'absent'}",
                step="correct build/sysroot/fixups/fixups.yml",
            )
        content = ((folder or fixups_folder()) / fixup.content).read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(content)
        target.chmod(0o755)
        done.append({**fixup.model_dump(), "sha256": hashlib.sha256(content).hexdigest()})
    return done
