"""PyTorch's link-time parts and its shipped wheel: the data of build.yml in rocm_patch.wheel's terms.

Knows which sources and settings go into them; how they are made is rocm_patch.wheel's.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from rocm_patch.components.settings import BuildSettings
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.sdk import Mount, Sdk
from rocm_patch.series import Series
from rocm_patch.sources import ObjectStore, SourceItem, fetch_all
from rocm_patch.wheel import check, deps, floor
from rocm_patch.wheel.finish import Given, finish
from rocm_patch.wheel.inside import Inside
from rocm_patch.wheel.sbom import Part, Subject
from rocm_patch.wheel.table import load_table

#: For the files of an image, in the step's scratch; gone with it.
_COPIES = "sdk-files"
_FLAGS = ("LDFLAGS", "CXXFLAGS", "CFLAGS")


def make_deps(
    run: StepRun,
    sdk: Sdk,
    settings: BuildSettings,
    sources: Sequence[SourceItem],
    *,
    mounts: list[Mount],
    env: Mapping[str, str],
) -> None:
    """Fill the step's scratch with deps/: stub libraries, OpenBLAS's linker script, libgloo.a.

    `mounts` and `env` bring the compiler launcher.
    """
    inside = Inside(sdk, run.call, run.scratch / _COPIES)
    folder = run.scratch / "deps"
    folder.mkdir()
    flags = env.get("CXXFLAGS", "")
    above = deps.make_stubs(inside, folder, load_table(settings.wheel.table), flags=flags)
    run.facts["symbols_above_floor"] = {name: len(names) for name, names in above.items()}
    deps.make_openblas(inside, folder)
    gloo = [item for item in sources if item.name == settings.wheel.gloo]
    archive = fetch_all(gloo, cache=ObjectStore())[settings.wheel.gloo]
    # What LDFLAGS leads to is being made here.
    plain = {name: value for name, value in env.items() if name not in _FLAGS}
    deps.make_gloo(inside, folder, archive, flags=flags, mounts=mounts, env=plain, jobs=run.jobs)


def finish_wheel(
    run: StepRun,
    sdk: Sdk,
    settings: BuildSettings,
    items: Sequence[SourceItem],
    series: Series,
    *,
    raw: Path,
    licensed: Sequence[str] = (),
) -> Path:
    """Make the shipped wheel in the step's scratch from setup.py's, and hold it against every rule.

    `licensed` are files of the SDK whose packages are compiled in, besides build.yml's static_packages.
    """
    inside = Inside(sdk, run.call, run.scratch / _COPIES)
    wheel = settings.wheel
    table = load_table(wheel.table)
    found = fetch_all(items, cache=ObjectStore(), layout=settings.layout)
    python = f"cp{run.request.python.replace('.', '')}"
    label = settings.label.format(target=run.request.target)
    subject = Subject(
        name="torch",
        version=f"{run.request.version}+{label}",
        licence=wheel.licence,
        ancestor=wheel.ancestor,
        ancestor_sha256=found[wheel.ancestor_item].name,
        patches=[(patch.name, patch.data.decode()) for patch in series.patches],
        epoch=settings.epoch,
        sdk={**sdk.describe(), "target": run.request.target, "python": run.request.python},
    )
    given = Given(
        subject=subject,
        tag=f"{python}-{python}-linux_x86_64",
        python=wheel.python,
        floor=run.folder / "deps" / "lib" / floor.LIBRARY,
        tools=[_named(found[name], name, run.scratch / "tools") for name in wheel.tools],
        static_packages=wheel.static_packages,
        static_files=licensed,
        static_parts=[
            Part("static", one.name, one.version, sha256=found[one.item].name, licence=_licence(one.name))
            for one in wheel.static_sources
        ],
        licences={
            _licence(one.name).removeprefix("licenses/"): (run.folder / one.licence).read_bytes()
            for one in wheel.static_sources
        },
    )
    out, scratch = run.scratch / "wheel", run.scratch / "finish"
    made = finish(raw, out, given, inside=inside, table=table, scratch=scratch)
    shutil.rmtree(run.scratch / "tools")
    folders = [str(run.folder), str(ObjectStore().root)]
    check.require(
        made, table, allowed=wheel.allowed_paths, root=inside.root, libraries=inside.library_folders,
        more_folders=folders,
    )  # fmt: skip
    return made


def _licence(name: str) -> str:
    """Give the place of a source's licence below .dist-info."""
    return f"licenses/sources/{name}.LICENSE"


def _named(path: Path, name: str, folder: Path) -> Path:
    """Give a stored file under a wheel's name: the cache names it by its hash."""
    folder.mkdir(exist_ok=True)
    return shutil.copyfile(path, folder / f"{name}.whl")
