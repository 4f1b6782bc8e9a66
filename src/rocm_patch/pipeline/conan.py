"""Drive Conan: make or find a component's package, hand out its files.

Conan's cache answers a run with nothing to do, and its remotes share packages between
machines. Its home is in our cache, with no remote until the user adds one. Knows Conan's
commands; nothing of steps.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conan.api.conan_api import ConanAPI
from conan.cli.cli import Cli
from conan.errors import ConanException

from rocm_patch.errors import BuildError, RocmPatchError
from rocm_patch.paths import cache_root, data_root
from rocm_patch.pipeline.digest import atomic_write, read_digest
from rocm_patch.pipeline.door import CONF
from rocm_patch.pipeline.model import Request
from rocm_patch.pipeline.targets import load_target

SDK_VERSION = "6.4.3"


def conan_home() -> Path:
    """Give Conan's home in our cache, made with no remote: ConanCenter has nothing of ours."""
    home = cache_root() / "conan"
    remotes = home / "remotes.json"
    if not remotes.exists():
        atomic_write(remotes, b'{"remotes": []}\n')
    return home


class Conan:
    """Conan's commands on our home."""

    def __init__(self, home: Path | None = None) -> None:
        """Load Conan; nothing is written before a command."""
        self.home = home or conan_home()
        self._api = ConanAPI(str(self.home))
        self._cli = Cli(self._api)
        self._cli.add_commands()

    def run(self, *words: str) -> dict[str, Any]:
        """Run one command. An explained error raised inside a recipe comes out as itself."""
        try:
            result = self._api.command.run(list(words))
        except ConanException as error:
            inner = explained(error)
            if inner is not None:
                raise inner from error
            raise BuildError(
                f"conan {words[0]} failed",
                cause=str(error).strip(),
                step=f"run it by hand: CONAN_HOME={self.home} conan {' '.join(words)}",
            ) from error
        return result if isinstance(result, dict) else {}

    def create(self, recipe: Path, version: str, request: Request, extra: Sequence[str] = ()) -> Path:
        """Make a recipe's package unless Conan has it (here or on a remote); gives its folder."""
        profile = str(load_target(request.target).profile)
        words = ["create", str(recipe), "--version", version, "--build=missing", "-verror", "--test-folder="]
        words += ["--profile:host", profile, "--profile:build", profile, *extra]
        graph = self.run(*words)["graph"]
        node = next(edge.dst for edge in graph.root.edges)
        return Path(str(node.conanfile.package_folder))


def explained(error: BaseException) -> RocmPatchError | None:
    """Find the explained error that Conan has wrapped."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, RocmPatchError):
            return inner
        inner = inner.__cause__ or inner.__context__
    return None


def options_of(request: Request, *, wait: bool) -> list[str]:
    """Give a request as Conan's words: options for what counts, conf for what does not."""
    name = request.component
    words = []
    for option in ("target", "python", "sdk"):
        words += ["--options", f"{name}/*:{option}={getattr(request, option)}"]
    if request.flavour:
        words += ["--options", f"{name}/*:flavour={request.flavour}"]
    conf = {"root": str(data_root()), "launcher": request.launcher}
    if request.jobs is not None:
        conf["jobs"] = str(request.jobs)
    if request.keep_going:
        conf["keep_going"] = "1"
    if wait:
        conf["wait"] = "1"
    for key, value in conf.items():
        words += ["--conf", f"{CONF}:{key}={value}"]
    return words


def create_component(request: Request, recipes: Path | None = None, *, wait: bool = False) -> Path:
    """Make the SDK's and the component's package; gives the component's package folder.

    `recipes` is the folder of all recipes; the project's own without it.
    """
    folder = recipes or data_root() / "recipes"
    conan = Conan()
    conan.run("export", str(folder / "base"), "-verror")
    sdk_options = ["--options", f"rocm-sdk/*:sdk={request.sdk}", "--conf", f"{CONF}:root={data_root()}"]
    conan.create(folder / "rocm-sdk", SDK_VERSION, request, sdk_options)
    return conan.create(folder / request.component, request.version, request, options_of(request, wait=wait))


def forget(request: Request, key: str) -> None:
    """Remove the package of exactly these inputs from Conan's cache, if it is there."""
    which = [f"{request.component}/{request.version}:*", "-p", f"options.inputs={key}"]
    Conan().run("remove", *which, "--confirm", "-verror")


def deliver(package: Path, dist: Path) -> list[Path]:
    """Copy a package's products and records to dist/, each at once; same bytes are left alone."""
    dist.mkdir(parents=True, exist_ok=True)
    names = json.loads((package / "products.json").read_text(encoding="utf-8"))
    delivered = []
    for source in [*(package / name for name in names), *sorted(package.glob("*.build.json"))]:
        place = dist / source.name
        if not _same(source, place):
            temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
            shutil.copy2(source, temporary)
            temporary.replace(place)
        delivered.append(place)
    return delivered


def _same(source: Path, place: Path) -> bool:
    """Compare by size and time first: copy2 keeps the time, and wheels are large."""
    if not place.is_file():
        return False
    left, right = source.stat(), place.stat()
    if left.st_size != right.st_size:
        return False
    return left.st_mtime_ns == right.st_mtime_ns or read_digest(source) == read_digest(place)
