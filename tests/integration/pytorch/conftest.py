"""The real PyTorch source with the real series, once a session; and copies of it with one patch taken off."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rocm_patch.components.pytorch import Build
from rocm_patch.pipeline.model import Request
from rocm_patch.series import apply_series, load_series
from rocm_patch.sources import ObjectStore, fetch_all, load_recipe, unpack

HERE = Path(__file__).parent
VERSION = "2.6.0"

Without = Callable[..., Path]


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that the pipeline's unpack step makes, from the pinned archives."""
    tree = tmp_path_factory.mktemp("pytorch") / "pristine"
    build = Build(Request(component="pytorch", version=VERSION), tree.parent / "work")
    sources = load_recipe("pytorch").sources[VERSION]
    found = fetch_all(sources, cache=ObjectStore(), layout=build.settings.layout)
    for item in sources:
        if item.name == "pytorch":
            rule = next(v.unpack for v in item.variants if v.layout == build.settings.layout)
            assert rule is not None
            unpack(found[item.name], tree, rule)
    return tree


@pytest.fixture(scope="session")
def patched(pristine: Path) -> Path:
    tree = pristine.with_name("patched")
    shutil.copytree(pristine, tree, symlinks=True)
    apply_series(load_series("pytorch", VERSION), tree)
    return tree


@pytest.fixture(scope="session")
def without(patched: Path) -> Without:
    """Give a tree with all patches but the named one.

    Patches behind it may have moved its lines, so GNU patch takes it off: exact, but at an offset.
    Where a later patch changed its very lines, that one is taken off first (`before`).
    """

    def make(number: int, *, before: tuple[int, ...] = ()) -> Path:
        tree = patched.with_name(f"without-{number:04d}")
        if not tree.exists():
            shutil.copytree(patched, tree, symlinks=True, copy_function=_link)
            series = load_series("pytorch", VERSION)
            for one in (*before, number):
                patch = series.patches[one - 1]
                assert patch.name.startswith(f"{one:04d}-")
                with (series.folder / patch.name).open("rb") as text:
                    subprocess.run(
                        ["patch", "-p1", "-R", "-F0", "--no-backup-if-mismatch", "-s"],
                        cwd=tree, stdin=text, check=True,
                    )  # fmt: skip
        return tree

    return make


def _link(source: str, dest: str) -> str:
    """Share the bytes; patch writes a new file and renames it, so the others keep theirs."""
    os.link(source, dest)
    return dest
