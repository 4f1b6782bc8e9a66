"""What differs where a build runs in an installed ROCm or an image and not in our sysroot.

The sysroot's lock says what is in it; another environment has to be looked at. The settings'
`elsewhere` says what must be there, from which package, and which settings are others. Knows
no component by name.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from rocm_patch.components.buildfile import Strict, fill
from rocm_patch.errors import DataError, MissingToolError, SysrootError, UsageError
from rocm_patch.paths import data_root
from rocm_patch.pipeline.digest import Input, Named, Text
from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.sdk import Sdk, digest
from rocm_patch.sysroot.tools import host_family

#: The step's output: what the SDK is, and where things were found in it.
FILE = "sdk.json"
#: Prints ROCm's version, then for each pattern its number and the first path that it matches.
_LOOK = """\
echo "rocm $(cat "$ROCM_INFO")"
n=0
for pattern; do
  for path in $pattern; do
    if [ -e "$path" ]; then echo "$n $path"; break; fi
  done
  n=$((n+1))
done
"""
_ANSWER = re.compile(r"(rocm|\d+) (\S+)")


class Need(Strict):
    """A file that must be there: `any` of these shell patterns, the first that is found counts.

    {rocm}, {llvm} and {python} are filled in. `package` is its name in Debian, Ubuntu and AMD's
    repositories; {python} is filled in. With `name`, settings call the folder of what was found
    by that name in braces. With `launcher`, only builds with that compiler cache need it.
    """

    package: str
    any: tuple[str, ...] = Field(min_length=1)
    name: str | None = None
    launcher: str | None = None


class Elsewhere(Strict):
    """Settings over the sysroot's. `rocm` is the release that the SDK must hold, such as 6.4.

    `common` names a file of build/needs/, whose needs stand before the component's own.
    `licensed` are files whose packages are compiled into a wheel, in place of its static_packages.
    """

    rocm: str
    common: str | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    cmake: dict[str, str] = Field(default_factory=dict)
    needs: tuple[Need, ...]
    layouts: tuple[str, ...] = ()
    licensed: tuple[str, ...] = ()


class _Common(Strict):
    schema_version: Literal[1] = Field(alias="schema")
    needs: tuple[Need, ...]


def _common(name: str) -> tuple[Need, ...]:
    path = data_root() / "build" / "needs" / f"{name}.yml"
    try:
        return _Common.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).needs
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise DataError(f"{path} is not usable", cause=str(error), step="restore it from git") from error


def chosen(elsewhere: Elsewhere | None, kind: str, what: str) -> Elsewhere | None:
    """Give what holds in a kind of SDK, common needs first; None in the sysroot.

    UsageError where nothing is said of it, DataError where the file of common needs is not usable.
    """
    if kind == "sysroot":
        return None
    if elsewhere is None:
        raise UsageError(
            f"nobody has said what {what} needs of a {kind}",
            cause="recipes/*/build.yml has no `elsewhere` for it",
            step="build it with --sdk sysroot, or add `elsewhere` as recipes/pytorch/build.yml has it",
        )
    if elsewhere.common is None:
        return elsewhere
    return elsewhere.model_copy(
        update={"common": None, "needs": (*_common(elsewhere.common), *elsewhere.needs)}
    )


def sdk_inputs(sdk: Sdk, elsewhere: Elsewhere | None) -> dict[str, Input]:
    """Give the inputs of the step that makes an SDK ready; the sysroot's lock says all of it."""
    inputs: dict[str, Input] = {"sdk": Named(digest(sdk))}
    if elsewhere is not None:
        inputs["needs"] = Text([elsewhere.rocm, [need.model_dump() for need in elsewhere.needs]])
    return inputs


def make_ready(run: StepRun, sdk: Sdk, elsewhere: Elsewhere | None) -> None:
    """Make the SDK ready, look for what the build needs of it, and write it down in the step's scratch.

    MissingToolError names everything that is not there and the command that installs it;
    SysrootError where it holds another release of ROCm, or cannot be made or fetched.
    """
    sdk.prepare(run.reporter.say)
    described: dict[str, object] = dict(sdk.describe())
    if elsewhere is not None:
        described["found"] = _look(run, sdk, elsewhere)
    (run.scratch / FILE).write_text(json.dumps(described, indent=1), encoding="utf-8")


def found_places(folder: Path) -> dict[str, str]:
    """Give the folders that were found, by their names; none before the step, or in the sysroot."""
    path = folder / FILE
    if not path.is_file():
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8")).get("found", {}))


def _look(run: StepRun, sdk: Sdk, elsewhere: Elsewhere) -> dict[str, str]:
    """Give the named folders. See make_ready for what is raised."""
    places = {"rocm": sdk.rocm_path, "llvm": sdk.llvm_bin, "python": run.request.python}
    needs = [need for need in elsewhere.needs if need.launcher in {None, run.request.launcher}]
    patterns = [(need, _filled(pattern, places)) for need in needs for pattern in need.any]
    answers: dict[str, str] = {}

    def take(line: str) -> None:
        answer = _ANSWER.fullmatch(line)
        if answer is not None:
            answers[answer[1]] = answer[2]

    argv = ["sh", "-c", _LOOK, "look", *(pattern for _, pattern in patterns)]
    info = f"{sdk.rocm_path}/.info/version"
    env = {"ROCM_INFO": info}
    run.call(sdk.command(argv, mounts=[], env=env, cwd="/"), watch=take)
    _require_release(answers.get("rocm", ""), elsewhere.rocm, run.request.sdk, info)
    first: dict[Need, str] = {}
    for number, (need, _) in enumerate(patterns):
        if str(number) in answers:
            first.setdefault(need, answers[str(number)])
    missing = [need for need in needs if need not in first]
    if missing:
        raise _lack(sdk, run.request.sdk, missing, places)
    return {need.name: str(Path(path).parent) for need, path in first.items() if need.name is not None}


def _filled(text: str, places: Mapping[str, str]) -> str:
    return fill({"": text}, places)[""]


def _require_release(found: str, wanted: str, name: str, info: str) -> None:
    """SysrootError where the SDK holds another ROCm than the build is for."""
    if found != wanted and not found.startswith((f"{wanted}.", f"{wanted}-")):
        raise SysrootError(
            f"{name} holds ROCm {found or 'of no known release'}, and this build is for {wanted}",
            cause=f"{info} says so" if found else f"{info} is not there, or empty",
            step=f"name a ROCm {wanted}, or build with --sdk sysroot, which brings its own",
        )


def _lack(sdk: Sdk, name: str, missing: Sequence[Need], places: Mapping[str, str]) -> MissingToolError:
    """Explain what is not there and how it gets there."""
    lines = [(_filled(need.package, places), _filled(" or ".join(need.any), places)) for need in missing]
    packages = " ".join(sorted({package for package, _ in lines}))
    install = f"apt-get install --yes {packages}"
    if sdk.kind == "container":
        step = (
            f"make an image on top of it, with: FROM {name.partition(':')[2]} and: RUN apt-get update && "
            f"{install}; then name the new image by its digest"
        )
    elif host_family() == "debian":
        step = install if os.geteuid() == 0 else f"sudo {install}"
    else:
        step = (
            f"these packages are named as in Debian, Ubuntu and AMD's repository for them: {packages}; on "
            "this distribution build with --sdk sysroot, which needs none of them"
        )
    return MissingToolError(
        f"{len(missing)} things that the build needs are not in {name}",
        cause="it compiles with the SDK's own programs, headers and libraries",
        detail=[f"{paths}: package {package}" for package, paths in lines],
        step=step,
    )
