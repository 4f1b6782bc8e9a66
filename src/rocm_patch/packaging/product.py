"""The hand-over from a recipe's build to packaging: a folder of files and its `product.json`.

The tree is laid out below a prefix: lib/ for libraries, lib/rocblas/library/<target>/ for kernels,
share/ for data, licences/ for licence texts. Knows nothing of distributions or package formats.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rocm_patch.errors import PackageError
from rocm_patch.sources.store import sha256_file

FILE = "product.json"
Role = Literal["library", "kernels", "data", "licence"]
_SHA256 = r"^[0-9a-f]{64}$"
_LIBRARY = re.compile(r"\.so(\.\d+)*$")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Origin(_Strict):
    """A source that the product was built from: an archive by its hash, or a commit."""

    name: str
    version: str
    sha256: str | None = Field(default=None, pattern=_SHA256)
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    purl: str | None = None

    @model_validator(mode="after")
    def _named_by_content(self) -> Origin:
        if self.sha256 is None and self.commit is None:
            raise ValueError("a source is named by sha256 or by commit")
        return self


class SeriesUsed(_Strict):
    """The patch series that was applied: patches/<name>, its digest, the patches in order."""

    name: str
    sha256: str = Field(pattern=_SHA256)
    patches: tuple[str, ...] = ()


class Entry(_Strict):
    """A file (or, with `link`, a symbolic link) of the tree; paths are relative to its top."""

    path: str
    role: Role
    size: int = 0
    sha256: str | None = Field(default=None, pattern=_SHA256)
    executable: bool = False
    link: str | None = None

    @field_validator("path", "link")
    @classmethod
    def _stays_inside(cls, value: str | None) -> str | None:
        if value is not None:
            pure = PurePosixPath(value)
            if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\n" in value:
                raise ValueError(f"{value!r} leaves the tree")
        return value

    @model_validator(mode="after")
    def _link_or_file(self) -> Entry:
        if (self.link is None) == (self.sha256 is None):
            raise ValueError(f"{self.path} is either a file with a sha256 or a link")
        return self


class Product(_Strict):
    """What a recipe's build produced, as product.json says it. docs/packages.md explains each field."""

    format: Literal[1] = 1
    component: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    #: The component's own version (a tag of upstream without its prefix).
    version: str
    #: The ROCm release that it was built for and with; 6.4 or 6.4.3.
    rocm: str = Field(pattern=r"^\d+\.\d+(\.\d+)?$")
    #: Install layouts (packaging/layouts.yml) whose places its library looks into.
    layouts: tuple[str, ...] = Field(min_length=1)
    targets: tuple[str, ...] = Field(min_length=1)
    #: SOURCE_DATE_EPOCH of everything made from it.
    epoch: int = Field(ge=0)
    #: As SPDX names it.
    licence: str
    sources: tuple[Origin, ...] = Field(min_length=1)
    series: SeriesUsed | None = None
    sdk: dict[str, str] = Field(default_factory=dict)
    files: tuple[Entry, ...] = Field(min_length=1)

    def of(self, *roles: Role) -> list[Entry]:
        """Give the entries of some roles."""
        return [entry for entry in self.files if entry.role in roles]


def describe(
    folder: Path,
    *,
    component: str,
    version: str,
    rocm: str,
    layouts: Sequence[str],
    targets: Sequence[str],
    epoch: int,
    licence: str,
    sources: Sequence[Origin],
    series: SeriesUsed | None = None,
    sdk: dict[str, str] | None = None,
) -> Product:
    """Describe a folder that a build filled: every file hashed, its role taken from its place."""
    entries = tuple(_entry(folder, path) for path in _walk(folder))
    if not entries:
        raise PackageError(f"{folder} holds no file", cause="a product needs one", step="build it first")
    return Product(
        component=component,
        version=version,
        rocm=rocm,
        layouts=tuple(layouts),
        targets=tuple(targets),
        epoch=epoch,
        licence=licence,
        sources=tuple(sources),
        series=series,
        sdk=sdk or {},
        files=entries,
    )


def write_product(product: Product, folder: Path) -> Path:
    """Write product.json into its folder, at once."""
    path = folder / FILE
    fresh = folder / f".{FILE}.{os.getpid()}"
    fresh.write_text(product.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")
    fresh.replace(path)
    return path


def load_product(folder: Path) -> Product:
    """Read product.json and compare every file with it. PackageError where they differ."""
    path = folder / FILE
    try:
        product = Product.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise PackageError(
            f"{folder} is no product", cause=f"it has no {FILE}", step="let a recipe's build make it"
        ) from error
    except (ValueError, ValidationError) as error:
        raise PackageError(
            f"{path} breaks its schema",
            detail=str(error).splitlines(),
            step="docs/packages.md describes the fields; build the component again",
        ) from error
    said = {entry.path: entry for entry in product.files}
    found = {path.relative_to(folder).as_posix() for path in _walk(folder)}
    wrong = [f"{name}: named, but not there" for name in sorted(said.keys() - found)]
    wrong += [f"{name}: there, but not named" for name in sorted(found - said.keys())]
    wrong += [
        f"{name}: other content than named"
        for name in sorted(found & said.keys())
        if _entry(folder, folder / name).model_copy(update={"role": said[name].role}) != said[name]
    ]
    if wrong:
        raise PackageError(
            f"the files of {folder} are not those of its {FILE}",
            detail=wrong[:20],
            step="build the component again; a product is never edited by hand",
        )
    return product


def _walk(folder: Path) -> Iterator[Path]:
    """Give files and links below a folder, sorted, product.json left out."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_file():
            if path.parent == folder and path.name.strip(".").startswith(FILE):
                continue
            yield path


def _entry(folder: Path, path: Path) -> Entry:
    name = path.relative_to(folder).as_posix()
    if path.is_symlink():
        return Entry(path=name, role=_role(name), link=os.fspath(path.readlink()))
    status = path.stat()
    return Entry(
        path=name,
        role=_role(name),
        size=status.st_size,
        sha256=sha256_file(path),
        executable=bool(status.st_mode & stat.S_IXUSR),
    )


def _role(name: str) -> Role:
    parts = PurePosixPath(name).parts
    if parts[0] == "licences":
        return "licence"
    if "library" in parts[:-1]:
        return "kernels"
    return "library" if _LIBRARY.search(name) else "data"
