"""Read recipes/<library>/build.yml: how a version of a ROCm library is configured, checked and handed on.

Data and its schema; what is done with it is the component's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from rocm_patch.components.buildfile import Strict, fill, load_version
from rocm_patch.components.elsewhere import Elsewhere, chosen


class TensileUse(Strict):
    """How a rocBLAS uses Tensile: its version in recipes/tensile, TensileCreateLibrary's words, CMake's."""

    version: str
    arguments: tuple[str, ...] = ()
    cmake: dict[str, str] = Field(default_factory=dict)
    cache: dict[str, bool | str] = Field(default_factory=dict)
    environment: dict[str, str] = Field(default_factory=dict)


class LibrarySettings(Strict):
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
    without_tensile: dict[str, str] = Field(default_factory=dict)
    cache: dict[str, bool | str]
    found: tuple[str, ...] = ()
    #: What the library's kernels are: compiled into it, or text that it compiles on the user's machine.
    kernels: Literal["compiled", "text"] = "compiled"
    licences: dict[str, str]
    tensile: TensileUse | None = None
    work: dict[str, int]
    disk: int
    elsewhere: Elsewhere | None = None

    def on(self, kind: str, component: str) -> LibrarySettings:
        """Give the settings for a kind of SDK; the sysroot's are those of the file. UsageError."""
        there = chosen(self.elsewhere, kind, component)
        if there is None:
            return self
        changed = {
            "environment": {**self.environment, **there.environment},
            "cmake": {**self.cmake, **there.cmake},
            "layouts": there.layouts,
        }
        return self.model_copy(update=changed)

    def filled(self, texts: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
        """Fill folders into values. DataError for an unknown name."""
        return fill(texts, places)


def load_library(component: str, version: str) -> LibrarySettings:
    """Read a version's settings. DataError where the file breaks its schema, UsageError for the version."""
    return load_version(component, version, LibrarySettings)
