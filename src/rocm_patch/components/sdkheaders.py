"""Patch headers of the SDK for one build; the SDK itself stays as it is.

A folder of headers is copied out of the SDK, the series of its version is applied to the
copy, and programs of the build see the copy in its place. Knows no component by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from rocm_patch.components.settings import SdkSeries
from rocm_patch.errors import DataError, SeriesError
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.sdk import Mount, Sdk
from rocm_patch.series import apply_series, load_series, series_digest

#: The step's output, in the work folder.
FOLDER = "headers"
_OUT = "/headers"


def digests(wanted: Sequence[SdkSeries]) -> dict[str, dict[str, str]]:
    """Name what the series of every version would do: which one applies is known in the SDK only."""
    return {
        one.component: {own: series_digest(one.component, name) for own, name in one.versions.items()}
        for one in wanted
    }


def patch_headers(run: StepRun, sdk: Sdk, wanted: Sequence[SdkSeries]) -> None:
    """Fill the step's scratch with the patched folders.

    SeriesError where the SDK holds a version that nobody has looked at, or other bytes than
    its version promises; BuildError where the folder is absent.
    """
    mount = Mount(run.scratch / FOLDER, _OUT, write=True)
    mount.outside.mkdir()
    for one in wanted:
        source = place(one, sdk)
        # Times are kept, so that ninja takes only what is patched for new.
        argv = ["cp", "-R", "--preserve=timestamps,links", "--", str(source), sdk.seen(mount)]
        missing = f"the SDK has no {source}; recipes/pytorch/build.yml names it"
        run.call(sdk.command(argv, mounts=[mount], env={}, cwd="/"), next_step=missing)
        found = version_of(mount.outside / source.name / one.version_file, one.version_macro)
        name = one.versions.get(found)
        if name is None:
            raise SeriesError(
                f"the SDK's {one.component} is {found}, and it is not known what that needs",
                cause=f"known: {', '.join(sorted(one.versions))}",
                step=f"add its series to patches/{one.component}/ (an empty one where it needs no patch) "
                "and name it under sdk_series in recipes/pytorch/build.yml",
            )
        result = apply_series(load_series(one.component, name), mount.outside)
        run.facts[one.component] = {"version": found, "patches": list(result.patches)}


def header_mounts(folder: Path, sdk: Sdk, wanted: Sequence[SdkSeries]) -> list[Mount]:
    """Give the patched folders under the paths of the SDK's own, so that no command line changes."""
    places = [place(one, sdk) for one in wanted]
    return [Mount(folder / FOLDER / where.name, str(where)) for where in places]


def place(one: SdkSeries, sdk: Sdk) -> PurePosixPath:
    """Give the folder by its path inside the SDK. DataError for an unknown name in braces."""
    try:
        return PurePosixPath(one.headers.format_map({"rocm": sdk.rocm_path}))
    except (KeyError, ValueError) as error:
        raise DataError(
            f"sdk_series: {one.headers} is no path", cause=str(error), step="use {rocm}"
        ) from error


def version_of(path: Path, macro: str) -> str:
    """Read MACRO_MAJOR, _MINOR and _PATCH from a header. SeriesError where one is not there."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    numbers = []
    for part in ("MAJOR", "MINOR", "PATCH"):
        match = re.search(rf"^#\s*define\s+{macro}_{part}\s+(\d+)\s*$", text, re.MULTILINE)
        if match is None:
            raise SeriesError(
                f"{path.name} does not tell its version",
                cause=f"no line that defines {macro}_{part}" if text else f"{path} is missing",
                step="compare the SDK's headers with sdk_series in recipes/pytorch/build.yml",
            )
        numbers.append(match[1])
    return ".".join(numbers)
