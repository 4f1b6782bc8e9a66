"""What the settings of all components share: their file, folders in values, what CMake must say.

Knows the file's outer form; each component's schema is its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rocm_patch.errors import ConfigureError, DataError, UsageError
from rocm_patch.paths import data_root

CacheChecks = Mapping[str, bool | str]


class Strict(BaseModel):
    """A part of a settings file: a key that nobody reads is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Settings = TypeVar("Settings", bound=Strict)


class _File(Strict, Generic[Settings]):
    schema_version: Literal[1] = Field(alias="schema")
    versions: dict[str, Settings]


def load_version(component: str, version: str, schema: type[Settings]) -> Settings:
    """Read a version's settings. DataError where the file breaks its schema, UsageError for the version."""
    path = data_root() / "recipes" / component / "build.yml"
    try:
        content = _File[schema].model_validate(  # type: ignore[valid-type]  # pydantic makes it at run time
            yaml.safe_load(path.read_text(encoding="utf-8"))
        )
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise DataError(f"{path} is not usable", cause=str(error), step="restore it from git") from error
    found = content.versions.get(version)
    if found is None:
        raise UsageError(
            f"nobody has said how {component} {version} is built",
            cause="its flags are not written down, even where its source and series are",
            step=f"one of: {', '.join(sorted(content.versions))}; or add it to recipes/{component}/build.yml",
        )
    return found


def buildable() -> set[tuple[str, str]]:
    """Name each component and version that a build.yml says how to build, and the parts that it builds with.

    Parts are a rocBLAS's Tensile, and headers of the SDK that are patched for a build. Versions that are
    declared alone (source, hash, series) are not among them. DataError where a file cannot be read.
    """
    return {one for path in (data_root() / "recipes").glob("*/build.yml") for one in _built_by(path)}


def _built_by(path: Path) -> Iterator[tuple[str, str]]:
    try:
        for version, settings in yaml.safe_load(path.read_text(encoding="utf-8"))["versions"].items():
            yield path.parent.name, version
            if "tensile" in settings:
                yield "tensile", settings["tensile"]["version"]
            for part in settings.get("sdk_series", ()):
                yield from ((part["component"], one) for one in part["versions"].values())
    except (OSError, yaml.YAMLError, LookupError, TypeError) as error:
        raise DataError(f"{path} is not usable", cause=str(error), step="restore it from git") from error


def fill(texts: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    """Fill `places` into values. DataError for an unknown name."""
    try:
        return {name: value.format_map(places) for name, value in texts.items()}
    except (KeyError, ValueError) as error:
        raise DataError(
            "build.yml uses a name that nobody fills in", cause=str(error), step=f"use: {', '.join(places)}"
        ) from error


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


def require_as_asked(cache_text: str, checks: CacheChecks, *, missing: Sequence[str], log: Path) -> None:
    """ConfigureError where CMake's cache differs from `checks`, or something was not found."""
    problems = cache_problems(cache_text, checks) + [f"{name} was not found" for name in missing]
    if problems:
        raise ConfigureError(
            "the configured build is not the one asked for",
            cause="CMake turned features off, or on, by itself",
            detail=[*problems, f"whole log: {log}"],
            step="look for the first NOT FOUND in the log; the SDK lacks something, or a patch does",
        )
