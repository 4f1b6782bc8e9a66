"""Reads problems/ and checks what no single file can: names that point to each other.

Knows where the files are; nothing of matching.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import yaml
from pydantic import ValidationError

from rocm_patch.diagnose.schema import Common, Problem
from rocm_patch.errors import DataError
from rocm_patch.paths import data_root

#: Facts that the judge works out from cards and settings instead of patterns.
DERIVED = frozenset(
    {"gfx101x", "override-on-gfx101x", "override-of-another-family", "integrated-beside-discrete"}
)


@attrs.frozen
class Catalogue:
    """The problems by id in their numbering, and what they share."""

    problems: dict[str, Problem]
    common: Common


def problems_folder() -> Path:
    """Give the folder of the catalogue's files."""
    return data_root() / "problems"


def load_catalogue(folder: Path | None = None) -> Catalogue:
    """Read every file of the catalogue. DataError names the file and the key that is wrong."""
    folder = folder or problems_folder()
    stats = [(str(path), path.stat()) for path in sorted(folder.rglob("*.yml"))]
    return _load(folder, tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


@cache
def _load(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> Catalogue:
    """Read the files once for each state of the folder, which `stamps` tells apart."""
    del stamps
    files = sorted(folder.glob("*.yml"))
    if not files:
        raise DataError(
            f"{folder} holds no problem",
            cause="the catalogue is one file a problem, <id>.yml",
            step="reinstall rocm-patch, or set ROCM_PATCH_DATA to a checkout",
        )
    problems = {}
    for path in files:
        try:
            problem = Problem.model_validate(_yaml(path))
        except ValidationError as error:
            raise _invalid(path, error) from error
        if problem.id != path.stem:
            raise _wrong(path, f"its id is {problem.id}")
        problems[problem.id] = problem
    shared: dict[str, Any] = {}
    for part in ("facts", "cards", "lookalikes", "observations"):
        shared |= _yaml(folder / "common" / f"{part}.yml")
    try:
        common = Common.model_validate(shared)
    except ValidationError as error:
        raise _invalid(folder / "common", error) from error
    catalogue = Catalogue(dict(sorted(problems.items(), key=lambda item: item[1].number)), common)
    _check_names(catalogue, folder)
    return catalogue


def _yaml(path: Path) -> dict[str, Any]:
    """Read one file that must hold a mapping."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 (a safe loader)
    except (OSError, yaml.YAMLError) as error:
        raise _wrong(path, str(error)) from error
    if not isinstance(data, dict):
        raise _wrong(path, "it is not a mapping")
    return data


def _check_names(catalogue: Catalogue, folder: Path) -> None:
    """Check that problems and facts which are named exist, and that numbers and signs are unique."""
    known_facts = set(catalogue.common.facts) | set(catalogue.common.observations) | DERIVED
    numbers = [problem.number for problem in catalogue.problems.values()]
    if len(set(numbers)) != len(numbers):
        raise _wrong(folder, "two problems have the same number")
    for problem in catalogue.problems.values():
        path = folder / f"{problem.id}.yml"
        signs = [sign.id for sign in problem.signatures]
        if len(set(signs)) != len(signs):
            raise _wrong(path, "two signatures have the same id")
        _check_known(path, (rule.problem for rule in problem.beats), set(catalogue.problems), "problem")
        for sign in problem.signatures:
            own = [sign.fact] if sign.fact else []
            _check_known(path, [*own, *sign.needs, *sign.unless], known_facts, "fact")
        for rule in problem.beats:
            _check_known(path, rule.needs, known_facts, "fact")
        for fix in problem.fixes:
            _check_known(path, [*fix.when.needs, *fix.when.unless], known_facts, "fact")
    for alike in catalogue.common.lookalikes:
        _check_known(folder / "common", alike.resembles, set(catalogue.problems), "problem")


def _check_known(path: Path, used: Iterable[str], known: set[str], kind: str) -> None:
    """Fail on the first name that points nowhere."""
    for name in used:
        if name not in known:
            raise _wrong(path, f"there is no {kind} {name}")


def _wrong(path: Path, cause: str) -> DataError:
    return DataError(f"{path} is not a valid part of the catalogue", cause=cause, step="correct the file")


def _invalid(path: Path, error: ValidationError) -> DataError:
    lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    return DataError(
        f"{path} breaks the schema of the catalogue",
        cause=lines[0],
        detail=lines[1:20],
        step="docs/contributing.md describes the keys",
    )
