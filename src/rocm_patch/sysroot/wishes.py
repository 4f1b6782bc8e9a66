"""The wish list of a sysroot: which packages, from which suite, what is left out.

Reads `build/sysroot/NAME.yml` and checks its form. Knows nothing of archives,
dependencies or locks.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from rocm_patch.errors import DataError
from rocm_patch.paths import data_root

Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]*$")]


class Wishes(BaseModel):
    """A whole wish file. `packages` is grouped for the reader; the groups mean nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Word
    suite: Word
    component: Word
    architecture: Word
    base: Annotated[tuple[Word, ...], Field(strict=False)] = ()
    exclude: Annotated[tuple[str, ...], Field(strict=False)] = ()
    packages: dict[str, Annotated[tuple[Word, ...], Field(strict=False)]]

    @field_validator("exclude")
    @classmethod
    def _globs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not re.fullmatch(r"/[A-Za-z0-9._/*-]+", pattern):
                raise ValueError(f"{pattern!r} is not an absolute path pattern")
        return value

    def wanted(self) -> tuple[str, ...]:
        """Give all wished packages, sorted, without the groups."""
        return tuple(sorted({*self.base, *(name for group in self.packages.values() for name in group)}))


def wishes_path(name: str) -> Path:
    """Give the place of a wish file in the project's data."""
    return data_root() / "build" / "sysroot" / f"{name}.yml"


def load_wishes(name: str) -> tuple[Wishes, str]:
    """Read a wish file; give it with the sha256 of its bytes. DataError when absent or malformed."""
    path = wishes_path(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"there is no wish list for a sysroot {name!r}",
            cause=f"{path}: {error.strerror}",
            step=f"choose one of: {', '.join(sorted(file.stem for file in path.parent.glob('*.yml')))}",
        ) from error
    return parse_wishes(content.decode(), origin=str(path)), hashlib.sha256(content).hexdigest()


def parse_wishes(text: str, *, origin: str) -> Wishes:
    """Read a wish file's text; DataError lists each place that breaks the form."""
    try:
        return Wishes.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise DataError(f"{origin} is not YAML", cause=" ".join(str(error).split())) from error
    except ValidationError as error:
        places = [f"{'.'.join(str(p) for p in one['loc']) or 'file'}: {one['msg']}" for one in error.errors()]
        raise DataError(
            f"{origin} breaks the form of a wish list", step="correct the places listed", detail=places
        ) from error
