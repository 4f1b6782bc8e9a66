"""The last step of a library's build: one archive of the product, the same bytes from the same files.

Archives travel (dist/, Conan's remotes); packaging reads folders, so an archive is opened again there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from rocm_patch.components.library import LibraryBuild
from rocm_patch.components.product import PRODUCT
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.model import Estimate, Step
from rocm_patch.sources import UnpackRule, unpack

SUFFIX = ".tar.xz"


def delivery_step(build: LibraryBuild) -> Step:
    """Declare the step."""

    def pack(run: StepRun) -> None:
        folder = run.scratch / "delivery"
        folder.mkdir()
        argv = ["tar", "--create", "--xz", f"--file={folder / build.stem}{SUFFIX}", "--sort=name"]
        argv += ["--owner=0", "--group=0", "--numeric-owner", f"--mtime=@{build.settings.epoch}"]
        run.call([*argv, f"--directory={run.folder}", PRODUCT])

    disk = build.settings.disk // 4
    return Step(
        name="delivery", does="pack the product", run=pack, after=["product"], outputs=["delivery"],
        tools=["tar", "xz"], estimate=lambda: Estimate(disk=disk, seconds=60),
    )  # fmt: skip


def open_product(archive: Path, products: Path) -> Path:
    """Unpack a product's archive to products/NAME, in the place of an earlier one."""
    name = archive.name.removesuffix(SUFFIX)
    fresh, place = products / f".{name}.new", products / name
    for leftover in (fresh, products / f".{name}.old"):
        shutil.rmtree(leftover, ignore_errors=True)
    products.mkdir(parents=True, exist_ok=True)
    unpack(archive, fresh, UnpackRule(strip=1))
    if place.exists():
        place.rename(products / f".{name}.old")
    fresh.rename(place)
    shutil.rmtree(products / f".{name}.old", ignore_errors=True)
    return place
