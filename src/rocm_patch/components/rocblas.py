"""rocBLAS's steps: the library, or a pack of kernels alone, with tuned logic that is derived at build time.

Flavours: none (library and kernels), `kernels-only` (what goes into library/<target>/ beside a stock
librocblas.so), `without-tensile` (the library alone, GEMM by its own source kernels). Versions and
hashes are in recipes/rocblas and recipes/tensile, flags in recipes/rocblas/build.yml.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch.components.buildfile import fill
from rocm_patch.components.library import LibraryBuild
from rocm_patch.components.libsettings import TensileUse
from rocm_patch.components.packing import delivery_step
from rocm_patch.components.pyenv import add_wheels
from rocm_patch.components.tree import copy_tree
from rocm_patch.errors import BuildError, SourceError, UsageError
from rocm_patch.logic import derive, load_rules
from rocm_patch.paths import data_root
from rocm_patch.pipeline.digest import Files, Named, Text
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.model import Estimate, Request, Step
from rocm_patch.pipeline.sdk import Mount
from rocm_patch.series import apply_series, load_series, series_digest
from rocm_patch.sources import ObjectStore, SourceItem, fetch_all, load_recipe, unpack

LOGIC = "library/src/blas3/Tensile/Logic/asm_full"
#: How CMake's install names the place of kernels, below the prefix.
KERNELS = "lib/rocblas/library"
#: The lock that has msgpack's headers besides.
SDK = "sysroot:rocm-6.4-libraries"
KERNELS_ONLY, WITHOUT_TENSILE = "kernels-only", "without-tensile"


class RocBlas:
    """The component; see rocm_patch.pipeline.model.Component."""

    name = "rocblas"
    flavours: Sequence[str] = (KERNELS_ONLY, WITHOUT_TENSILE)

    def default_sdk(self, flavour: str) -> str:
        """Only the library with Tensile in it needs msgpack's headers."""
        return SDK if flavour == "" else "sysroot"

    def steps(self, request: Request, folder: Path) -> Sequence[Step]:
        """Give the steps in order; reads data files only."""
        return Build(request, folder).steps()

    def products(self, request: Request, folder: Path) -> Sequence[Path]:
        """Give the archive of the product and the audit's summary."""
        return [folder / "delivery" / f"{Build(request, folder).stem}.tar.xz",
                *sorted((folder / "audit").glob("*.json"))]  # fmt: skip


class Build(LibraryBuild):
    """One request's build."""

    def __init__(self, request: Request, folder: Path) -> None:
        """Read the data files of rocBLAS, and of its Tensile where that is used."""
        super().__init__(request, folder)
        use = self.settings.tensile
        self.use: TensileUse | None = None if request.flavour == WITHOUT_TENSILE else use
        if use is None and request.flavour != WITHOUT_TENSILE:
            raise UsageError(
                f"recipes/rocblas/build.yml says no Tensile for {request.version}",
                step="give --without-tensile",
            )
        self.tensile = Mount(folder / "tensile", "/tensile")
        self.pyenv = Mount(folder / "pyenv", "/pyenv")

    # --- sources

    @functools.cached_property
    def tensile_item(self) -> SourceItem | None:
        """Give Tensile's source, where it is used."""
        if self.use is None:
            return None
        (item,) = load_recipe("tensile").items(self.use.version)
        return item

    @functools.cached_property
    def items(self) -> tuple[SourceItem, ...]:
        """Give rocBLAS, and with Tensile its source and the wheels that it runs on."""
        if self.tensile_item is None:
            return tuple(self.recipe.sources[self.request.version])
        own = self.recipe.items(self.request.version, python=self.request.python)
        return (*own, self.tensile_item)

    def layout_of(self, item: SourceItem) -> str | None:
        """Take Tensile in whichever form can be had."""
        return None if item is self.tensile_item else super().layout_of(item)

    def fetched(self, item: SourceItem) -> Path:
        """Give an item's archive; where Tensile is out of reach, say what can be built without it."""
        try:
            return super().fetched(item)
        except SourceError as error:
            if item is not self.tensile_item:
                raise
            step = f"{error.step}; or build rocBLAS without it: --without-tensile" if error.step else ""
            raise SourceError(error.what, cause=error.cause, detail=error.detail, step=step) from error

    # --- steps

    def steps(self) -> list[Step]:
        """Declare the steps of this flavour."""
        steps = self.source_steps()
        if self.use is None:
            return [
                *steps,
                *self.compile_steps(["series"]),
                *self.product_steps("install"),
                delivery_step(self),
            ]
        steps += self._tensile_steps(self.use)
        if self.request.flavour == KERNELS_ONLY:
            steps.append(self._kernels_step(self.use))
            return [*steps, *self.product_steps("kernels"), delivery_step(self)]
        ready = ["series", "logic", "tensile", "python-env"]
        return [*steps, *self.compile_steps(ready), *self.product_steps("install"), delivery_step(self)]

    def _tensile_steps(self, use: TensileUse) -> list[Step]:
        rules = data_root() / "recipes" / "rocblas" / "logic.yml"
        return [
            Step(
                name="tensile", does="unpack Tensile, apply its series", run=self.unpack_tensile,
                after=["sources"], outputs=["tensile"],
                inputs={"series of tensile": Named(series_digest("tensile", use.version))},
                estimate=lambda: Estimate(disk=200_000_000, seconds=20),
            ),
            Step(
                name="logic", does="derive the card's tuned logic", run=self.logic, after=["series"],
                inputs={"rules": Files((rules,)), "target": Text(self.request.target)},
                outputs=["with-logic"],
                estimate=lambda: Estimate(disk=self.settings.disk // 4, seconds=20),
            ),
            Step(
                name="python-env", does="make Tensile's Python environment", run=self.python_env,
                after=["sources", "sysroot"], outputs=["pyenv"], inputs={"python": Text(self.request.python)},
                estimate=lambda: Estimate(disk=30_000_000, seconds=5),
            ),
        ]  # fmt: skip

    def _kernels_step(self, use: TensileUse) -> Step:
        return Step(
            name="kernels", does="generate and compile the kernels with Tensile", run=self.kernels,
            after=["logic", "tensile", "python-env", "sysroot"], outputs=["kernels"],
            inputs={
                "arguments": Text([use.arguments, use.environment, self.settings.environment]),
                "target": Text(self.request.target),
            },
            estimate=lambda: Estimate(disk=1_000_000_000, seconds=1500),
        )  # fmt: skip

    # --- what the steps do

    def unpack_tensile(self, run: StepRun) -> None:
        """Make the patched Tensile."""
        if self.use is None or self.tensile_item is None:
            raise BuildError("there is no Tensile in this build", step="report this")
        rule = self.variant(self.tensile_item).unpack
        unpack(self.fetched(self.tensile_item), run.scratch / "tensile", rule)
        result = apply_series(load_series("tensile", self.use.version), run.scratch / "tensile")
        run.facts["patches"] = list(result.patches)

    def logic(self, run: StepRun) -> None:
        """Add the derived logic beside the logic of all other cards."""
        copy_tree(run.folder / "patched", run.scratch / "with-logic")
        rules = load_rules(self.request.target)
        folder = run.scratch / "with-logic" / LOGIC
        results = derive(folder / rules.source.schedule, folder / rules.target.schedule, rules)
        run.facts["logic"] = [attrs.asdict(one) for one in results]

    def python_env(self, run: StepRun) -> None:
        """Unpack Tensile's wheels where PYTHONPATH leads."""
        wheels = [item for item in self.items if item not in self.source_items()]
        add_wheels(run, fetch_all(wheels, cache=ObjectStore()).values())

    def kernels(self, run: StepRun) -> None:
        """Let Tensile make the library of kernels, laid out as a pack for library/<target>/."""
        if self.use is None:
            raise BuildError("there is no Tensile in this build", step="report this")
        logic = Mount(run.folder / "with-logic" / LOGIC, "/logic")
        out = Mount(run.scratch / "out", "/out", write=True)
        out.outside.mkdir()
        self.tools(run)
        # Tensile 6.1 and 6.2 crash with one job.
        jobs = max(run.jobs, 2)
        argv = [
            f"python{self.request.python}", f"{self.sdk.seen(self.tensile)}/Tensile/bin/TensileCreateLibrary",
            *self.use.arguments, "--code-object-version=default", "--cxx-compiler=hipcc",
            "--library-format=msgpack", f"--architecture={self.request.target}", f"--jobs={jobs}",
            self.sdk.seen(logic), self.sdk.seen(out), "HIP",
        ]  # fmt: skip
        self.call(run, argv, cwd=self.sdk.seen(out), extra=[logic, out])
        made = out.outside / "library"
        wanted = [
            f"TensileLibrary_lazy_{self.request.target}.dat",
            f"Kernels.so-000-{self.request.target}.hsaco",
        ]
        missing = [name for name in wanted if not (made / name).is_file()]
        if missing:
            raise BuildError(
                "Tensile did not make a complete library",
                cause=f"missing: {', '.join(missing)}",
                step=f"read {run.log.path}",
            )
        place = run.scratch / "kernels" / KERNELS / self.request.target
        place.parent.mkdir(parents=True)
        made.rename(place)
        # Names of the files as the machine that built them saw them.
        (place / "TensileManifest.txt").unlink(missing_ok=True)
        run.facts["files"] = len(list(place.iterdir()))

    # --- what is special

    def source_tree(self) -> Path:
        """Compile the tree with the derived logic."""
        return self.folder / ("patched" if self.use is None else "with-logic")

    def installed(self) -> Path:
        """Give what this flavour made."""
        return self.folder / ("kernels" if self.request.flavour == KERNELS_ONLY else "installed")

    def lay_out(self, folder: Path) -> None:
        """Take what was made; a library's own kernels go into the target's folder as well."""
        shutil.copytree(self.installed(), folder, symlinks=True)
        flat = folder / KERNELS
        if flat.is_dir() and not (flat / self.request.target).is_dir():
            files = sorted(flat.iterdir())
            (flat / self.request.target).mkdir()
            for file in files:
                file.rename(flat / self.request.target / file.name)

    def more_inputs(self) -> object:
        """Give Tensile's part of the settings."""
        if self.use is None:
            return self.settings.without_tensile
        return [self.use.version, self.use.cmake, self.use.environment]

    def cmake_entries(self) -> dict[str, str]:
        """Add Tensile's entries, or those that turn it off."""
        more = self.settings.without_tensile if self.use is None else self.use.cmake
        return {**super().cmake_entries(), **fill(more, self.places())}

    def cache_checks(self) -> Mapping[str, bool | str]:
        """Tensile must be in, or out."""
        more = {"BUILD_WITH_TENSILE": False} if self.use is None else self.use.cache
        return {**super().cache_checks(), **more}

    @property
    def mounts(self) -> list[Mount]:
        """Add Tensile and its Python; the kernels alone have no folders of CMake's."""
        more = [] if self.use is None else [self.tensile, self.pyenv]
        if self.request.flavour == KERNELS_ONLY:
            return [*self.launcher_mounts, *more]
        return [*super().mounts, *more]

    def places(self) -> dict[str, str]:
        """Add Tensile's folders."""
        more = {"tensile": self.sdk.seen(self.tensile), "pyenv": self.sdk.seen(self.pyenv)}
        return super().places() | more

    def environment(self) -> dict[str, str]:
        """Add what Tensile reads."""
        more = {} if self.use is None else fill(self.use.environment, self.places())
        return super().environment() | more
