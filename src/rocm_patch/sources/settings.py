"""How sources are fetched at this site: mirrors, offline, roots, timeouts; from a file and variables.

Knows where settings come from. Knows nothing of what is fetched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rocm_patch.errors import DataError

MIRROR_FIELDS = frozenset({"owner", "name", "file", "sha256"})


class Settings(BaseModel):
    """Everything that a site may choose about fetching; units in the names or comments."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mirrors: tuple[str, ...] = ()
    mirror_order: Literal["first", "last"] = "first"
    offline: bool = False
    #: Downloads at a time.
    jobs: Annotated[int, Field(ge=1, le=64)] = 8
    debian: str = "http://deb.debian.org/debian"
    snapshot: str = "https://snapshot.debian.org"
    pypi: str = "https://pypi.org/simple"
    pypi_files: str = "https://files.pythonhosted.org"
    #: Seconds to wait for a connection, and for the next bytes.
    connect_timeout: Annotated[float, Field(gt=0)] = 15.0
    read_timeout: Annotated[float, Field(gt=0)] = 60.0
    #: Further attempts at one address after a failure that may pass, without progress in between.
    retries: Annotated[int, Field(ge=0, le=20)] = 3
    #: Seconds before the first further attempt; doubled each time, at most 30.
    backoff: Annotated[float, Field(ge=0)] = 0.5

    @field_validator("mirrors")
    @classmethod
    def _templates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for template in value:
            if not re.match(r"(?:file:///|https?://)\S+\Z", template):
                raise ValueError(f"mirror {template!r} must begin with file:///, https:// or http://")
            unknown = set(re.findall(r"\{([^{}]*)\}", template)) - MIRROR_FIELDS
            if unknown:
                known = ", ".join(sorted(MIRROR_FIELDS))
                raise ValueError(f"mirror {template!r} has unknown fields {sorted(unknown)}; known: {known}")
        return value


#: variable -> setting
VARIABLES = {
    "ROCM_PATCH_MIRROR": "mirrors",
    "ROCM_PATCH_MIRROR_ORDER": "mirror_order",
    "ROCM_PATCH_OFFLINE": "offline",
    "ROCM_PATCH_FETCH_JOBS": "jobs",
    "ROCM_PATCH_DEBIAN": "debian",
    "ROCM_PATCH_SNAPSHOT": "snapshot",
    "ROCM_PATCH_PYPI": "pypi",
    "ROCM_PATCH_PYPI_FILES": "pypi_files",
}


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Name the user's configuration file ($ROCM_PATCH_CONFIG overrides its place)."""
    override = environ.get("ROCM_PATCH_CONFIG")
    return Path(override) if override else Path(platformdirs.user_config_dir("rocm-patch")) / "config.yml"


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the `sources:` part of the configuration file, then the variables. Raises DataError."""
    path = config_path(environ)
    values: dict[str, Any] = {}
    origin = "environment"
    if path.is_file():
        origin = str(path)
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except yaml.YAMLError as error:
            why = " ".join(str(error).split())
            raise DataError(f"{path} is not YAML", cause=why, step="correct it") from error
        part = data.get("sources", {}) if isinstance(data, dict) else None
        if not isinstance(part, dict):
            raise DataError(f"{path} holds no mapping", step="write `sources:` with settings below it")
        values.update(part)
    for variable, name in VARIABLES.items():
        text = environ.get(variable)
        if text:
            values[name] = tuple(text.split()) if name == "mirrors" else text
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        used = ", ".join(v for v in VARIABLES if environ.get(v)) or "(none)"
        raise DataError(
            "the settings for fetching are wrong",
            cause=f"read from {origin} and the variables {used}",
            step="docs/sources.md lists them",
            detail=[f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()],
        ) from error
