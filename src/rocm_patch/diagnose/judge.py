"""From a text to ranked problems: weighs the signs that were found and applies the rules of precedence.

Knows the catalogue's form and the matcher; no problem by name, and nothing of output.

Confidence of a problem: its satisfied signs taken as independent witnesses, each
with the weight of its strength (WEIGHTS), joined as 1 - product(1 - weight), and
multiplied by how well the catalogue's entry itself is founded (FOUNDED).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import attrs

from rocm_patch.diagnose.catalogue import Catalogue
from rocm_patch.diagnose.facts import FactFinder, Facts
from rocm_patch.diagnose.fixes import choose
from rocm_patch.diagnose.machine import Machine
from rocm_patch.diagnose.matcher import Hit, Matcher, squeeze
from rocm_patch.diagnose.schema import Beats, Fix, LookAlike, Pattern, Problem, Signature
from rocm_patch.diagnose.text import Line, read_lines

#: How likely the problem is where one such sign stands alone.
WEIGHTS = {"certain": 0.95, "strong": 0.8, "medium": 0.6, "weak": 0.3}
#: How well an entry of the catalogue is founded on resolved threads.
FOUNDED = {"high": 1.0, "medium": 0.95, "low": 0.9}
#: Below this a problem is not named: a weak sign alone never suffices.
FLOOR = 0.45
#: What a problem keeps of its confidence beside the one that explains it.
EXPLAINED = 0.7


@attrs.frozen
class Sign:
    """A signature that the text satisfies, with the lines that show it."""

    signature: Signature
    hits: tuple[Hit, ...]


@attrs.define
class Finding:
    """A problem found, its signs, confidence from 0 to 1, fixes for this machine, and why it stands here."""

    problem: Problem
    signs: list[Sign]
    confidence: float
    fixes: list[Fix] = attrs.field(factory=list)
    remarks: list[str] = attrs.field(factory=list)

    @property
    def benign(self) -> bool:
        """Whether the software only warned."""
        return all(sign.signature.benign for sign in self.signs)

    def evidence(self) -> list[Hit]:
        """Give the lines, each once, in the order of the text."""
        lines = {(hit.line, hit.evidence): hit for sign in self.signs for hit in sign.hits}
        return sorted(lines.values(), key=lambda hit: hit.line)


@attrs.frozen
class Diagnosis:
    """All that is said of one text: problems best first, and what only resembles one."""

    findings: list[Finding]
    lookalikes: list[tuple[LookAlike, Hit]]
    facts: Facts
    lines: int


@attrs.define
class _Watch:
    """One signature while the text goes by: the last hit of each of its groups."""

    problem: Problem
    signature: Signature
    last: list[Hit | None]
    numbers: set[int]
    done: tuple[Hit, ...] | None = None

    def take(self, group: int, hit: Hit) -> bool:
        """Note a hit; say whether the sign is now complete."""
        if self.signature.never and any(
            squeeze(one) in squeeze(hit.evidence) for one in self.signature.never
        ):
            return False
        self.last[group] = hit
        hits = [one for one in self.last if one is not None]
        lines = [one.line for one in hits]
        if len(hits) == len(self.last) and (
            self.signature.within == "text" or max(lines) - min(lines) <= self.signature.within
        ):
            self.done = tuple(sorted(set(hits)))
        return self.done is not None


class _Reading:
    """One pass over one text."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.facts = FactFinder(catalogue.common)
        self.watches: list[_Watch] = []
        self.alikes: dict[str, tuple[LookAlike, Hit]] = {}
        patterns: list[Pattern] = list(self.facts.patterns)
        self._watching: dict[int, tuple[_Watch, int]] = {}
        self._alike: dict[int, LookAlike] = {}
        for problem in catalogue.problems.values():
            for signature in problem.signatures:
                self._watch(problem, signature, patterns)
        for alike in catalogue.common.lookalikes:
            for pattern in alike.any:
                self._alike[len(patterns)] = alike
                patterns.append(pattern)
        self.wanted = set(range(len(patterns)))
        self.matcher = Matcher(patterns)

    def _watch(self, problem: Problem, signature: Signature, patterns: list[Pattern]) -> None:
        groups = signature.groups()
        watch = _Watch(problem, signature, [None] * len(groups), set())
        self.watches.append(watch)
        for index, group in enumerate(groups):
            for pattern in group:
                self._watching[len(patterns)] = (watch, index)
                watch.numbers.add(len(patterns))
                patterns.append(pattern)

    def found(self, hit: Hit) -> None:
        """Hand a hit to whoever waits for it; a pattern that can tell nothing new is no longer looked for."""
        number = hit.pattern
        if number < len(self.facts.patterns):
            if not self.facts.take(hit, number):
                self.wanted.discard(number)
        elif number in self._watching:
            watch, group = self._watching[number]
            if watch.take(group, hit):
                self.wanted -= watch.numbers
        else:
            alike = self._alike[number]
            self.alikes.setdefault(alike.id, (alike, hit))
            self.wanted.discard(number)


def diagnose_stream(stream: BinaryIO, catalogue: Catalogue, machine: Machine | None = None) -> Diagnosis:
    """Diagnose anything that can be read; never fails on what it holds."""
    return diagnose_lines(read_lines(stream), catalogue, machine)


def diagnose_lines(lines: Iterable[Line], catalogue: Catalogue, machine: Machine | None = None) -> Diagnosis:
    """Diagnose lines that were read already."""
    machine = machine or Machine()
    reading = _Reading(catalogue)
    seen = [0]

    def counted() -> Iterable[Line]:
        for line in lines:
            seen[0] = line.number
            yield line

    reading.matcher.run(counted(), reading.found, reading.wanted)
    facts = reading.facts.conclude(machine)
    findings = _findings(reading, facts)
    findings = _ranked(findings, facts)
    for finding in findings:
        finding.fixes = choose(finding.problem, facts, machine)
    return Diagnosis(findings, list(reading.alikes.values()), facts, seen[0])


def _findings(reading: _Reading, facts: Facts) -> list[Finding]:
    """Gather satisfied signs by problem and weigh them."""
    signs: dict[str, list[Sign]] = {}
    for watch in reading.watches:
        rule = watch.signature
        hits = tuple(facts.held.get(rule.fact, ())) if rule.fact in facts.held else watch.done
        if hits is not None and facts.all(rule.needs) and facts.none(rule.unless):
            signs.setdefault(watch.problem.id, []).append(Sign(rule, hits))
    findings = []
    for name, found in signs.items():
        problem = reading.catalogue.problems[name]
        doubt = 1.0
        for sign in found:
            doubt *= 1 - WEIGHTS[sign.signature.strength]
        confidence = round((1 - doubt) * FOUNDED[problem.confidence], 3)
        if confidence >= FLOOR:
            findings.append(Finding(problem, found, min(confidence, 0.99)))
    return findings


def _ranked(findings: list[Finding], facts: Facts) -> list[Finding]:
    """Apply `beats`, put mere warnings last, and sort by confidence."""
    present = {finding.problem.id: finding for finding in findings}
    dropped: set[str] = set()
    # In the order of the numbering, and to a fixed point by length: rules form chains of a few steps.
    for _ in range(len(findings)):
        for winner in findings:
            for rule in winner.problem.beats:
                loser = present.get(rule.problem)
                if loser is not None and facts.all(rule.needs):
                    _yield(winner, loser, rule)
                    if rule.drop:
                        dropped.add(rule.problem)
    kept = [finding for finding in findings if finding.problem.id not in dropped]
    serious = max((finding.confidence for finding in kept if not finding.benign), default=0.0)
    for finding in kept:
        if finding.benign and serious:
            finding.confidence = round(min(finding.confidence, serious * 0.5), 3)
            _remark(finding, "only a warning: it explains no failure, so the others come first")
    return sorted(kept, key=lambda finding: (-finding.confidence, finding.problem.number))


def _yield(winner: Finding, loser: Finding, rule: Beats) -> None:
    """Put the explained problem after its explanation."""
    loser.confidence = round(min(loser.confidence, winner.confidence * EXPLAINED), 3)
    _remark(loser, f"after {winner.problem.id}: {rule.why}")
    if rule.drop:
        _remark(winner, f"not {loser.problem.id}: {rule.why}")


def _remark(finding: Finding, text: str) -> None:
    if text not in finding.remarks:
        finding.remarks.append(text)
