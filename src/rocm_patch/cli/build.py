"""`rocm-patch build COMPONENT`: words into a request, the pipeline's answer into words.

No logic of building is here.
"""

from __future__ import annotations

import click

from rocm_patch.components import default_sdk, load_component
from rocm_patch.components.packing import SUFFIX, open_product
from rocm_patch.errors import UsageError
from rocm_patch.paths import dist_root
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.launcher import LAUNCHERS, launcher_name
from rocm_patch.pipeline.model import Request
from rocm_patch.pipeline.report import Reporter
from rocm_patch.pipeline.show import plan_lines, summary
from rocm_patch.pipeline.targets import load_target


@click.command()
@click.argument("component")
@click.argument("version")
@click.option("--target", default="gfx1010", show_default=True, help="GPU architecture.")
@click.option("--python", "pythons", multiple=True, metavar="3.13", help="Python of the wheel; repeatable.")
@click.option(
    "--sdk",
    help="Where compilers run: sysroot, sysroot:LOCK, host:/opt/rocm-6.4.3 or container:IMAGE@sha256:DIGEST "
    "[the sysroot whose lock has what the component needs].",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Compilers at once (by cores and memory).")
@click.option(
    "--launcher", type=click.Choice(LAUNCHERS), help="Compiler cache [$ROCM_PATCH_LAUNCHER, ccache]."
)
@click.option("--plan", "plan_only", is_flag=True, help="Print each step, its inputs and hashes; do nothing.")
@click.option("--until", metavar="STEP", help="Stop after this step.")
@click.option("--keep-going", is_flag=True, help="After an object fails, compile all others first.")
@click.option("--clean", is_flag=True, help="Begin anew: only downloads and the compiler cache are kept.")
@click.option("--verify", is_flag=True, help="Read every earlier output again, whatever its times say.")
@click.option(
    "--kernels-only", "flavour", flag_value="kernels-only", help="rocBLAS: only the pack of kernels."
)
@click.option(
    "--without-tensile",
    "flavour",
    flag_value="without-tensile",
    help="rocBLAS: only the library, no Tensile.",
)
@click.option("--wait", is_flag=True, help="Wait for another run in the same folder to end.")
def build(
    component: str,
    version: str,
    *,
    target: str,
    pythons: tuple[str, ...],
    sdk: str | None,
    jobs: int | None,
    launcher: str | None,
    plan_only: bool,
    until: str | None,
    keep_going: bool,
    clean: bool,
    verify: bool,
    flavour: str | None,
    wait: bool,
) -> None:
    """Build a version of a component for a gfx target; what is done already is not done again."""
    load_target(target)
    made = load_component(component)
    if flavour and flavour not in getattr(made, "flavours", ()):
        raise UsageError(f"{component} has no --{flavour}", step="leave the option out")
    for python in dict.fromkeys(pythons or ("3.13",)):
        request = Request(
            component=component,
            version=version,
            target=target,
            python=python,
            sdk=sdk or default_sdk(made, flavour or ""),
            launcher=launcher_name(launcher),
            jobs=jobs,
            keep_going=keep_going,
            flavour=flavour or "",
        )
        reporter = Reporter()
        pipeline = Pipeline(made, request, reporter=reporter)
        if plan_only:
            click.echo("\n".join(plan_lines(pipeline.plan(thorough=verify))))
            continue
        if clean:
            _clean(pipeline, wait=wait)
        if until is not None or verify:
            pipeline.run(
                until=until,
                wait_s=None if wait else 0.0,
                thorough=verify,
                plan_shown=lambda plan: reporter.say(summary(plan)),  # noqa: B023 - called within this turn
            )
        if until is None:
            _create(request, wait=wait)


def _clean(pipeline: Pipeline, *, wait: bool) -> None:
    from rocm_patch.pipeline import conan  # noqa: PLC0415 - Conan takes half a second to import

    conan.forget(pipeline.request, pipeline.plan().key)
    pipeline.clean(wait_s=None if wait else 0.0)


def _create(request: Request, *, wait: bool) -> None:
    from rocm_patch.pipeline import conan  # noqa: PLC0415 - as above

    package = conan.create_component(request, wait=wait)
    for path in conan.deliver(package, dist_root()):
        click.echo(path)
        if path.name.endswith(SUFFIX):
            click.echo(open_product(path, dist_root() / "products"))
