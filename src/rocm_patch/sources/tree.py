"""One digest for a folder: the name of a step's input.

Knows names, modes and contents; nothing of times, owners, or of what the files mean.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from rocm_patch.errors import ArchiveError
from rocm_patch.sources.store import sha256_file


def tree_digest(path: Path) -> str:
    """Hash a folder: sorted names, kinds, permission bits and contents, the same on every machine.

    Each field is written with its length, so no two trees give the same bytes.
    Raises ArchiveError for a node that is neither file, folder nor symbolic link.
    """
    digest = hashlib.sha256()

    def add(*fields: bytes) -> None:
        for field in fields:
            digest.update(len(field).to_bytes(8, "little"))
            digest.update(field)

    def visit(folder: bytes, prefix: bytes) -> None:
        for entry in sorted(os.scandir(folder), key=lambda e: e.name):
            name = prefix + entry.name
            mode = entry.stat(follow_symlinks=False).st_mode
            bits = f"{stat.S_IMODE(mode):o}".encode()
            if stat.S_ISLNK(mode):
                add(b"l", name, os.readlink(entry.path))  # noqa: PTH115 - names are bytes here
            elif stat.S_ISDIR(mode):
                add(b"d", name, bits)
                visit(entry.path, name + b"/")
            elif stat.S_ISREG(mode):
                add(b"f", name, bits, sha256_file(Path(os.fsdecode(entry.path))).encode())
            else:
                raise ArchiveError(f"{os.fsdecode(entry.path)} is neither file, folder nor link")

    visit(os.fsencode(path), b"")
    return digest.hexdigest()
