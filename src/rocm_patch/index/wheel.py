"""What an index says of a wheel: name, version, hashes, Python range, its metadata file.

Knows the wheel's file name and its METADATA. Knows nothing of pages.
"""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from rocm_patch.errors import WheelError
from rocm_patch.sources.store import sha256_file

#: Bytes; PyTorch's METADATA has 30,000.
MAX_METADATA = 4 << 20


@dataclass(frozen=True)
class IndexedWheel:
    """A wheel as the index shows it."""

    path: Path
    project: str
    version: Version
    sha256: str
    size: int
    requires_python: str
    metadata: bytes

    @property
    def metadata_sha256(self) -> str:
        """Hash of the metadata file, which pip checks before it trusts it."""
        return hashlib.sha256(self.metadata).hexdigest()


def read_wheel(path: Path) -> IndexedWheel:
    """Read a wheel's name and METADATA. Raises WheelError where they are malformed or disagree."""
    try:
        project, version, _, _ = parse_wheel_filename(path.name)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise _broken(path, str(error)) from error
    metadata = _metadata(path)
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(metadata, headersonly=True)
    name, said = message["Name"], message["Version"]
    if name is None or said is None:
        raise _broken(path, "its METADATA has no Name or no Version")
    try:
        same = canonicalize_name(name) == project and Version(said) == version
    except InvalidVersion as error:
        raise _broken(path, str(error)) from error
    if not same:
        raise _broken(path, f"its METADATA says {name} {said}")
    requires = str(message["Requires-Python"] or "")
    try:
        SpecifierSet(requires)
    except InvalidSpecifier as error:
        raise _broken(path, f"its Requires-Python is malformed: {error}") from error
    return IndexedWheel(path, project, version, sha256_file(path), path.stat().st_size, requires, metadata)


def _metadata(path: Path) -> bytes:
    """Take METADATA out of the one .dist-info at the wheel's top."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = [i for i in archive.infolist() if i.filename.endswith(".dist-info/METADATA")]
            found = [i for i in found if i.filename.count("/") == 1]
            if len(found) != 1:
                raise _broken(path, f"it has {len(found)} .dist-info/METADATA, not one")
            if found[0].file_size > MAX_METADATA:
                raise _broken(path, f"its METADATA has {found[0].file_size} bytes")
            return archive.read(found[0])
    except (zipfile.BadZipFile, EOFError) as error:
        raise _broken(path, f"it is no whole zip file: {error}") from error


def _broken(path: Path, cause: str) -> WheelError:
    step = "build it again, or move it out of the folder"
    return WheelError(f"{path.name} cannot be indexed", cause=cause, step=step)
