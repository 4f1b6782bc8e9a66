"""A plan: what a machine needs and why, bound to the facts that it was made from.

Plain data, no logic of rules.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from rocm_patch.plan.actions import Action, Sha256, Strict

#: Raised when a field changes its meaning or goes; a new field does not raise it.
SCHEMA_VERSION = 1

State = Literal["needed", "by-hand", "right", "impossible", "optional", "unknown"]
Text = Annotated[str, StringConstraints(max_length=2000)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
FactName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,80}$")]
FactValue = bool | int | Text | Annotated[list[Text], Field(max_length=2000)] | None


class Item(Strict):
    """What one rule says of the machine."""

    rule: Id
    title: Text
    state: State
    why: Text
    problem: Id | None = None
    #: What apply does, in this order.
    actions: Annotated[list[Action], Field(max_length=50)] = Field(default_factory=list)
    #: What the owner does.
    commands: Annotated[list[Text], Field(max_length=50)] = Field(default_factory=list)
    afterwards: Text | None = None
    #: Rules that must be right or chosen too.
    needs: Annotated[list[Id], Field(max_length=50)] = Field(default_factory=list)
    #: Facts that are not known, where the answer hangs on them.
    unknown: Annotated[list[FactName], Field(max_length=200)] = Field(default_factory=list)


class Plan(Strict):
    """Items in the order of doing."""

    schema_version: Literal[1] = 1
    made_by: Text
    made_at: Text
    facts: Annotated[dict[FactName, FactValue], Field(max_length=500)]
    facts_digest: Sha256
    items: Annotated[list[Item], Field(max_length=500)]

    @model_validator(mode="after")
    def _whole(self) -> Plan:
        if digest_of(self.facts) != self.facts_digest:
            raise ValueError("facts_digest is not that of facts")
        names = [item.rule for item in self.items]
        if len(set(names)) != len(names):
            raise ValueError("a rule stands twice")
        if any(item.actions and item.state not in {"needed", "optional"} for item in self.items):
            raise ValueError("only needed and optional items have actions")
        return self

    def digest(self) -> str:
        """Name what the plan asks for: neither its date nor its maker counts."""
        return digest_of(
            {"facts": self.facts_digest, "items": [item.model_dump(mode="json") for item in self.items]}
        )

    def to_do(self) -> list[Item]:
        """Give the items with something for apply to do; optional ones are chosen by name."""
        return [item for item in self.items if item.state == "needed" and item.actions]


def digest_of(data: object) -> str:
    """Hash data by its one canonical spelling."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
