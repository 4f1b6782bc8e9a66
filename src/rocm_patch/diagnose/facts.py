"""Works out what a text, or a description of the machine, says about the machine.

Knows the GPU names, the override variable and the facts of problems/common; no problem.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import attrs

from rocm_patch.diagnose.machine import Machine
from rocm_patch.diagnose.matcher import Hit
from rocm_patch.diagnose.schema import Common, Pattern

#: Number of the pattern in a hit that an observation of the machine stands for; its line is 0.
OBSERVED = -1
#: Different GPUs remembered from one text.
MOST_CARDS = 64
_RDNA1 = "gfx101*"


@attrs.define
class Facts:
    """What is known: names of facts, each with its evidence, and the gfx targets of the machine's GPUs."""

    held: dict[str, list[Hit]]
    #: Targets to assume for the choice of fixes, the most trustworthy source alone.
    gfx: list[str]

    def all(self, names: list[str]) -> bool:
        """Say whether every one of these facts holds."""
        return all(name in self.held for name in names)

    def none(self, names: list[str]) -> bool:
        """Say whether none of these facts holds."""
        return not any(name in self.held for name in names)


class FactFinder:
    """Takes the hits of the shared patterns and keeps what they say."""

    def __init__(self, common: Common) -> None:
        """List the patterns; their numbers are given by `offset` when hits come in."""
        self.common = common
        self.patterns: list[Pattern] = []
        self._roles: list[tuple[str, str]] = []
        for name, fact in common.facts.items():
            self._add("fact", name, fact.any)
        for card in common.cards:
            self._add("card", card.gfx, list(card.names))
        self._add("spoken", "", list(common.spoken))
        self._add("override", "", [common.override])
        self._named: dict[str, Hit] = {}
        self._spoken: dict[str, Hit] = {}
        self._overrides: dict[tuple[int, int], Hit] = {}
        self._held: dict[str, list[Hit]] = {}

    def _add(self, role: str, name: str, patterns: list[Pattern]) -> None:
        self.patterns += patterns
        self._roles += [(role, name)] * len(patterns)

    def take(self, hit: Hit, number: int) -> bool:
        """Note a hit of pattern `number`; say whether later hits of it can still tell something new."""
        role, name = self._roles[number]
        if role == "fact":
            self._held.setdefault(name, [hit])
            return False
        if role == "card":
            self._named.setdefault(name, hit)
            return False
        pattern = self.patterns[number]
        regex = re.compile(getattr(pattern, "regex", ""), re.IGNORECASE)
        for match in regex.finditer(hit.evidence):
            if role == "override":
                self._overrides.setdefault((int(match[1]), int(match[2])), hit)
            elif len(self._spoken) < MOST_CARDS:
                self._spoken.setdefault(match[1].lower(), hit)
        return len(self._spoken) < MOST_CARDS and len(self._overrides) < MOST_CARDS

    def conclude(self, machine: Machine) -> Facts:
        """Join the text's facts with the machine's, and work out the ones that follow."""
        held = dict(self._held)
        held.update({name: held.get(name, []) for name in machine.facts if name in self.common.facts})
        gfx = list(machine.gfx) or list(self._named) or list(self._spoken)
        # Beside a card, the processor's GPU is not what the fixes are for.
        gfx = [one for one in gfx if one not in self.common.integrated] or gfx
        gpus = {**self._spoken, **self._named}
        if any(fnmatchcase(one, _RDNA1) for one in gfx):
            held["gfx101x"] = [hit for name, hit in gpus.items() if fnmatchcase(name, _RDNA1)]
        self._judge_override(held, gfx, gpus)
        integrated = [one for one in self._spoken if one in self.common.integrated]
        discrete = [one for one in self._spoken if one not in self.common.integrated]
        if integrated and discrete:
            held["integrated-beside-discrete"] = [self._spoken[integrated[0]], self._spoken[discrete[0]]]
        if machine.gfx or gpus:
            held.setdefault("amd-gpu", list(gpus.values())[:1])
        for name, lines in machine.observed:
            held[name] = [Hit(0, OBSERVED, line) for line in lines]
        if machine.own_text:
            # A kernel's log with a docker bridge in it comes from no container.
            held = {name: hits for name, hits in held.items() if name not in machine.absent}
        return Facts(held, gfx)

    def _judge_override(self, held: dict[str, list[Hit]], gfx: list[str], gpus: dict[str, Hit]) -> None:
        """Compare HSA_OVERRIDE_GFX_VERSION with the family of the machine's GPUs."""
        for family, hit in self._overrides.items():
            cards = [gpus[one] for one in gfx if one in gpus][:1]
            if any(fnmatchcase(one, _RDNA1) and family_of(one) != family for one in gfx):
                held["override-on-gfx101x"] = [hit, *cards]
            elif gfx and all(family_of(one) != family for one in gfx):
                held["override-of-another-family"] = [hit, *cards]


def family_of(gfx: str) -> tuple[int, int]:
    """Give major and minor number of a target: gfx1010 -> (10, 1), gfx90a -> (9, 0)."""
    digits = gfx.removeprefix("gfx")
    return int(digits[:-2], 16) if len(digits) == 3 else int(digits[:-2]), int(digits[-2], 16)  # noqa: PLR2004
