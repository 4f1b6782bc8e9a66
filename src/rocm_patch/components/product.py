"""What a library's build hands to packaging: a folder of files and its product.json.

The tree is laid out below a prefix: lib/ for libraries, lib/rocblas/library/<target>/ for kernels,
licences/ for licence texts. docs/rocblas.md describes the fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rocm_patch.components.libsettings import LibrarySettings
from rocm_patch.pipeline.digest import read_digest
from rocm_patch.pipeline.model import Request
from rocm_patch.series import load_series, series_digest

#: The folder's name, and its description's.
PRODUCT, FILE = "product", "product.json"


def write_product(
    folder: Path,
    request: Request,
    settings: LibrarySettings,
    *,
    sources: Sequence[Mapping[str, str]],
    sdk: Mapping[str, str],
) -> None:
    """Describe every file of a folder in its product.json."""
    name, version = request.component, request.version
    described = {
        "format": 1, "component": name, "version": settings.version, "rocm": settings.rocm,
        "layouts": settings.layouts, "targets": [request.target], "epoch": settings.epoch,
        "licence": settings.licence, "sources": list(sources),
        "series": {
            "name": f"{name}/{version}", "sha256": series_digest(name, version),
            "patches": [patch.name for patch in load_series(name, version).patches],
        },
        "sdk": dict(sdk), "files": entries(folder),
    }  # fmt: skip
    (folder / FILE).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def entries(folder: Path) -> list[dict[str, object]]:
    """List every file and link below a folder, sorted."""
    listed: list[dict[str, object]] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            listed.append({"path": name, "role": role(name), "link": str(path.readlink())})
        elif path.is_file():
            status = path.stat()
            file = {
                "size": status.st_size,
                "sha256": read_digest(path),
                "executable": bool(status.st_mode & 0o100),
            }
            listed.append({"path": name, "role": role(name), **file})
    return listed


def role(name: str) -> str:
    """Tell what a file is by its place."""
    parts = Path(name).parts
    if parts[0] == "licences":
        return "licence"
    if "library" in parts[:-1]:
        return "kernels"
    return "library" if ".so" in parts[-1] else "data"
