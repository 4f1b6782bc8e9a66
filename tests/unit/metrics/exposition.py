"""A strict reader of Prometheus' text format (version 0.0.4), from its published description.

Stricter than the collector: each family has HELP and TYPE before its samples and stands in one block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|inf|nan)")
_KINDS = {"counter", "gauge", "histogram", "summary", "untyped"}


@dataclass
class Family:
    kind: str = ""
    help: str = ""
    samples: dict[tuple[tuple[str, str], ...], float] = field(default_factory=dict)


def parse(text: str) -> dict[str, Family]:
    """Read a document; ValueError names the line that breaks the format."""
    families: dict[str, Family] = {}
    if not text:
        return families
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    open_family = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            open_family = _help(line, families)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name != open_family or families[name].kind or kind not in _KINDS:
                raise ValueError(f"a wrong TYPE: {line}")
            families[name].kind = kind
        else:
            _sample(line, families, open_family)
    for name, family in families.items():
        if not family.samples or not family.kind:
            raise ValueError(f"{name} has no samples or no type")
    return families


def _help(line: str, families: dict[str, Family]) -> str:
    _, _, name, words = line.split(" ", 3)
    if name in families:
        raise ValueError(f"a second block of {name}")
    if not re.fullmatch(r"(?:[^\\\n]|\\[\\n])*", words):
        raise ValueError(f"a wrong escape: {line}")
    families[name] = Family(help=words)
    return name


def _sample(line: str, families: dict[str, Family], open_family: str) -> None:
    match = _SAMPLE.fullmatch(line)
    if not match or match[1] != open_family or not families[open_family].kind:
        raise ValueError(f"no sample of the open family: {line}")
    labels: list[tuple[str, str]] = []
    rest = match[2] or ""
    while rest:
        label = _LABEL.match(rest)
        if not label:
            raise ValueError(f"wrong labels: {line}")
        value = re.sub(r"\\(.)", lambda one: {"n": "\n"}.get(one[1], one[1]), label[2])
        labels.append((label[1], value))
        rest = rest[label.end() :]
    key = tuple(sorted(labels))
    if len(dict(labels)) != len(labels) or key in families[open_family].samples:
        raise ValueError(f"a label or a sample twice: {line}")
    if not _NUMBER.fullmatch(match[3].lower()):
        raise ValueError(f"no number: {line}")
    number = float(match[3])
    if families[open_family].kind == "counter" and number < 0:
        raise ValueError(f"a negative counter: {line}")
    families[open_family].samples[key] = number
