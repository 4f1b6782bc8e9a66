"""The data model of `recipes/<component>/conandata.yml`: what is fetched, from where, proved by which hash.

Knows the shape of the data and how to read and check it. Knows nothing of the
network, of the cache, or of how an archive is opened. Conan reads the same file
as plain YAML, so nothing here may need a tag or an anchor of its own.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from rocm_patch.errors import DataError, UsageError
from rocm_patch.paths import data_root

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Sha1 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Commit = Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
#: One path component: it is put into file names and mirror addresses as it is.
Plain = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._~%=:-]*$", max_length=240)]
#: The Rust regex engine behind pydantic lets `$` match at the very end only.
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
GitUrl = Annotated[str, StringConstraints(pattern=r"^(?:https?|ssh|git|file)://[^\s]+$")]
Timestamp = Annotated[str, StringConstraints(pattern=r"^\d{8}T\d{6}Z$")]
PyVersion = Annotated[str, StringConstraints(pattern=r"^3\.\d+$")]


class Strict(BaseModel):
    """Base: unknown keys and silent conversions (2.6 read as a float) are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _inside(path: str) -> str:
    """Refuse a path that is absolute or leaves its folder."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        raise ValueError("must be a relative path that stays inside its folder")
    return path


class GitProvider(Strict):
    """A git repository; the commit is the identity, `ref` helps servers that serve no bare commit."""

    kind: Literal["git"]
    url: GitUrl
    commit: Commit
    submodules: bool = False
    ref: str | None = None


class UrlProvider(Strict):
    """A file at a fixed address."""

    kind: Literal["url"]
    url: HttpUrl


class DebianPoolProvider(Strict):
    """A file of Debian's archive, by its path below the mirror's root (the root is a setting)."""

    kind: Literal["debian-pool"]
    path: str

    @field_validator("path")
    @classmethod
    def _path(cls, value: str) -> str:
        return _inside(value)


class DebianSnapshotProvider(Strict):
    """A file of snapshot.debian.org: by its sha1, or by timestamp and pool path."""

    kind: Literal["debian-snapshot"]
    sha1: Sha1 | None = None
    timestamp: Timestamp | None = None
    path: str | None = None
    archive: Plain = "debian"

    @model_validator(mode="after")
    def _one_way(self) -> DebianSnapshotProvider:
        by_time = self.timestamp is not None and self.path is not None
        if self.path is not None:
            _inside(self.path)
        if (self.timestamp is None) != (self.path is None) or (self.sha1 is None and not by_time):
            raise ValueError("needs sha1, or timestamp together with path")
        return self


class PypiProvider(Strict):
    """A file of the Python Package Index: found through the simple API, or at `path` on the files host."""

    kind: Literal["pypi"]
    project: Plain
    path: str | None = None

    @field_validator("path")
    @classmethod
    def _path(cls, value: str | None) -> str | None:
        return None if value is None else _inside(value)


Provider = Annotated[
    GitProvider | UrlProvider | DebianPoolProvider | DebianSnapshotProvider | PypiProvider,
    Field(discriminator="kind"),
]


class UnpackRule(Strict):
    """How an archive becomes a folder: leading components to drop, and the subfolder it goes to."""

    strip: Annotated[int, Field(ge=0, le=8)] = 0
    into: str = "."

    @field_validator("into")
    @classmethod
    def _into(cls, value: str) -> str:
        return _inside(value)


class Variant(Strict):
    """One form of a source: these bytes (sha256, size) or this commit, and who has them."""

    layout: Plain | None = None
    file: Plain
    sha256: Sha256 | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    #: In the place of `size` where only a bound of it is known.
    limit: Annotated[int, Field(gt=0)] | None = None
    unpack: UnpackRule | None = None
    providers: Annotated[tuple[Provider, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _identity(self) -> Variant:
        if self.size is not None and self.limit is not None:
            raise ValueError("size and limit exclude each other")
        if (self.sha256 is None) != (self.size is None and self.limit is None):
            raise ValueError("sha256 and size (or limit) belong together")
        identities = {(p.commit, p.submodules) for p in self.providers if isinstance(p, GitProvider)}
        if len(identities) > 1:
            raise ValueError("git providers of one variant must name the same commit and the same submodules")
        if self.sha256 is None and not all(isinstance(p, GitProvider) for p in self.providers):
            raise ValueError("sha256 and size are needed unless every provider is git")
        return self

    @property
    def git(self) -> GitProvider | None:
        """Give the first git provider, whose commit identifies a variant that has no sha256."""
        return next((p for p in self.providers if isinstance(p, GitProvider)), None)

    @property
    def key(self) -> str:
        """Name the content: `sha256:...`, or `git:COMMIT` with `+submodules` where they belong to it."""
        if self.sha256 is not None:
            return f"sha256:{self.sha256}"
        git = self.git
        if git is None:  # excluded by _identity
            raise DataError(f"{self.file} has neither sha256 nor commit")
        return f"git:{git.commit}{'+submodules' if git.submodules else ''}"


class SourceItem(Strict):
    """One thing to fetch. With a single variant its fields may stand in the item itself."""

    name: Plain
    owner: Plain | None = None
    #: Only for this Python ("3.13"); None fits all.
    python: PyVersion | None = None
    variants: Annotated[tuple[Variant, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "variants" in data:
            return data
        own = {k: v for k, v in data.items() if k in {"name", "owner", "python"}}
        return {**own, "variants": [{k: v for k, v in data.items() if k not in own}]}

    @model_validator(mode="after")
    def _layouts(self) -> SourceItem:
        layouts = [v.layout for v in self.variants]
        if len(layouts) > 1 and (None in layouts or len(set(layouts)) != len(layouts)):
            raise ValueError("several variants need a layout each, all different")
        return self

    def select(self, layout: str | None) -> tuple[Variant, ...]:
        """Give the variants to try: all in order, or the one with this layout.

        Raises DataError where the item has several variants but not this layout.
        An item with one variant and no layout fits every wish.
        """
        if layout is None or (len(self.variants) == 1 and self.variants[0].layout is None):
            return self.variants
        chosen = tuple(v for v in self.variants if v.layout == layout)
        if not chosen:
            raise DataError(
                f"source {self.name} has no layout {layout!r}",
                cause=f"it has {', '.join(str(v.layout) for v in self.variants)}",
                step="ask for one of these, or add the variant to the recipe's conandata.yml",
            )
        return chosen

    @property
    def mirror_owner(self) -> str:
        """Fill {owner} of a mirror template: the recipe's word, else the git host's owner, else the kind."""
        if self.owner:
            return self.owner
        for variant in self.variants:
            for provider in variant.providers:
                if isinstance(provider, GitProvider):
                    parts = [p for p in re.split(r"[/:]", provider.url.rstrip("/")) if p]
                    return parts[-2]
        first = self.variants[0].providers[0].kind
        return {"debian-pool": "debian", "debian-snapshot": "debian", "pypi": "pypi"}.get(first, self.name)


Items = Annotated[tuple[SourceItem, ...], Field(strict=False)]


class RecipeData(Strict):
    """A whole conandata.yml: sources of each version, wheels for the build, the patch series' folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    sources: dict[str, Items]
    python: dict[str, Items] = {}
    #: Debian packages of a Python that the sysroot lacks.
    interpreter: dict[str, Items] = {}
    series: dict[str, str] = {}

    @model_validator(mode="after")
    def _names(self) -> RecipeData:
        for group in (self.sources, self.python, self.interpreter):
            for version, items in group.items():
                seen: set[tuple[str, str | None]] = set()
                for item in items:
                    if (item.name, item.python) in seen:
                        raise ValueError(f"version {version} names {item.name} twice")
                    seen.add((item.name, item.python))
        return self

    def items(self, version: str, *, python: str | None = None) -> tuple[SourceItem, ...]:
        """Give sources and wheels of a version; with `python`, only the wheels that fit it.

        Raises UsageError for a version that the recipe does not have.
        """
        if version not in self.sources:
            raise UsageError(
                f"the recipe has no version {version}",
                cause=f"it has {', '.join(sorted(self.sources)) or 'none'}",
                step="name one of these",
            )
        return self.sources[version] + wheels_for(self.python.get(version, ()), python)


def wheels_for(items: tuple[SourceItem, ...], python: str | None) -> tuple[SourceItem, ...]:
    """Keep the items for one Python ("3.13"); None keeps all."""
    return tuple(i for i in items if python is None or i.python in {None, python})


class _UniqueLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key written twice, which YAML would let win silently."""

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's own signature
    ) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                mark = key_node.start_mark
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def parse_recipe(text: str, origin: str) -> RecipeData:
    """Read a conandata.yml's text; `origin` names it in errors. Raises DataError."""
    try:
        data = yaml.load(text, Loader=_UniqueLoader)  # noqa: S506 - _UniqueLoader is a SafeLoader
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise DataError(f"{origin} is not YAML", cause=why, step="correct the file") from error
    try:
        return RecipeData.model_validate(data)
    except ValidationError as error:
        lines = [f"{'.'.join(str(p) for p in e['loc']) or 'file'}: {e['msg']}" for e in error.errors()]
        raise DataError(
            f"{origin} breaks the schema of recipe data",
            cause=f"{len(lines)} place(s), listed below",
            step="docs/sources.md describes every key; correct these",
            detail=lines,
        ) from error


def recipe_path(component: str) -> Path:
    """Name a component's conandata.yml. Raises UsageError for a component that does not exist."""
    root = data_root() / "recipes"
    known = components()
    if component not in known:
        raise UsageError(
            f"no component is called {component}",
            cause=f"{root} has {', '.join(known) or 'none'}",
            step="name one of these",
        )
    return root / component / "conandata.yml"


def components() -> list[str]:
    """List the components that have source data, sorted."""
    return sorted(p.parent.name for p in (data_root() / "recipes").glob("*/conandata.yml"))


def load_recipe(component: str) -> RecipeData:
    """Read and check a component's conandata.yml. Raises UsageError, DataError."""
    path = recipe_path(component)
    return parse_recipe(path.read_text(encoding="utf-8"), f"recipes/{component}/conandata.yml")
