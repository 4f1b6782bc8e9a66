"""Read recipes/<component>/build.yml: how a version is configured, checked and packed.

Data and its schema; what is done with it is the component's.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from rocm_patch.components.buildfile import Strict, fill, load_version
from rocm_patch.components.elsewhere import Elsewhere, chosen
from rocm_patch.wheel.table import Allowed


class Extra(Strict):
    """A file or folder taken from another source's archive; `into` is its new path in the tree."""

    item: str
    member: str
    into: str


class Disk(Strict):
    """Bytes that each part of a build takes."""

    sources: int
    tree: int
    compile: int
    wheel: int


class StaticSource(Strict):
    """A source that is compiled into the wheel; `licence` is a file below the work folder."""

    item: str
    name: str
    version: str
    licence: str


class WheelSettings(Strict):
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


class SdkSeries(Strict):
    """Headers of the SDK that this build patches. `headers` is the folder, {rocm} filled in.

    `version_file` in it defines `version_macro`_MAJOR, _MINOR and _PATCH; `versions` leads from
    that version to the series' folder in patches/<component>/.
    """

    component: str
    headers: str
    version_file: str
    version_macro: str
    versions: dict[str, str]


class Precompiled(Strict):
    """A header of build/precompile/ that a CMake target's C++ sources share.

    `without` are regular expressions (CMake's): sources whose path matches one do not take it.
    """

    header: str
    without: tuple[str, ...] = ()


class BuildSettings(Strict):
    """One version's settings. `epoch` in seconds since 1970, UTC."""

    layout: str
    label: str
    epoch: int
    pythons: tuple[str, ...]
    extra: tuple[Extra, ...] = ()
    environment: dict[str, str]
    cmake_cache: dict[str, str] = Field(default_factory=dict)
    cache: dict[str, bool | str]
    found: tuple[str, ...] = ()
    sdk_series: tuple[SdkSeries, ...] = ()
    precompile: dict[str, Precompiled] = Field(default_factory=dict)
    libraries: tuple[str, ...]
    work: dict[str, int]
    disk: Disk
    wheel: WheelSettings
    elsewhere: Elsewhere | None = None

    def on(self, kind: str) -> BuildSettings:
        """Give the settings for a kind of SDK; the sysroot's are those of the file. UsageError."""
        there = chosen(self.elsewhere, kind, "PyTorch")
        if there is None:
            return self
        # What is compiled in is named by its files there: other packages have other names.
        wheel = self.wheel.model_copy(update={"static_packages": ()})
        changed = {
            "environment": {**self.environment, **there.environment},
            "cmake_cache": {**self.cmake_cache, **there.cmake},
            "wheel": wheel,
        }
        return self.model_copy(update=changed)

    def filled(self, places: Mapping[str, str]) -> dict[str, str]:
        """Give the environment with its folders filled in. DataError for an unknown name."""
        return fill(self.environment, places)

    def cmake_entries(self, places: Mapping[str, str]) -> dict[str, str]:
        """Give the CMake cache entries with their folders filled in. DataError for an unknown name."""
        return fill(self.cmake_cache, places)


def load_settings(component: str, version: str) -> BuildSettings:
    """Read a version's settings. DataError where the file breaks its schema, UsageError for the version."""
    return load_version(component, version, BuildSettings)
