"""PyTorch's steps: from pinned sources to an audited wheel.

Puts the other parts together (sources, series, sysroot, audit) in the engine's terms.
Versions and hashes are in recipes/pytorch/conandata.yml, flags and checks in build.yml.
"""

from __future__ import annotations

import functools
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch.audit import Options, audit_paths
from rocm_patch.audit.jsonout import summary_record
from rocm_patch.components import elsewhere, pyenv, sdkheaders, sharing
from rocm_patch.components.buildfile import require_as_asked
from rocm_patch.components.elsewhere import chosen, sdk_inputs
from rocm_patch.components.settings import BuildSettings, load_settings
from rocm_patch.components.torchwheel import finish_wheel, make_deps
from rocm_patch.components.tree import copy_tree, merge_tree, sync_tree
from rocm_patch.errors import DataError, UsageError, WheelError
from rocm_patch.paths import cache_root, data_root
from rocm_patch.pipeline import launcher
from rocm_patch.pipeline.compile import NinjaBuild, compile_with_ninja
from rocm_patch.pipeline.digest import Files, Input, Named, Text, read_digest, text_digest
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.model import Estimate, Request, Step
from rocm_patch.pipeline.sdk import Mount, sdk_of
from rocm_patch.series import apply_series, load_series, series_digest
from rocm_patch.sources import ObjectStore, SourceItem, Variant, fetch_all, load_recipe, plan, unpack
from rocm_patch.sources.model import wheels_for
from rocm_patch.wheel import deps
from rocm_patch.wheel.table import sonames_file

#: The folders as programs inside the SDK see them; the same on each machine, so that
#: compiler caches can be shared.
SRC = "/src"


class PyTorch:
    """The component; see rocm_patch.pipeline.model.Component."""

    name = "pytorch"

    def steps(self, request: Request, folder: Path) -> Sequence[Step]:
        """Give the steps in order; reads data files only."""
        return Build(request, folder).steps()

    def products(self, request: Request, folder: Path) -> Sequence[Path]:
        """Give the wheel and the audit's summary of it."""
        wheels = sorted((folder / "wheel").glob("*.whl"))
        del request
        return [*wheels, *sorted((folder / "audit").glob("*.json"))]


class Build:
    """One request's build: its places and what each step does."""

    def __init__(self, request: Request, folder: Path) -> None:
        """Read the data files."""
        self.request = request
        self.folder = folder
        self.sdk = sdk_of(request.sdk)
        settings = load_settings("pytorch", request.version)
        self.settings: BuildSettings = settings.on(self.sdk.kind)
        self.elsewhere = chosen(settings.elsewhere, self.sdk.kind, "PyTorch")
        if request.python not in self.settings.pythons:
            raise UsageError(
                f"PyTorch {request.version} is not built for Python {request.python} here",
                step=f"one of: {', '.join(self.settings.pythons)}",
            )
        self.recipe = load_recipe("pytorch")
        self.src = Mount(folder / "src", SRC, write=True)
        self.pyenv = Mount(folder / pyenv.FOLDER, pyenv.PYENV)
        self.deps = Mount(folder / "deps", deps.INSIDE)
        cache = cache_root() / request.launcher
        self.launcher_mounts = launcher.tools_mounts(folder / "tools", cache)
        self.cache = cache

    @functools.cached_property
    def items(self) -> tuple[SourceItem, ...]:
        """Give the sources, this Python's wheels, and its packages where the SDK does not have it."""
        return (
            *self.recipe.items(self.request.version, python=self.request.python),
            *self.interpreter,
        )

    @property
    def interpreter(self) -> tuple[SourceItem, ...]:
        """Give the packages of a Python that the sysroot lacks; elsewhere it has to be installed."""
        if self.elsewhere is not None:
            return ()
        return wheels_for(self.recipe.interpreter.get(self.request.version, ()), self.request.python)

    def steps(self) -> list[Step]:
        """Declare the steps."""
        disk = self.settings.disk
        keys = {item.name: _variant(item, self.settings.layout).key for item in self.items}
        sources = self.recipe.sources[self.request.version]
        wheels = {name: key for name, key in keys.items() if name not in {item.name for item in sources}}
        env_digest = text_digest(
            self.settings.model_dump(mode="json", include={"environment", "cmake_cache", "label", "epoch"})
        )
        return [
            Step(
                name="sources", does="fetch the pinned sources and wheels", run=self.fetch,
                inputs={"recipe": Text(keys)}, outputs=["sources.json"], estimate=self.fetch_cost,
            ),
            Step(
                name="unpack", does="unpack the sources", run=self.unpack, after=["sources"],
                inputs={"extra": Text([extra.model_dump() for extra in self.settings.extra])},
                outputs=["unpacked"], estimate=lambda: Estimate(disk=disk.tree // 3, seconds=20),
            ),
            Step(
                name="series", does="apply the patch series", run=self.series, after=["unpack"],
                inputs={"series": Named(series_digest("pytorch", self.request.version))},
                outputs=["patched"], estimate=lambda: Estimate(disk=disk.tree // 3, seconds=10),
            ),
            Step(
                name="sysroot", does="make or check the SDK", run=self.sysroot,
                inputs=sdk_inputs(self.sdk, self.elsewhere), outputs=[elsewhere.FILE], tools=self.sdk.tools,
                estimate=self.sdk.cost,
            ),
            Step(
                name="sdk-headers", does="patch a copy of the SDK's headers", run=self.sdk_headers,
                after=["sysroot"], outputs=[sdkheaders.FOLDER],
                inputs={
                    "wanted": Text([one.model_dump() for one in self.settings.sdk_series]),
                    "series": Text(sdkheaders.digests(self.settings.sdk_series)),
                },
                estimate=lambda: Estimate(disk=10_000_000, seconds=2),
            ),
            Step(
                name="python-env", does="make the build's Python environment", run=self.python_env,
                inputs={"wheels": Text(wheels), "python": Text(self.request.python)},
                after=["sources", "sysroot"], outputs=["pyenv"],
                estimate=lambda: Estimate(disk=250_000_000, seconds=10),
            ),
            Step(
                name="share", does="begin with what another Python's build has compiled", run=self.share,
                after=["sysroot", "sdk-headers"], outputs=[sharing.FILE], atomic=False,
                estimate=lambda: Estimate(disk=disk.compile, seconds=30),
            ),
            Step(
                name="hipify", does="translate CUDA to HIP, bring the result to the build's tree",
                run=self.hipify, after=["series", "python-env"], outputs=["hipified.json"],
                keeps=["src/setup.py"], atomic=False,
                estimate=lambda: Estimate(disk=disk.tree // 3, seconds=60),
            ),
            Step(
                name="deps", does="make what the wheel links with, for its glibc floor", run=self.link_parts,
                after=["sources", "sysroot"], outputs=["deps"], definition=2,
                inputs={
                    "data": Files((*deps.data_files(), sonames_file(self.settings.wheel.table))),
                    "flags": Text(self.settings.environment["CXXFLAGS"]),
                },
                estimate=lambda: Estimate(disk=20_000_000, seconds=60),
            ),
            Step(
                name="configure", does="configure with CMake, check what it found", run=self.configure,
                after=["hipify", "deps", "sdk-headers"], outputs=["configured.json"],
                keeps=["src/build/build.ninja"], atomic=False,
                inputs={
                    "settings": Text(env_digest), "launcher": Text(self.request.launcher),
                    "launcher files": Files(launcher.launcher_files()),
                    "precompiled": Text(self.settings.model_dump(mode="json", include={"precompile"})),
                    "precompiled files": Files(launcher.precompile_files()),
                    "checks": Text([self.settings.cache, self.settings.found]),
                    "target": Text(self.request.target),
                },
                estimate=lambda: Estimate(seconds=60),
            ),
            Step(
                name="compile", does="compile with ninja", run=self.compile, after=["configure"],
                outputs=[f"src/build/{name}" for name in self.settings.libraries], atomic=False,
                estimate=lambda: Estimate(disk=disk.compile, work=self.settings.work),
            ),
            Step(
                name="install", does="install the libraries into the package", run=self.install,
                after=["compile"], outputs=["installed.json"], keeps=["src/torch/lib"], atomic=False,
                estimate=lambda: Estimate(disk=disk.wheel, seconds=60),
            ),
            Step(
                name="wheel", does="pack the wheel, vendor libraries, check it", run=self.wheel,
                after=["install"], outputs=["wheel"],
                inputs={"wheel": Text(self.settings.wheel.model_dump()), **self._licensed()},
                estimate=lambda: Estimate(disk=disk.wheel, seconds=180),
            ),
            Step(
                name="audit", does="read the GPU code in the wheel", run=self.audit, after=["wheel"],
                inputs={"target": Files((data_root() / "build" / "targets" / f"{self.request.target}.yml",))},
                outputs=["audit"], estimate=lambda: Estimate(seconds=60),
            ),
        ]  # fmt: skip

    def _licensed(self) -> dict[str, Input]:
        """Give what only another environment than the sysroot adds to the wheel's inputs."""
        return {} if self.elsewhere is None else {"licensed": Text(self.elsewhere.licensed)}

    # --- costs

    def fetch_cost(self) -> Estimate:
        """Count the bytes that the cache lacks."""
        if (cache_root() / "cas").is_dir():
            planned = plan(self.items, cache=ObjectStore(), layout=self.settings.layout)
            missing = sum(item.bytes or 0 for item in planned)
        else:  # a store would make its folders, and a plan makes nothing
            missing = sum(_variant(item, self.settings.layout).size or 0 for item in self.items)
        return Estimate(fetch=missing, disk=missing, seconds=2)

    # --- steps

    def fetch(self, run: StepRun) -> None:
        """Bring everything into the content-addressed cache."""
        missing, start = self.fetch_cost().fetch, time.monotonic()
        found = fetch_all(self.items, cache=ObjectStore(), layout=self.settings.layout)
        run.rates.learn_fetch(missing, time.monotonic() - start)
        listing = {name: path.name for name, path in sorted(found.items())}
        (run.scratch / "sources.json").write_text(json.dumps(listing, indent=1), encoding="utf-8")

    def unpack(self, run: StepRun) -> None:
        """Make the plain source tree; a source without an unpack rule only gives single files."""
        sources = self.recipe.sources[self.request.version]
        found = fetch_all(sources, cache=ObjectStore(), layout=self.settings.layout)
        tree = run.scratch / "unpacked"
        for item in sources:
            rule = _variant(item, self.settings.layout).unpack
            if rule is not None:
                unpack(found[item.name], run.scratch / "one", rule)
                merge_tree(run.scratch / "one", tree)
                shutil.rmtree(run.scratch / "one")
        for extra in self.settings.extra:
            if extra.item not in found:
                raise DataError(
                    f"build.yml takes {extra.member} from {extra.item}, which conandata.yml lacks"
                )
            unpack(found[extra.item], run.scratch / "one")
            made = run.scratch / "one" / extra.member
            if not made.exists():
                raise DataError(
                    f"{extra.item} holds no {extra.member}", step="mend recipes/pytorch/build.yml"
                )
            if made.is_dir():
                merge_tree(made, tree / extra.into)
            else:
                shutil.copy2(made, tree / extra.into)
            shutil.rmtree(run.scratch / "one")

    def series(self, run: StepRun) -> None:
        """Apply the series to a copy."""
        copy_tree(run.folder / "unpacked", run.scratch / "patched")
        result = apply_series(load_series("pytorch", self.request.version), run.scratch / "patched")
        run.facts["patches"] = list(result.patches)

    def sysroot(self, run: StepRun) -> None:
        """Make the SDK ready."""
        elsewhere.make_ready(run, self.sdk, self.elsewhere)

    def sdk_headers(self, run: StepRun) -> None:
        """Patch headers of the SDK that the build compiles in."""
        sdkheaders.patch_headers(run, self.sdk, self.settings.sdk_series)

    def python_env(self, run: StepRun) -> None:
        """Make the build's Python environment."""
        wheels = wheels_for(self.recipe.python.get(self.request.version, ()), self.request.python)
        found = fetch_all((*wheels, *self.interpreter), cache=ObjectStore())
        pyenv.make_pyenv(
            run, self.sdk, wheels=[found[item.name] for item in wheels],
            interpreter=[found[item.name] for item in self.interpreter],
        )  # fmt: skip

    def share(self, run: StepRun) -> None:
        """Take over the objects of another Python's build, but for what only setup.py makes."""
        others = [attrs.evolve(self.request, python=python).label for python in self.settings.pythons]
        sharing.take_over(
            run, [self.folder.parent / name for name in others if name != self.folder.name],
            same=("sysroot", "sdk-headers"), tree="src", needs="build/build.ninja",
            record="state/src.files.json", without=("lib.linux-*", "temp.linux-*", "bdist.*", "*.egg-info"),
            beside=("tools", sdkheaders.FOLDER),
        )  # fmt: skip

    def hipify(self, run: StepRun) -> None:
        """Run PyTorch's own translation on a copy, then bring over only what differs."""
        copy = Mount(run.scratch / "tree", SRC, write=True)
        copy_tree(run.folder / "patched", copy.outside)
        argv = [f"{self.sdk.seen(self.pyenv)}/bin/python", "tools/amd_build/build_amd.py"]
        run.call(self.sdk.command(argv, mounts=[copy, self.pyenv], env={}, cwd=self.sdk.seen(copy)))
        changed = sync_tree(copy.outside, self.src.outside, run.folder / "state" / "src.files.json")
        run.facts["changed_files"] = len(changed)
        (run.folder / "hipified.json").write_text(json.dumps({"key": run.key}), encoding="utf-8")

    def link_parts(self, run: StepRun) -> None:
        """Make stub libraries, gloo, and OpenBLAS's linker script; nothing that is compiled sees them."""
        self.cache.mkdir(parents=True, exist_ok=True)
        cache = self.launcher_mounts[1]
        env = launcher.launcher_env(self.request.launcher, self.sdk, self.launcher_mounts)
        env["CXXFLAGS"] = self.environment()["CXXFLAGS"]
        make_deps(run, self.sdk, self.settings, self.items, mounts=[cache], env=env)

    def configure(self, run: StepRun) -> None:
        """Configure, then compare CMake's cache with what was asked for."""
        self.cache.mkdir(parents=True, exist_ok=True)
        self.src.outside.mkdir(parents=True, exist_ok=True)
        tools = self.launcher_mounts[0]
        launcher.write_tools(
            run,
            self.sdk,
            tools.outside,
            launcher=self.request.launcher,
            cmake_cache=self.settings.cmake_entries(self.places()),
            precompile={name: (one.header, one.without) for name, one in self.settings.precompile.items()},
        )
        # setup.py does not call CMake again while there is a cache, and CMake reads CFLAGS and
        # CXXFLAGS the first time only: without this, changed settings would be taken for applied.
        (self.src.outside / "build" / "CMakeCache.txt").unlink(missing_ok=True)
        forget_links(self.src.outside / "build", self.deps.outside)
        self._setup(run, "build", "--cmake-only")
        text = (self.src.outside / "build" / "CMakeCache.txt").read_text(encoding="utf-8", errors="replace")
        missing = [name for name in self.settings.found if not _is_found(text, name)]
        require_as_asked(text, self.settings.cache, missing=missing, log=run.log.path)
        (run.folder / "configured.json").write_text(json.dumps({"key": run.key}), encoding="utf-8")

    def compile(self, run: StepRun) -> None:
        """Compile everything."""
        compile_with_ninja(run, self._ninja())

    def install(self, run: StepRun) -> None:
        """Copy the libraries and headers to where setup.py packs them from."""
        run.call(self._ninja("install").command())
        (run.folder / "installed.json").write_text(json.dumps({"key": run.key}), encoding="utf-8")

    def wheel(self, run: StepRun) -> None:
        """Pack the wheel."""
        out = Mount(run.scratch / "raw", "/wheel", write=True)
        out.outside.mkdir()
        self._setup(run, "bdist_wheel", "--dist-dir", self.sdk.seen(out), extra=[out])
        wheels = sorted(out.outside.glob("*.whl"))
        if len(wheels) != 1:
            raise WheelError(f"setup.py made {len(wheels)} wheels", step=f"read {run.log.path}")
        series = load_series("pytorch", self.request.version)
        licensed = self.elsewhere.licensed if self.elsewhere is not None else ()
        finish_wheel(
            run, self.sdk, self.settings, self.items, series, raw=wheels[0],
            licensed=[path.format_map(self.places()) for path in licensed],
        )  # fmt: skip

    def audit(self, run: StepRun) -> None:
        """Fail where the wheel has no code for the target, or a kernel breaks a rule."""
        wheels = sorted((run.folder / "wheel").glob("*.whl"))
        report = audit_paths(wheels, options=Options(target=self.request.target), keep_kernels=False)
        summary = summary_record(report)
        run.facts["audit"] = {name: value for name, value in summary.items() if isinstance(value, int)}
        troubles = [*report.failures, *report.unreadable]
        if troubles or report.summary.violations:
            raise WheelError(
                f"the wheel does not hold what a {self.request.target} needs",
                cause=f"{report.summary.violations} broken rules, {len(troubles)} files without its code",
                detail=[f"{one.path}: {one.reason}" for one in troubles[:20]],
                step=f"see all: rocm-patch audit --require {self.request.target} {wheels[0]}",
            )
        (run.scratch / "audit").mkdir()
        place = run.scratch / "audit" / f"{wheels[0].name}.audit.json"
        place.write_text(json.dumps(summary, indent=1), encoding="utf-8")

    # --- how programs are called

    @property
    def mounts(self) -> list[Mount]:
        """Give every folder that the build sees."""
        headers = sdkheaders.header_mounts(self.folder, self.sdk, self.settings.sdk_series)
        return [self.src, self.pyenv, self.deps, *self.launcher_mounts, *headers]

    def places(self) -> dict[str, str]:
        """Give what the settings name in braces."""
        seen = {mount.inside: self.sdk.seen(mount) for mount in self.mounts}
        return {
            "src": seen[SRC], "pyenv": seen[pyenv.PYENV], "tools": seen[launcher.TOOLS_INSIDE],
            "deps": seen[deps.INSIDE],
            "rocm": self.sdk.rocm_path, "llvm": self.sdk.llvm_bin,
            "llvm_lib": str(Path(self.sdk.llvm_bin).parent / "lib"), "target": self.request.target,
            "label": self.settings.label.format(target=self.request.target),
            **elsewhere.found_places(self.folder),
        }  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Give the build's environment, all of it."""
        places = self.places()
        env = self.settings.filled(places)
        env |= launcher.launcher_env(self.request.launcher, self.sdk, self.launcher_mounts)
        env["PATH"] = f"{places['tools']}/bin:{places['pyenv']}/bin:{self.sdk.rocm_path}/bin:/usr/bin:/bin"
        env["SOURCE_DATE_EPOCH"] = str(self.settings.epoch)
        return env

    def _setup(self, run: StepRun, *words: str, extra: Sequence[Mount] = ()) -> None:
        """Run setup.py; MAX_JOBS bounds what it compiles by itself."""
        env: Mapping[str, str] = {**self.environment(), "MAX_JOBS": str(run.jobs)}
        argv = [f"{self.sdk.seen(self.pyenv)}/bin/python", "setup.py", *words]
        run.call(self.sdk.command(argv, mounts=[*self.mounts, *extra], env=env, cwd=self.sdk.seen(self.src)))

    def _ninja(self, *targets: str) -> NinjaBuild:
        return NinjaBuild(
            sdk=self.sdk, folder=self.src.outside / "build", mounts=self.mounts, env=self.environment(),
            kind_of=kind_of, targets=targets,
        )  # fmt: skip


def forget_links(build: Path, deps: Path) -> None:
    """Remove what was linked with other link-time parts than those in `deps`: ninja knows nothing of them.

    Objects stay. The digest of the parts is kept in `build`.
    """
    files = sorted(path for path in deps.rglob("*") if path.is_file())
    now = text_digest({path.relative_to(deps).as_posix(): read_digest(path) for path in files})
    mark = build / ".linked-with"
    if mark.is_file() and mark.read_text(encoding="utf-8") == now:
        return
    for path in (*build.rglob("*.so"), *build.glob("bin/*")):
        if path.is_file():
            path.unlink()
    build.mkdir(parents=True, exist_ok=True)
    mark.write_text(now, encoding="utf-8")


def kind_of(output: str) -> str:
    """Give the class of an object by its path in PyTorch's build folder."""
    if "_generated_" in output and output.endswith(".o"):
        return "hip"
    if output.endswith(".o"):
        return "python" if "torch_python.dir" in output else "c++"
    return "link" if ".so" in output or output.endswith(".a") else "other"


def _variant(item: SourceItem, layout: str) -> Variant:
    """Give the one variant of an item that this build uses."""
    if any(variant.layout == layout for variant in item.variants):
        return item.select(layout)[0]
    return item.variants[0]


def _is_found(cache: str, name: str) -> bool:
    """Say whether CMake found a package: its NAME_DIR is set to a folder."""
    for line in cache.splitlines():
        key, _, value = line.partition("=")
        if key.partition(":")[0].lower() == f"{name.lower()}_dir":
            return bool(value) and not value.endswith("-NOTFOUND")
    return False
