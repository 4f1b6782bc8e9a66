"""The data of the conformance runs: which suites, from which packages, what of them, and known causes.

build/conformance/NAME.yml holds a set of suites, causes.yml the explanations of
failures. Knows their form; nothing of how a test is run.
"""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from rocm_patch.errors import DataError, UsageError
from rocm_patch.paths import data_root

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
#: A path inside a package, without the leading slash.
Inside = Annotated[str, StringConstraints(pattern=r"^usr/[A-Za-z0-9._+/-]+$")]
#: Why a test may fail; only `ours` counts against the virtual GPU.
Kind = Literal["ours", "upstream", "out-of-scope"]


class Model(BaseModel):
    """Unknown keys are errors: a misspelt key must not silently do nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(Model):
    """What is run of the binaries whose name matches; the first rule that matches counts."""

    match: Line
    #: GoogleTest filters; a test is taken when one of them takes it.
    filter: Line = "*"
    #: At most so many tests, evenly spread over the binary's list; None: all.
    at_most: Annotated[int, Field(ge=0)] | None = None
    test_seconds: Annotated[float, Field(gt=0)] | None = None
    binary_seconds: Annotated[float, Field(gt=0)] | None = None
    #: Why nothing is run of it; needed where at_most is 0.
    reason: str = ""


class Suite(Model):
    """The tests of one library: packages of the lock, the folder of the binaries, what is taken."""

    name: Name
    title: Line
    packages: Annotated[tuple[Name, ...], Field(min_length=1)]
    folder: Inside
    arguments: tuple[str, ...] = ()
    env: dict[str, str] = {}
    binaries: Annotated[tuple[Rule, ...], Field(min_length=1)]

    def rule(self, binary: str) -> Rule | None:
        """Give the rule of a binary; None where no rule names it."""
        return next((rule for rule in self.binaries if fnmatch.fnmatchcase(binary, rule.match)), None)


class SuiteSet(Model):
    """A whole set: everything that belongs to one version of ROCm."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    name: Name
    title: Line
    #: The lock beside this file that pins the packages, in the form of the sysroot's locks.
    lock: Line
    #: The sysroot that the tests run in.
    sysroot: Name
    #: Packages that several suites need beside the sysroot.
    support: tuple[Name, ...] = ()
    #: Seconds of CPU time that a test, and a binary in one run, may take.
    test_seconds: Annotated[float, Field(gt=0)]
    binary_seconds: Annotated[float, Field(gt=0)]
    suites: Annotated[tuple[Suite, ...], Field(min_length=1)]

    def suite(self, name: str) -> Suite:
        """Give a suite by name; UsageError for one that is not there."""
        for suite in self.suites:
            if suite.name == name:
                return suite
        known = ", ".join(suite.name for suite in self.suites)
        raise UsageError(f"the set {self.name} has no suite {name!r}", step=f"choose from {known}")


class Cause(Model):
    """Why tests fail, time out or are left out: an explanation that holds for all that match."""

    id: Name
    kind: Kind
    #: Names of sets and suites, `*` allowed.
    set: Line = "*"
    suite: Line = "*"
    binary: Line = "*"
    #: An expression that the test's whole name matches.
    test: Line = ".*"
    #: Outcomes that it explains.
    outcomes: Annotated[tuple[Literal["failed", "crashed", "timed-out"], ...], Field(min_length=1)] = (
        "failed",
        "crashed",
    )
    #: An expression found in the failure's text; without one the text does not matter.
    text: str = ""
    reason: Line

    @field_validator("test", "text")
    @classmethod
    def _expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r}: {error}") from error
        return value

    def explains(self, where: tuple[str, str, str], test: str, outcome: str, text: str) -> bool:
        """Say whether it is the cause of an outcome; `where` is set, suite and binary."""
        places = zip(where, (self.set, self.suite, self.binary), strict=True)
        return (
            outcome in self.outcomes
            and all(fnmatch.fnmatchcase(value, pattern) for value, pattern in places)
            and re.fullmatch(self.test, test) is not None
            and (not self.text or re.search(self.text, text) is not None)
        )


class Causes(Model):
    """The whole of causes.yml."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    causes: tuple[Cause, ...] = ()

    def of(self, where: tuple[str, str, str], test: str, outcome: str, text: str) -> Cause | None:
        """Give the first cause that explains an outcome."""
        return next((one for one in self.causes if one.explains(where, test, outcome, text)), None)


def data_folder() -> Path:
    """Give the folder of the sets."""
    return data_root() / "build" / "conformance"


def set_names() -> list[str]:
    """List the sets that exist."""
    return sorted(path.stem for path in data_folder().glob("*.yml") if path.stem != "causes")


def load_set(name: str) -> SuiteSet:
    """Read a set by name. UsageError for one that is not there, DataError for a malformed one."""
    if name not in set_names():
        raise UsageError(f"no set is called {name!r}", step=f"choose from {', '.join(set_names())}")
    return _load(data_folder() / f"{name}.yml", SuiteSet)


def load_causes() -> Causes:
    """Read the known causes; DataError where the file is malformed."""
    return _load(data_folder() / "causes.yml", Causes)


_M = TypeVar("_M", bound=Model)


def _load(path: Path, kind: type[_M]) -> _M:
    origin = f"build/conformance/{path.name}"
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return kind.model_validate(data)
    except yaml.YAMLError as error:
        raise DataError(f"{origin} is not YAML", cause=" ".join(str(error).split())) from error
    except ValidationError as error:
        lines = [f"{'.'.join(str(p) for p in e['loc']) or 'file'}: {e['msg']}" for e in error.errors()]
        raise DataError(
            f"{origin} breaks its schema",
            cause=f"{len(lines)} place(s), listed below",
            step="docs/vgpu-conformance.md describes every key",
            detail=lines,
        ) from error
