"""The last step of a library's build: one archive of the product, the same bytes from the same files."""

from __future__ import annotations

from rocm_patch.components.library import LibraryBuild
from rocm_patch.components.product import PRODUCT
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.model import Estimate, Step


def delivery_step(build: LibraryBuild) -> Step:
    """Declare the step."""

    def pack(run: StepRun) -> None:
        folder = run.scratch / "delivery"
        folder.mkdir()
        argv = ["tar", "--create", "--xz", f"--file={folder / build.stem}.tar.xz", "--sort=name"]
        argv += ["--owner=0", "--group=0", "--numeric-owner", f"--mtime=@{build.settings.epoch}"]
        run.call([*argv, f"--directory={run.folder}", PRODUCT])

    disk = build.settings.disk // 4
    return Step(
        name="delivery", does="pack the product", run=pack, after=["product"], outputs=["delivery"],
        tools=["tar", "xz"], estimate=lambda: Estimate(disk=disk, seconds=60),
    )  # fmt: skip
