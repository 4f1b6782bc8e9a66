"""Read recipes/<library>/build.yml: how a version of a ROCm library is configured, checked and handed on.

Data and its schema; what is done with it is the component's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rocm_patch.errors import DataError, UsageError
from rocm_patch.paths import data_root


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensileUse(_Strict):
    """How a rocBLAS uses Tensile: its version in recipes/tensile, TensileCreateLibrary's words, CMake's."""

    version: str
    arguments: tuple[str, ...] = ()
    cmake: dict[str, str] = {}
    cache: dict[str, bool | str] = {}
    environment: dict[str, str] = {}


class LibrarySettings(_Strict):
    """One version's settings. `version` is the library's own number, `rocm` the release that it belongs to.

    In values {src} {build} {pyenv} {tensile} {tools} {rocm} {llvm} {llvm_lib} {target} are filled in.
    """

    layout: str | None = None
    rocm: str
    version: str
    epoch: int
    licence: str
    layouts: tuple[str, ...]
    environment: dict[str, str]
    cmake: dict[str, str]
    #: Added where nothing of Tensile is built.
    without_tensile: dict[str, str] = {}
    cache: dict[str, bool | str]
    found: tuple[str, ...] = ()
    licences: dict[str, str]
    tensile: TensileUse | None = None
    work: dict[str, int]
    disk: int

    def filled(self, texts: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
        """Fill folders into values. DataError for an unknown name."""
        return fill(texts, places)


def fill(texts: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    """Fill `places` into values. DataError for an unknown name."""
    try:
        return {name: value.format_map(places) for name, value in texts.items()}
    except (KeyError, ValueError) as error:
        raise DataError(
            "build.yml uses a name that nobody fills in", cause=str(error), step=f"use: {', '.join(places)}"
        ) from error


class _File(_Strict):
    schema_version: Literal[1] = Field(alias="schema")
    versions: dict[str, LibrarySettings]


def load_library(component: str, version: str) -> LibrarySettings:
    """Read a version's settings. DataError where the file breaks its schema, UsageError for the version."""
    path = data_root() / "recipes" / component / "build.yml"
    try:
        content = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise DataError(f"{path} is not usable", cause=str(error), step="restore it from git") from error
    found = content.versions.get(version)
    if found is None:
        raise UsageError(
            f"nobody has said how {component} {version} is built",
            cause="its source and series are declared, its flags are not",
            step=f"one of: {', '.join(content.versions)}; or add it to recipes/{component}/build.yml",
        )
    return found
