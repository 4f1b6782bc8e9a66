"""The form of the catalogue's files: problems, shared facts, cards, look-alikes.

Knows what a well-formed file is and nothing of where it lies or how it is matched.
Every pattern costs linear time: a fixed text, or an expression of bounded
repetitions that is only tried on lines holding its literal.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Strength = Literal["certain", "strong", "medium", "weak"]
Kind = Literal["source-patch", "rebuild", "config", "pkg", "hardware"]

#: Largest upper bound of one repetition in an expression.
MAX_REPEAT = 200
_UNBOUNDED = re.compile(r"(?<!\\)(?:\\\\)*[*+]")
_BRACES = re.compile(r"\{(\d*)(,?)(\d*)\}")
_GROUP_REPEAT = re.compile(r"\)[*+{]")


class Model(BaseModel):
    """Unknown keys are errors: a misspelt key must not silently do nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Gate = Annotated[str, StringConstraints(min_length=3, max_length=80)]
Literals = Gate | Annotated[list[Gate], Field(min_length=2)]


class Expression(Model):
    """A bounded expression; each matching line holds `needs`, or one of them (any case)."""

    regex: Annotated[str, StringConstraints(min_length=4, max_length=300)]
    needs: Literals

    def literals(self) -> list[str]:
        """Give the literals of which a matching line holds one."""
        return [self.needs] if isinstance(self.needs, str) else self.needs

    @model_validator(mode="after")
    def _bounded(self) -> Expression:
        unclassed = re.sub(r"\[(?:\\.|[^\]\\])*\]", "[]", self.regex)
        if _UNBOUNDED.search(unclassed) or _GROUP_REPEAT.search(unclassed):
            raise ValueError(f"{self.regex!r}: *, + and repeated groups are not bounded; use {{m,n}}")
        for low, comma, high in _BRACES.findall(unclassed):
            if (comma and not high) or int(high or low or 0) > MAX_REPEAT:
                raise ValueError(f"{self.regex!r}: a repetition may not exceed {MAX_REPEAT}")
        try:
            re.compile(self.regex)
        except re.error as error:
            raise ValueError(f"{self.regex!r}: {error}") from error
        return self


Fixed = Annotated[str, StringConstraints(min_length=3, max_length=160)]
Pattern = Fixed | Expression


class AnyOf(Model):
    """One of these is enough."""

    any: Annotated[list[Pattern], Field(min_length=1)]


class Signature(Model):
    """A sign of a problem: all of its patterns near each other, in the right company."""

    id: Name
    strength: Strength
    means: Line
    #: Every one must be there.
    all: list[Pattern | AnyOf] = Field(default_factory=list)
    #: One must be there, besides `all`.
    any: list[Pattern] = Field(default_factory=list)
    #: Lines between the first and the last of them; `text` = anywhere. 2 allows for wrapped lines.
    within: Annotated[int, Field(ge=0, le=400)] | Literal["text"] = 2
    #: A fact that is itself the sign: worked out from cards and settings, or an observation of doctor's.
    fact: Name | None = None
    #: None of these may stand in the evidence lines.
    never: list[Fixed] = Field(default_factory=list)
    #: Facts of the text or the machine that must hold, all of them / that must not hold, none of them.
    needs: list[Name] = Field(default_factory=list)
    unless: list[Name] = Field(default_factory=list)
    #: The software only warns: such a sign never explains a crash.
    benign: bool = False

    @model_validator(mode="after")
    def _has_sign(self) -> Signature:
        if (self.fact is None) == (not self.all and not self.any):
            raise ValueError(f"{self.id}: needs either patterns or a fact")
        return self

    def groups(self) -> list[list[Pattern]]:
        """Give the sign as a list of groups of which each must have one hit."""
        out = [item.any if isinstance(item, AnyOf) else [item] for item in self.all]
        return [*out, self.any] if self.any else out


class Beats(Model):
    """Which problem is only an effect where both are seen: it comes after this one, or is dropped."""

    problem: Name
    why: Line
    drop: bool = False
    needs: list[Name] = Field(default_factory=list)


class Conditions(Model):
    """What a machine must be for a fix. Names may end in `*`. An unknown property excludes nothing."""

    gfx: list[str] = Field(default_factory=list)
    #: The fix would harm another card: it is kept back where the card is not known.
    known_gfx: bool = False
    not_gfx: list[str] = Field(default_factory=list)
    distribution: list[str] = Field(default_factory=list)
    needs: list[Name] = Field(default_factory=list)
    unless: list[Name] = Field(default_factory=list)


class Fix(Model):
    """One way out, with the commands to type if there are any."""

    text: Line
    commands: list[Line] = Field(default_factory=list)
    when: Conditions = Conditions()


class Problem(Model):
    """One entry of the catalogue."""

    id: Name
    number: Annotated[int, Field(ge=1)]
    title: Line
    summary: Line
    kind: Annotated[list[Kind], Field(min_length=1)]
    affected: Line
    versions: Line
    cause: Line
    confidence: Literal["high", "medium", "low"]
    signatures: Annotated[list[Signature], Field(min_length=1)]
    #: What one might take it for, and how they differ.
    distinguish: Line
    beats: list[Beats] = Field(default_factory=list)
    fixes: Annotated[list[Fix], Field(min_length=1)]
    evidence: Annotated[list[Line], Field(min_length=1)]
    notes: str = ""


class LookAlike(Model):
    """A text that resembles a problem and is none that the catalogue holds."""

    id: Name
    title: Line
    why: Line
    any: Annotated[list[Pattern], Field(min_length=1)]
    resembles: list[Name] = Field(default_factory=list)
    evidence: list[Line] = Field(default_factory=list)


class Fact(Model):
    """Something said about the machine by any of these patterns, or by the machine's own description."""

    means: Line
    any: list[Pattern] = Field(default_factory=list)


class Card(Model):
    """Names of a GPU in the world and its gfx target."""

    gfx: Annotated[str, StringConstraints(pattern=r"^gfx[0-9a-f]{3,4}$")]
    names: Annotated[list[Expression], Field(min_length=1)]


class Common(Model):
    """What all problems share."""

    facts: dict[Name, Fact]
    cards: list[Card]
    #: Expressions whose first group is the gfx target of a GPU that the machine has.
    spoken: list[Expression]
    #: gfx targets of GPUs inside a processor.
    integrated: list[str]
    #: Its groups are the major and minor number of HSA_OVERRIDE_GFX_VERSION.
    override: Expression
    lookalikes: list[LookAlike]
    #: What `rocm-patch doctor` can see on a machine: name -> meaning.
    observations: dict[Name, Line] = Field(default_factory=dict)
