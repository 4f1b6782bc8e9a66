"""The steps that building any ROCm library in the SDK has in common: sources to an installed, audited tree.

CMake and ninja outside of its source, DESTDIR install, an audit of what was built, product.json for
packaging. Knows no library by name; rocblas.py and miopen.py say what is special.
"""

from __future__ import annotations

import functools
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rocm_patch.audit import Options, audit_paths
from rocm_patch.audit.jsonout import summary_record
from rocm_patch.components import elsewhere
from rocm_patch.components.buildfile import fill, require_as_asked
from rocm_patch.components.elsewhere import chosen, sdk_inputs
from rocm_patch.components.libsettings import LibrarySettings, load_library
from rocm_patch.components.product import PRODUCT, write_product
from rocm_patch.components.tree import copy_tree, sync_tree
from rocm_patch.errors import AuditError, BuildError
from rocm_patch.isa.library import NAME, Library
from rocm_patch.isa.rules import TARGETS, kernel_rules
from rocm_patch.packaging.product import Origin
from rocm_patch.paths import cache_root, data_root
from rocm_patch.pipeline import launcher
from rocm_patch.pipeline.compile import NinjaBuild, compile_with_ninja
from rocm_patch.pipeline.digest import Files, Named, Text
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.model import Estimate, Request, Step
from rocm_patch.pipeline.sdk import Mount, sdk_of
from rocm_patch.series import apply_series, load_series, series_digest
from rocm_patch.sources import ObjectStore, SourceItem, Variant, fetch_all, load_recipe, plan, unpack

#: The folders as programs inside the SDK see them.
SRC, BUILD = "/src", "/build"


class LibraryBuild:
    """One request's build of one library: its places and what each common step does."""

    def __init__(self, request: Request, folder: Path) -> None:
        """Read the data files."""
        self.request = request
        self.folder = folder
        self.recipe = load_recipe(request.component)
        self.sdk = sdk_of(request.sdk)
        settings = load_library(request.component, request.version)
        self.settings: LibrarySettings = settings.on(self.sdk.kind, request.component)
        self.elsewhere = chosen(settings.elsewhere, self.sdk.kind, request.component)
        self.src = Mount(folder / "src", SRC, write=True)
        self.build = Mount(folder / "build", BUILD, write=True)
        self.cache = cache_root() / request.launcher
        self.launcher_mounts = launcher.tools_mounts(folder / "tools", self.cache)

    # --- what a library may say otherwise

    @functools.cached_property
    def items(self) -> tuple[SourceItem, ...]:
        """Give everything that is fetched; the library's own source is named as the component."""
        return self.recipe.items(self.request.version, python=self.request.python)

    def cmake_entries(self) -> dict[str, str]:
        """Give CMake's cache entries, folders filled in."""
        return fill(self.settings.cmake, self.places())

    def cache_checks(self) -> Mapping[str, bool | str]:
        """Give what CMake's cache must say afterwards."""
        checks = dict(self.settings.cache)
        if isinstance(checks.get("GPU_TARGETS"), str):
            checks["GPU_TARGETS"] = self.request.target
        return checks

    @property
    def mounts(self) -> list[Mount]:
        """Give every folder that the build sees."""
        return [self.src, self.build, *self.launcher_mounts]

    # --- steps

    def source_steps(self) -> list[Step]:
        """Declare the steps up to a patched source and a made SDK."""
        name, version = self.request.component, self.request.version
        keys = {item.name: self.key_of(item) for item in self.items}
        decoder = tuple(path for path in sorted(decoder_source().rglob("*")) if path.is_file())
        return [
            Step(
                name="sources", does="fetch the pinned sources", run=self.fetch,
                inputs={"recipe": Text(keys)}, outputs=["sources.json"], estimate=self.fetch_cost,
            ),
            Step(
                name="unpack", does="unpack the source", run=self.unpack, after=["sources"],
                outputs=["unpacked"], estimate=lambda: Estimate(disk=self.settings.disk // 4, seconds=20),
            ),
            Step(
                name="series", does="apply the patch series", run=self.series, after=["unpack"],
                inputs={"series": Named(series_digest(name, version))}, outputs=["patched"],
                estimate=lambda: Estimate(disk=self.settings.disk // 4, seconds=10),
            ),
            Step(
                name="sysroot", does="make or check the SDK", run=self.sysroot,
                inputs=sdk_inputs(self.sdk, self.elsewhere), outputs=[elsewhere.FILE], tools=self.sdk.tools,
                estimate=self.sdk.cost,
            ),
            Step(
                name="rules", does="build the decoder that the audit's hardware rules are in", run=self.rules,
                inputs={"source": Files(decoder)},
                outputs=["isa"], tools=["cmake", "c++"], estimate=lambda: Estimate(seconds=60),
            ),
        ]  # fmt: skip

    def compile_steps(self, ready: Sequence[str]) -> list[Step]:
        """Declare the steps from the source that the steps `ready` made to an installed tree."""
        return [
            Step(
                name="configure", does="configure with CMake, check what it found", run=self.configure,
                after=[*ready, "sysroot"], outputs=["configured.json"], keeps=["build/build.ninja"],
                atomic=False,
                inputs={
                    "settings": Text([self.settings.environment, self.settings.cmake, self.settings.epoch]),
                    "more": Text(self.more_inputs()), "launcher": Text(self.request.launcher),
                    "launcher files": Files(launcher.launcher_files()), "target": Text(self.request.target),
                },
                estimate=lambda: Estimate(seconds=60),
            ),
            Step(
                name="compile", does="compile with ninja", run=self.compile, after=["configure"],
                outputs=["compiled.json"], atomic=False,
                estimate=lambda: Estimate(disk=self.settings.disk, work=self.settings.work),
            ),
            Step(
                name="install", does="install below a folder of its own", run=self.install, after=["compile"],
                outputs=["installed"], estimate=lambda: Estimate(disk=self.settings.disk // 4, seconds=30),
            ),
        ]  # fmt: skip

    def product_steps(self, made_by: str) -> list[Step]:
        """Declare the steps that judge and describe what the step `made_by` installed."""
        target = data_root() / "build" / "targets" / f"{self.request.target}.yml"
        return [
            Step(
                name="audit", does="read the GPU code, with the rules of the hardware", run=self.audit,
                after=[made_by, "rules"], inputs={"target": Files((target,))}, outputs=["audit"],
                estimate=lambda: Estimate(seconds=120),
            ),
            Step(
                name="product", does="describe what was built, for packaging", run=self.product,
                after=["audit", "series"], outputs=[PRODUCT],
                inputs={"facts": Text([self.settings.version, self.settings.rocm, self.settings.layouts])},
                estimate=lambda: Estimate(disk=self.settings.disk // 4, seconds=10),
            ),
        ]  # fmt: skip

    def more_inputs(self) -> object:
        """Give what else shapes the configured build."""
        return None

    # --- costs

    def fetch_cost(self) -> Estimate:
        """Count the bytes that the cache lacks."""
        missing = 0
        for item in self.items:
            if (cache_root() / "cas").is_dir():
                planned = plan([item], cache=ObjectStore(), layout=self.layout_of(item))
                missing += sum(one.bytes or 0 for one in planned)
            else:
                missing += self.variant(item).size or 0
        return Estimate(fetch=missing, disk=missing, seconds=2)

    # --- what the steps do

    def layout_of(self, item: SourceItem) -> str | None:
        """Give the settings' layout where an item has it; else any of its variants will do."""
        wanted = self.settings.layout
        return wanted if any(variant.layout == wanted for variant in item.variants) else None

    def variant(self, item: SourceItem) -> Variant:
        """Give the form that is asked for first."""
        return item.select(self.layout_of(item))[0]

    def key_of(self, item: SourceItem) -> str:
        """Name an item by every form that may be taken; sources.json says which one was."""
        return " or ".join(variant.key for variant in item.select(self.layout_of(item)))

    def fetched(self, item: SourceItem) -> Path:
        """Give an item's archive, from the cache or fetched. SourceError says what was tried."""
        return fetch_all([item], cache=ObjectStore(), layout=self.layout_of(item))[item.name]

    def fetch(self, run: StepRun) -> None:
        """Bring everything into the content-addressed cache."""
        missing, start = self.fetch_cost().fetch, time.monotonic()
        listing = {item.name: self.fetched(item).name for item in self.items}
        run.rates.learn_fetch(missing, time.monotonic() - start)
        (run.scratch / "sources.json").write_text(json.dumps(listing, indent=1), encoding="utf-8")

    def unpack(self, run: StepRun) -> None:
        """Unpack the library's own source."""
        item = next(item for item in self.items if item.name == self.request.component)
        unpack(self.fetched(item), run.scratch / "unpacked", self.variant(item).unpack)

    def series(self, run: StepRun) -> None:
        """Apply the series to a copy."""
        copy_tree(run.folder / "unpacked", run.scratch / "patched")
        result = apply_series(
            load_series(self.request.component, self.request.version), run.scratch / "patched"
        )
        run.facts["patches"] = list(result.patches)

    def sysroot(self, run: StepRun) -> None:
        """Make the SDK ready."""
        elsewhere.make_ready(run, self.sdk, self.elsewhere)

    def rules(self, run: StepRun) -> None:
        """Build the decoder on this machine."""
        work = run.scratch / "work"
        run.call(["cmake", "-S", str(decoder_source()), "-B", str(work)])
        run.call(["cmake", "--build", str(work), "--target", "vgpu-isa", "--parallel", str(run.jobs)])
        (run.scratch / "isa").mkdir()
        shutil.copyfile(work / NAME, run.scratch / "isa" / NAME)

    def source_tree(self) -> Path:
        """Give the folder whose content is compiled."""
        return self.folder / "patched"

    def configure(self, run: StepRun) -> None:
        """Bring over what differs, configure, then compare CMake's cache with what was asked for."""
        sync_tree(self.source_tree(), self.src.outside, run.folder / "state" / "src.files.json")
        self.build.outside.mkdir(parents=True, exist_ok=True)
        self.tools(run)
        cache = self.build.outside / "CMakeCache.txt"
        cache.unlink(missing_ok=True)
        entries = [f"-D{key}={value}" for key, value in self.cmake_entries().items()]
        argv = [
            "cmake",
            "-G",
            "Ninja",
            "-S",
            self.sdk.seen(self.src),
            "-B",
            self.sdk.seen(self.build),
            *entries,
        ]
        self.call(run, argv, cwd=self.sdk.seen(self.build))
        text = cache.read_text(encoding="utf-8", errors="replace")
        missing = [name for name in self.settings.found if f"\n{name}_DIR:PATH=/" not in text]
        require_as_asked(text, self.cache_checks(), missing=missing, log=run.log.path)
        (run.folder / "configured.json").write_text(json.dumps({"key": run.key}), encoding="utf-8")

    def compile(self, run: StepRun) -> None:
        """Compile everything."""
        compile_with_ninja(run, self.ninja())
        (run.folder / "compiled.json").write_text(json.dumps({"key": run.key}), encoding="utf-8")

    def install(self, run: StepRun) -> None:
        """Install with DESTDIR, and keep what lies below the prefix."""
        dest = Mount(run.scratch / "dest", "/dest", write=True)
        dest.outside.mkdir()
        argv = ["cmake", "--install", self.sdk.seen(self.build), "--strip"]
        self.call(
            run, argv, cwd=self.sdk.seen(self.build), extra=[dest], env={"DESTDIR": self.sdk.seen(dest)}
        )
        made = dest.outside / "usr"
        if not made.is_dir():
            raise BuildError("the install put nothing below /usr", step=f"read {run.log.path}")
        made.rename(run.scratch / "installed")

    def audit(self, run: StepRun) -> None:
        """Fail where code for the target is missing, or a kernel breaks a rule of the hardware."""
        made = self.installed()
        options = Options(target=self.request.target, kernel_rules=self.kernel_rules())
        report = audit_paths([made], options=options, keep_kernels=False)
        summary = summary_record(report)
        run.facts["audit"] = {name: value for name, value in summary.items() if isinstance(value, int)}
        broken = [*report.failures, *report.unreadable]
        held = report.summary.per_target
        # A library of kernel texts holds no code; code for other cards alone is wrong in it as well.
        absent = self.request.target not in held and (held or self.settings.kernels == "compiled")
        if report.summary.violations or report.unreadable or absent:
            raise AuditError(
                f"what was built does not hold what a {self.request.target} needs",
                cause=f"{report.summary.violations} broken rules, code for: "
                + (", ".join(report.summary.per_target) or "no GPU"),
                detail=[f"{one.path}: {one.reason}" for one in broken[:20]],
                step=f"see all: rocm-patch audit --target {self.request.target} {made}",
            )
        (run.scratch / "audit").mkdir()
        text = json.dumps(summary, indent=1)
        (run.scratch / "audit" / f"{self.stem}.audit.json").write_text(text, encoding="utf-8")

    def kernel_rules(self) -> tuple[Any, ...]:
        """Give the audit's own rules and those of gfx1010's hardware; other cards have none of ours."""
        own = Options(target=self.request.target).kernel_rules
        if self.request.target not in TARGETS:
            return tuple(own)
        return (*own, *kernel_rules(Library(self.folder / "isa" / NAME)))

    def product(self, run: StepRun) -> None:
        """Lay out what packaging takes, with licences and product.json."""
        folder = run.scratch / PRODUCT
        self.lay_out(folder)
        (folder / "licences").mkdir(exist_ok=True)
        for name, file in self.settings.licences.items():
            shutil.copyfile(run.folder / "patched" / file, folder / "licences" / name)
        listing = json.loads((run.folder / "sources.json").read_text(encoding="utf-8"))
        sources = [self._origin(item, listing[item.name]) for item in self.source_items()]
        write_product(folder, self.request, self.settings, sources=sources, sdk=self.sdk.describe())

    def source_items(self) -> list[SourceItem]:
        """Give the items that are compiled or run to make the product, not the build's Python."""
        wheels = {item.name for item in self.recipe.python.get(self.request.version, ())}
        return [item for item in self.items if item.name not in wheels]

    def _origin(self, item: SourceItem, sha256: str) -> Origin:
        git = self.variant(item).git
        commit = git.commit if git is not None else None
        return Origin(name=item.name, version=self.request.version, sha256=sha256, commit=commit)

    def lay_out(self, folder: Path) -> None:
        """Copy what was installed below its prefix."""
        shutil.copytree(self.folder / "installed", folder, symlinks=True)

    def installed(self) -> Path:
        """Give the folder that the audit reads."""
        return self.folder / "installed"

    @property
    def stem(self) -> str:
        """Name what is delivered."""
        flavour = f"-{self.request.flavour}" if self.request.flavour else ""
        return f"{self.request.component}-{self.request.version}-{self.request.target}{flavour}"

    # --- how programs are called

    def places(self) -> dict[str, str]:
        """Give what the settings name in braces."""
        return {
            "src": self.sdk.seen(self.src), "build": self.sdk.seen(self.build),
            "tools": self.sdk.seen(self.launcher_mounts[0]), "rocm": self.sdk.rocm_path,
            "llvm": self.sdk.llvm_bin, "llvm_lib": str(Path(self.sdk.llvm_bin).parent / "lib"),
            "target": self.request.target,
            **elsewhere.found_places(self.folder),
        }  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Give the build's environment, all of it."""
        places = self.places()
        env = fill(self.settings.environment, places)
        env |= launcher.launcher_env(self.request.launcher, self.sdk, self.launcher_mounts)
        # The compiler is hipcc, whose clang is the launcher's already: once is enough.
        for language in ("C", "CXX"):
            env.pop(f"CMAKE_{language}_COMPILER_LAUNCHER", None)
        env["PATH"] = f"{self.sdk.rocm_path}/bin:/usr/bin:/bin"
        env["SOURCE_DATE_EPOCH"] = str(self.settings.epoch)
        return env

    def call(
        self,
        run: StepRun,
        argv: Sequence[str],
        *,
        cwd: str,
        extra: Sequence[Mount] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Run a program inside the SDK with the build's folders and environment."""
        environment = {**self.environment(), **(env or {})}
        run.call(self.sdk.command(argv, mounts=[*self.mounts, *extra], env=environment, cwd=cwd))

    def tools(self, run: StepRun) -> None:
        """Make what the environment's compilers are found by: the launcher's folder and its cache."""
        self.cache.mkdir(parents=True, exist_ok=True)
        folder = self.launcher_mounts[0].outside
        launcher.write_tools(run, self.sdk, folder, launcher=self.request.launcher, cmake_cache={})

    def ninja(self, *targets: str) -> NinjaBuild:
        """Give the configured build."""
        return NinjaBuild(
            sdk=self.sdk, folder=self.build.outside, mounts=self.mounts, env=self.environment(),
            kind_of=self.kind_of, targets=targets,
        )  # fmt: skip

    def kind_of(self, output: str) -> str:
        """Give the class of an output by which its time is guessed: one for all objects of a library."""
        if output.endswith(".o"):
            return next(iter(self.settings.work))
        return "link" if ".so" in output else "other"


def decoder_source() -> Path:
    """Give the source of the instruction decoder."""
    return data_root() / "vgpu" / "isa"
