"""The suite on a built wheel and the virtual gfx1010: the sysroot's Python with that wheel, ROCm's libraries.

Makes the environment once for each wheel, in the cache; gives the command that workers are started
by, and adds up what their cards executed. Knows wheels, the sysroot and the virtual GPU; not the tests.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
from filelock import FileLock
from packaging.utils import parse_wheel_filename

from rocm_patch.errors import DataError, UsageError
from rocm_patch.index.wheel import IndexedWheel, read_wheel
from rocm_patch.paths import cache_root, dist_root
from rocm_patch.sources import ObjectStore, SourceItem, fetch_all, load_recipe, unpack, wheels_for
from rocm_patch.sysroot import Bind, Sysroot
from rocm_patch.sysroot.interpreter import venv_words
from rocm_patch.validate.libraries import Library
from rocm_patch.validate.workers import Command
from rocm_patch.vgpu.launch import sysroot_view
from rocm_patch.vgpu.settings import Settings

VENV = "/venv"
SUITE = "/suite"
HOME = "/validation"
#: recipes/validation: pytest and what torch.testing imports.
_TOOLS = ("validation", "1")


def find_wheel(given: Path | None) -> Path:
    """Give the wheel to test: the one named, else the newest torch for gfx1010 in dist/. UsageError."""
    if given is not None:
        return given.resolve()
    found = sorted(dist_root().glob("torch-*gfx10*.whl"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UsageError(
            "there is no wheel to validate",
            cause=f"{dist_root()} holds no torch for gfx10",
            step="build it with `./nox -s build-torch-gfx1010`, or name one by --wheel",
        )
    return found[-1]


@attrs.frozen
class Environment:
    """A Python environment of the sysroot that holds the wheel; `folder` has venv/ and home/."""

    folder: Path
    python: str
    sha256: str

    @property
    def binds(self) -> tuple[Bind, ...]:
        """Give what a command in the sysroot must be shown. The home keeps MIOpen's compiled kernels."""
        return (Bind(self.folder / "venv", VENV, "ro"), Bind(self.folder / "home", HOME))


def prepare(wheel: Path, root: Sysroot, report: Callable[[str], None]) -> Environment:
    """Install the wheel and what it needs beside the sysroot's Python; done once for each wheel.

    The run-time dependencies are the pinned ones of recipes/pytorch, for the wheel's own Python.
    DataError where the file is no wheel of a Python that the sysroot has, SourceError where a
    dependency cannot be had.
    """
    about, python = read_wheel(wheel), _python_of(wheel)
    items = _needed(about, python)
    interpreter = _interpreter(about, python)
    names = sorted(variant.key for item in (*items, *interpreter) for variant in item.select(None))
    key = hashlib.sha256("\n".join([about.sha256, *names]).encode()).hexdigest()[:16]
    folder = cache_root() / "validation" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "venv").is_dir():
            report(f"installing {wheel.name} for python{python} in the sysroot")
            found = fetch_all((*items, *interpreter), cache=ObjectStore())
            packages = [found.pop(item.name) for item in interpreter]
            _make(folder, root, python, [wheel, *found.values()], packages)
        (folder / "home").mkdir(exist_ok=True)
    return Environment(folder=folder, python=python, sha256=about.sha256)


def _python_of(wheel: Path) -> str:
    tags = parse_wheel_filename(wheel.name)[3]
    python = next((tag.interpreter for tag in tags if re.fullmatch(r"cp3\d+", tag.interpreter)), None)
    if python is None:
        raise DataError(f"{wheel.name} is not a wheel of one CPython", step="name a torch wheel by --wheel")
    return f"3.{python.removeprefix('cp3')}"


def _needed(wheel: IndexedWheel, python: str) -> list[SourceItem]:
    """Give the pinned wheels that the suite needs: those of PyTorch's recipe, and the suite's own tools."""
    recipe, version = load_recipe("pytorch"), wheel.version.public
    if version not in recipe.python:
        raise DataError(
            f"nothing is pinned for torch {version}",
            cause=f"recipes/pytorch knows {', '.join(sorted(recipe.python))}",
            step="add the version's wheels there, or name another wheel by --wheel",
        )
    return [*wheels_for(recipe.python[version], python), *load_recipe(_TOOLS[0]).python[_TOOLS[1]]]


def _interpreter(wheel: IndexedWheel, python: str) -> tuple[SourceItem, ...]:
    """Give the packages of a Python that the sysroot lacks."""
    return wheels_for(load_recipe("pytorch").interpreter.get(wheel.version.public, ()), python)


def _make(
    folder: Path, root: Sysroot, python: str, wheels: Sequence[Path], interpreter: Sequence[Path]
) -> None:
    """Fill the environment beside its place and move it there when it is whole."""
    scratch = Path(tempfile.mkdtemp(prefix="making-", dir=folder.parent))
    try:
        venv = scratch / "venv"
        venv.mkdir()
        root.run(venv_words(interpreter, venv, VENV, f"python{python}"), binds=[Bind(venv, VENV)])
        site = venv / "lib" / f"python{python}" / "site-packages"
        for wheel in wheels:
            unpack(wheel, scratch / "one")
            shutil.copytree(scratch / "one", site, symlinks=True, dirs_exist_ok=True, copy_function=_link)
            shutil.rmtree(scratch / "one")
        folder.mkdir(exist_ok=True)
        venv.rename(folder / "venv")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _link(source: str, target: str) -> None:
    """Take a file over without a second copy of a gigabyte; scratch and environment share a file system."""
    os.link(source, target)


@attrs.define
class VirtualCommand(Command):
    """A worker in the sysroot, on the virtual GPU; each process has a statistics file of its own."""

    root: Sysroot = attrs.field(kw_only=True)
    inside: Environment = attrs.field(kw_only=True)
    library: Path = attrs.field(kw_only=True)
    settings: Settings = attrs.field(kw_only=True)
    #: Folder for the kernel's files that ROCm looks at, and for the statistics.
    scratch: Path = attrs.field(kw_only=True)
    #: Libraries of ours, found before the sysroot's.
    libraries: tuple[Library, ...] = attrs.field(kw_only=True, default=())
    _count: itertools.count[int] = attrs.field(factory=itertools.count, init=False)

    def start(self, messages: int, orders: int) -> tuple[list[str], Mapping[str, str], Path]:
        """Give the argument list of the sysroot's way in; the pipes are inherited through it."""
        number = next(self._count)
        kfd = self.scratch / f"kfd-{number}"
        kfd.mkdir(parents=True)
        stats = self.scratch / "statistics"
        stats.mkdir(exist_ok=True)
        settings = attrs.evolve(self.settings, stats=str(stats / f"{number}.json"))
        env = {"HOME": HOME, "PYTHONPATH": SUITE, "PYTHONDONTWRITEBYTECODE": "1", **self.environment}
        if self.libraries:
            env["LD_LIBRARY_PATH"] = os.pathsep.join(one.path for one in self.libraries)
        view = sysroot_view(self.library, settings, scratch=kfd, env=env)
        binds = [*view.binds, *self.inside.binds, *(one.bind for one in self.libraries)]
        binds.append(Bind(self.suite, SUITE, "ro"))
        words = attrs.evolve(self, suite=Path(SUITE)).words(messages, orders)
        return self.root.command(words, binds=binds, env=view.env, cwd=SUITE), os.environ, self.suite


def executed(scratch: Path) -> dict[str, int]:
    """Add up the statistics of all processes that ended by themselves: kernels, launches, instructions.

    A process that was killed or crashed leaves none, and of a test's own child processes the last one
    writes over the others: the sums are what was executed at least.
    """
    names: set[str] = set()
    launches = instructions = 0
    for file in sorted((scratch / "statistics").glob("*.json")):
        for device in json.loads(file.read_text(encoding="utf-8"))["devices"]:
            for kernel in device["kernels"]:
                names.add(kernel["name"])
                launches += kernel["launches"]
                instructions += kernel["instructions"]
    return {"kernels": len(names), "launches": launches, "wave instructions": instructions}
