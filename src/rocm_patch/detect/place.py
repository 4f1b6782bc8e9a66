"""Opens what is to be examined: this machine, another tree, or a saved machine. Knows no report."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rocm_patch.detect.tree import Tree


@dataclass
class Place:
    """A tree with the settings and the user that belong to it; `name` is what the report calls it."""

    tree: Tree
    environment: dict[str, str]
    user: str | None
    name: str


@contextlib.contextmanager
def opened(root: Path | None, user: str | None) -> Iterator[Place]:
    """Give the running machine (no root), the tree in a folder, or a saved machine, unpacked for a while."""
    if root is None:
        yield Place(Tree(Path("/")), dict(os.environ), user, "/")
    elif root.is_dir():
        yield Place(Tree(root.resolve()), {}, user, str(root))
    else:
        from rocm_patch.detect.fixture import load, unpack  # noqa: PLC0415  # YAML

        data = load(root)
        with tempfile.TemporaryDirectory(prefix="rocm-patch-detect-") as scratch:
            environment = {str(name): str(value) for name, value in data["environment"].items()}
            yield Place(unpack(data, Path(scratch), root), environment, user or data.get("user"), str(root))
