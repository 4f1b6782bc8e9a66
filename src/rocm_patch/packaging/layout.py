"""packaging/layouts.yml: where a layout's files lie, its packages' names, its version suffix.

Knows the data's form only; a new layout or component is an entry there.
"""

from __future__ import annotations

import fnmatch
import functools
import os
from pathlib import PurePosixPath
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from rocm_patch.errors import DataError, UsageError
from rocm_patch.paths import data_root

Format = Literal["deb", "rpm"]
FORMATS: tuple[Format, ...] = ("deb", "rpm")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Component(_Strict):
    """A component in a layout: its stock package, its library's file, its folder of kernels."""

    package: str
    library: str


class Layout(_Strict):
    """One way of laying ROCm out."""

    formats: tuple[Format, ...]
    lib: str
    prefix_above: int
    suffix: str
    components: dict[str, Component]

    def component(self, name: str) -> Component:
        """Give a component. UsageError where the layout has none of that name."""
        if name not in self.components:
            raise UsageError(
                f"the layout has no component {name}",
                cause=f"it has {', '.join(self.components)}",
                step="add it to packaging/layouts.yml",
            )
        return self.components[name]

    def holds(self, library: str) -> bool:
        """Tell whether a stock library's path is one of this layout."""
        return fnmatch.fnmatch(str(PurePosixPath(library).parent), self.lib)

    def place(self, path: str, library: str) -> str:
        """Give the installed path of a product's file, by where the stock library lies."""
        folder = PurePosixPath(library).parent
        top, _, rest = path.partition("/")
        return str(folder / rest) if top == "lib" else str(folder.parents[self.prefix_above - 1] / path)


class Site(_Strict):
    """Where Python looks for a distribution's modules."""

    site: str


class PythonData(_Strict):
    """What packages of Python modules are called and need."""

    usual: str
    deb: Site
    rpm: Site
    conflicts: dict[str, tuple[str, ...]]
    names: dict[str, str]
    libstdcxx: dict[str, str]
    sonames: dict[str, dict[str, str]]


class Layouts(_Strict):
    """The whole file."""

    schema_: Literal[1]
    maintainer: str
    homepage: str
    layouts: dict[str, Layout]
    python: PythonData


@functools.cache
def load_layouts() -> Layouts:
    """Read packaging/layouts.yml. DataError where it breaks its schema."""
    path = data_root() / "packaging" / "layouts.yml"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Layouts.model_validate({"schema_": data.pop("schema", None), **data})
    except (OSError, yaml.YAMLError, AttributeError, ValidationError) as error:
        raise DataError(f"{path} cannot be used", detail=str(error).splitlines()) from error


def layout_of(name: str) -> Layout:
    """Give a layout. UsageError names those there are."""
    known = load_layouts().layouts
    if name not in known:
        raise UsageError(f"there is no layout {name}", step=f"one of: {', '.join(known)}")
    return known[name]


def maintainer() -> str:
    """Give who answers for the packages."""
    return os.environ.get("ROCM_PATCH_MAINTAINER") or load_layouts().maintainer
