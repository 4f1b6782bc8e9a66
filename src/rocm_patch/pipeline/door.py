"""What the recipes call: a Conan recipe's options become a request, its methods the pipeline.

The only module that sees a ConanFile object. It knows its options and conf by name and
nothing of Conan's cache.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rocm_patch.components import load_component
from rocm_patch.pipeline import sdk
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.launcher import launcher_name
from rocm_patch.pipeline.model import Request
from rocm_patch.pipeline.record import write_record
from rocm_patch.pipeline.report import Reporter
from rocm_patch.pipeline.show import summary

CONF = "user.rocm_patch"


class Recipe(Protocol):
    """What is used of a ConanFile."""

    name: str
    version: Any
    options: Any
    conf: Any
    package_folder: Any


def sdk_description(text: str) -> Mapping[str, str]:
    """Describe an SDK by the words of --sdk."""
    return sdk.sdk_of(text).describe()


def sdk_digest(text: str) -> str:
    """Name an SDK by the hash of its description."""
    return sdk.digest(sdk.sdk_of(text))


def request_of(recipe: Recipe) -> Request:
    """Read a request from a recipe's options (what counts for the outcome) and conf (what does not)."""
    jobs = recipe.conf.get(f"{CONF}:jobs")
    return Request(
        component=str(recipe.name),
        version=str(recipe.version),
        target=str(recipe.options.target),
        python=str(recipe.options.python),
        sdk=str(recipe.options.sdk),
        launcher=launcher_name(recipe.conf.get(f"{CONF}:launcher")),
        jobs=int(jobs) if jobs else None,
        keep_going=bool(recipe.conf.get(f"{CONF}:keep_going")),
        flavour=flavour_of(recipe),
    )


def flavour_of(recipe: Recipe) -> str:
    """Give the flavour, for recipes that have such an option."""
    found = recipe.options.get_safe("flavour")
    return "" if found is None or str(found) == "whole" else str(found)


def pipeline_of(recipe: Recipe, reporter: Reporter | None = None) -> Pipeline:
    """Give the pipeline of a recipe."""
    return Pipeline(load_component(str(recipe.name)), request_of(recipe), reporter=reporter)


def fill_options(recipe: Recipe) -> None:
    """Set the options that hashes fill: `inputs` (every step's) and `series`, unless they are given."""
    if recipe.options.inputs.value and recipe.options.series.value:
        return
    plan = pipeline_of(recipe).plan()
    series = next(
        (item.inputs.get("series", "none") for item in plan.steps if item.step.name == "series"), "none"
    )
    recipe.options.inputs = plan.key
    recipe.options.series = series


def build(recipe: Recipe) -> None:
    """Run every step that is not done."""
    reporter = Reporter()
    wait = recipe.conf.get(f"{CONF}:wait")
    pipeline_of(recipe, reporter).run(
        wait_s=None if wait else 0.0, plan_shown=lambda plan: reporter.say(summary(plan))
    )


def package(recipe: Recipe) -> None:
    """Copy the products and the build record into the package."""
    pipeline = pipeline_of(recipe)
    folder = Path(str(recipe.package_folder))
    products = pipeline.products()
    for path in products:
        shutil.copy2(path, folder)
    write_record(folder, pipeline.plan(), products)
    names = [path.name for path in products]
    (folder / "products.json").write_text(json.dumps(names), encoding="utf-8")
