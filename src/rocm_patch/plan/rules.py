"""The form of rules/*.yml, and their reading: every name that points somewhere is checked.

Knows conditions, actions and the vocabulary of facts; evaluates nothing.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from rocm_patch.errors import DataError
from rocm_patch.paths import data_root
from rocm_patch.plan.actions import KINDS, Strict
from rocm_patch.plan.conditions import ConditionError, parse
from rocm_patch.plan.facts import FACTS

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600)]
#: A fact named in an action or text: {gpu.gfx}.
BLANK = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+)\}")


def _condition(text: str) -> str:
    try:
        names = parse(text).names
    except ConditionError as error:
        raise ValueError(str(error)) from error
    unknown = sorted(names - FACTS.keys())
    if unknown:
        raise ValueError(f"{text!r}: there is no fact {', '.join(unknown)}")
    return text


Cond = Annotated[str, AfterValidator(_condition)]


class Way(Strict):
    """One way to put it right: actions of ours, or commands for the owner, or both."""

    when: Cond = "True"
    actions: list[dict[str, Any]] = Field(default_factory=list)
    #: What only the owner can do (another machine, a virtual environment, the firmware's setup).
    commands: list[Line] = Field(default_factory=list)
    #: What has to follow: a new login, a restart.
    afterwards: Line | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Way:
        if not self.actions and not self.commands:
            raise ValueError("a way needs actions or commands")
        for action in self.actions:
            kind = KINDS.get(str(action.get("kind")))
            if kind is None:
                raise ValueError(f"there is no action {action.get('kind')!r}; there are {', '.join(KINDS)}")
            odd = action.keys() - kind.model_fields.keys()
            if odd:
                raise ValueError(f"{action['kind']} has no {', '.join(sorted(odd))}")
        for name in BLANK.findall(str(self.actions) + str(self.commands)):
            if name not in FACTS:
                raise ValueError(f"there is no fact {name}")
        return self


class Blocked(Strict):
    """When it cannot be put right here, and why."""

    when: Cond
    why: Line
    #: What helps elsewhere (on the host, in the firmware's setup).
    commands: list[Line] = Field(default_factory=list)


class Rule(Strict):
    """One thing that a machine must have, may have, or cannot have."""

    id: Name
    #: Rules with a lower rank come first, and win a conflict.
    rank: Annotated[int, Field(ge=1, le=999)]
    title: Line
    #: The entry of problems/ that it cures or prevents.
    problem: Name | None = None
    #: Why a machine needs it.
    why: Line
    #: optional: only when asked for, since it costs something.
    need: Literal["needed", "optional"] = "needed"
    #: Which machines it concerns.
    applies: Cond
    #: When all is well already.
    right: Cond
    blocked: list[Blocked] = Field(default_factory=list)
    ways: list[Way] = Field(default_factory=list)
    #: Why there is no way, where none fits.
    otherwise: Line | None = None
    #: Rules whose steps come first, if they have any.
    after: list[Name] = Field(default_factory=list)
    #: Rules that must be right, or part of the same plan.
    needs: list[Name] = Field(default_factory=list)
    conflicts: list[Name] = Field(default_factory=list)

    def names(self) -> set[str]:
        """Give every fact that the answer depends on."""
        conditions = [
            self.applies,
            self.right,
            *(one.when for one in self.blocked),
            *(one.when for one in self.ways),
        ]
        found = {name for text in conditions for name in parse(text).names}
        for way in self.ways:
            found |= set(BLANK.findall(str(way.actions) + str(way.commands)))
        return found


def rules_folder() -> Path:
    """Give the folder of the rules' files."""
    return data_root() / "rules"


def load_rules(folder: Path | None = None) -> dict[str, Rule]:
    """Read every rule, by rank. DataError names the file and the key that is wrong."""
    folder = folder or rules_folder()
    stats = [(path.name, path.stat()) for path in sorted(folder.glob("*.yml"))]
    return _load(folder, tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


@cache
def _load(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> dict[str, Rule]:
    """Read the files once for each state of the folder, which `stamps` tells apart."""
    if not stamps:
        raise DataError(
            f"{folder} holds no rule",
            cause="each rule is a file <id>.yml",
            step="reinstall rocm-patch, or set ROCM_PATCH_DATA to a checkout",
        )
    found: dict[str, Rule] = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for name, _, _ in stamps:
        path = folder / name
        try:
            rule = Rule.model_validate(yaml.load(path.read_text("utf-8"), Loader=loader))  # noqa: S506  # a safe loader
        except ValidationError as error:
            lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
            raise _wrong(path, lines[0], lines[1:20]) from error
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            # ValueError: bytes that are no UTF-8, and days that no calendar has.
            raise _wrong(path, str(error)) from error
        if rule.id != path.stem:
            raise _wrong(path, f"its id is {rule.id}")
        found[rule.id] = rule
    for rule in found.values():
        for other in (*rule.after, *rule.needs, *rule.conflicts):
            if other not in found:
                raise _wrong(folder / f"{rule.id}.yml", f"there is no rule {other}")
        if rule.problem and not (folder.parent / "problems" / f"{rule.problem}.yml").is_file():
            raise _wrong(folder / f"{rule.id}.yml", f"there is no problem {rule.problem}")
    ordered = dict(sorted(found.items(), key=lambda item: (item[1].rank, item[0])))
    in_order(ordered)
    return ordered


def in_order(rules: dict[str, Rule]) -> list[str]:
    """Order rules so that each follows those in its `after` and `needs`; else by rank.

    DataError for a circle.
    """
    done: list[str] = []
    waiting = dict(rules)
    while waiting:
        free = [name for name, rule in waiting.items() if not ({*rule.after, *rule.needs} & waiting.keys())]
        if not free:
            raise DataError(
                "the rules' order is a circle",
                cause=f"each of {', '.join(waiting)} waits for another",
                step="correct `after` and `needs`",
            )
        done.append(free[0])
        del waiting[free[0]]
    return done


def _wrong(path: Path, cause: str, detail: list[str] | None = None) -> DataError:
    return DataError(
        f"{path} is not a valid rule", cause=cause, detail=detail, step="docs/plan.md describes the keys"
    )
