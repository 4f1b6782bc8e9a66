"""Read recipes/<component>/build.yml: how a version is configured, checked and packed.

Data and its schema; what is done with it is the component's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rocm_patch.errors import DataError, UsageError
from rocm_patch.paths import data_root
from rocm_patch.wheel.table import Allowed


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Extra(_Strict):
    """A file or folder taken from another source's archive; `into` is its new path in the tree."""

    item: str
    member: str
    into: str


class Disk(_Strict):
    """Bytes that each part of a build takes."""

    sources: int
    tree: int
    compile: int
    wheel: int


class StaticSource(_Strict):
    """A source that is compiled into the wheel; `licence` is a file below the work folder."""

    item: str
    name: str
    version: str
    licence: str


class WheelSettings(_Strict):
    """How the wheel is finished. `ancestor` is a package URL, `licence` an SPDX name."""

    table: str
    ancestor: str
    ancestor_item: str
    licence: str
    python: str
    gloo: str
    tools: tuple[str, ...]
    static_packages: tuple[str, ...] = ()
    static_sources: tuple[StaticSource, ...] = ()
    allowed_paths: tuple[Allowed, ...] = ()


class SdkSeries(_Strict):
    """Headers of the SDK that this build patches. `headers` is the folder, {rocm} filled in.

    `version_file` in it defines `version_macro`_MAJOR, _MINOR and _PATCH; `versions` leads from
    that version to the series' folder in patches/<component>/.
    """

    component: str
    headers: str
    version_file: str
    version_macro: str
    versions: dict[str, str]


class Precompiled(_Strict):
    """A header of build/precompile/ that a CMake target's C++ sources share.

    `without` are regular expressions (CMake's): sources whose path matches one do not take it.
    """

    header: str
    without: tuple[str, ...] = ()


class BuildSettings(_Strict):
    """One version's settings. `epoch` in seconds since 1970, UTC."""

    layout: str
    label: str
    epoch: int
    pythons: tuple[str, ...]
    extra: tuple[Extra, ...] = ()
    environment: dict[str, str]
    cmake_cache: dict[str, str] = {}
    cache: dict[str, bool | str]
    found: tuple[str, ...] = ()
    sdk_series: tuple[SdkSeries, ...] = ()
    precompile: dict[str, Precompiled] = {}
    libraries: tuple[str, ...]
    work: dict[str, int]
    disk: Disk
    wheel: WheelSettings

    def filled(self, places: Mapping[str, str]) -> dict[str, str]:
        """Give the environment with its folders filled in. DataError for an unknown name."""
        return _filled(self.environment, places)

    def cmake_entries(self, places: Mapping[str, str]) -> dict[str, str]:
        """Give the CMake cache entries with their folders filled in. DataError for an unknown name."""
        return _filled(self.cmake_cache, places)


def _filled(texts: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    try:
        return {name: value.format_map(places) for name, value in texts.items()}
    except (KeyError, ValueError) as error:
        raise DataError(
            "build.yml uses a name that nobody fills in",
            cause=str(error),
            step=f"use: {', '.join(places)}",
        ) from error


class _File(_Strict):
    schema_version: Literal[1] = Field(alias="schema")
    versions: dict[str, BuildSettings]


def load_settings(component: str, version: str) -> BuildSettings:
    """Read a version's settings. DataError where the file breaks its schema, UsageError for the version."""
    path = data_root() / "recipes" / component / "build.yml"
    try:
        content = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise DataError(f"{path} is not usable", cause=str(error), step="restore it from git") from error
    found = content.versions.get(version)
    if found is None:
        raise UsageError(
            f"{component} {version} is not known here", step=f"one of: {', '.join(sorted(content.versions))}"
        )
    return found


CacheChecks = Mapping[str, bool | str]


def cache_problems(cache_text: str, checks: CacheChecks) -> list[str]:
    """Compare CMakeCache.txt with what it must say; gives one sentence for each difference."""
    values: dict[str, str] = {}
    for line in cache_text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "//")):
            values[name.partition(":")[0]] = value
    problems = []
    for name, wanted in checks.items():
        found = values.get(name)
        if isinstance(wanted, bool):
            is_on = (found or "").upper() in {"1", "ON", "TRUE", "YES", "Y"}
            if found is None or is_on != wanted:
                problems.append(f"{name} is {found or 'not set'}, must be {'ON' if wanted else 'OFF'}")
        elif found != wanted:
            problems.append(f"{name} is {found or 'not set'}, must be {wanted}")
    return problems
