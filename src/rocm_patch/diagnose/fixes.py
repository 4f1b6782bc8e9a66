"""Chooses, among a problem's fixes, those that one machine can have.

Knows conditions and what is known of the machine. A property that is not known
excludes no fix.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from rocm_patch.diagnose.facts import Facts
from rocm_patch.diagnose.machine import Machine
from rocm_patch.diagnose.schema import Conditions, Fix, Problem


def choose(problem: Problem, facts: Facts, machine: Machine) -> list[Fix]:
    """Give the fixes that nothing known excludes, best first as the catalogue has them."""
    return [fix for fix in problem.fixes if allows(fix.when, facts, machine)]


def allows(when: Conditions, facts: Facts, machine: Machine) -> bool:
    """Say whether nothing that is known of the machine speaks against a fix."""
    if when.known_gfx and not facts.gfx:
        return False
    if facts.gfx:
        if when.gfx and not any(_is_one(gfx, when.gfx) for gfx in facts.gfx):
            return False
        if when.not_gfx and all(_is_one(gfx, when.not_gfx) for gfx in facts.gfx):
            return False
    if when.distribution and machine.distribution:
        named = any(_is_one(one, when.distribution) for one in machine.distribution)
        if not named:
            return False
    if any(name in machine.absent for name in when.needs):
        return False
    return facts.none(when.unless)


def conditions_in_words(when: Conditions) -> str:
    """Say for which machines a fix is, or nothing if for all."""
    parts = []
    if when.gfx:
        parts.append(f"for {', '.join(when.gfx)}")
    if when.not_gfx:
        parts.append(f"not for {', '.join(when.not_gfx)}")
    if when.distribution:
        parts.append(f"on {', '.join(when.distribution)}")
    if when.needs:
        parts.append(f"if {', '.join(when.needs)}")
    if when.unless:
        parts.append(f"unless {', '.join(when.unless)}")
    return "; ".join(parts)


def _is_one(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
