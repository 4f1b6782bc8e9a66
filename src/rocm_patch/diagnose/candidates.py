"""Ranks parts of a text by how well each would serve as the signature of a new problem.

Knows the catalogue's words and which words say little anywhere; no problem by name.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

import attrs

from rocm_patch.diagnose.catalogue import Catalogue
from rocm_patch.diagnose.matcher import squeeze
from rocm_patch.diagnose.schema import AnyOf, Expression, Pattern
from rocm_patch.diagnose.text import Line

#: Characters of a candidate.
SHORTEST, LONGEST = 12, 100
#: Squeezed characters from which on a pattern of the catalogue tells its problem.
TELLING = 16
#: Lines of a text that are looked at.
MOST_LINES = 20_000
#: Words that any log is full of.
_GENERIC = frozenset(
    [
        "a", "an", "and", "as", "at", "be", "by", "call", "called", "can", "cannot", "could", "file",
        "files", "for", "found", "from", "has", "have", "in", "info", "into", "is", "it", "last", "line",
        "lines", "loaded", "loading", "log", "main", "module", "more", "most", "name", "no", "not", "of",
        "on", "or", "out", "package", "packages", "path", "python", "python3", "recent", "return",
        "returned", "run", "running", "see", "set", "site", "that", "the", "this", "to", "traceback",
        "true", "false", "try", "type", "use", "used", "using", "version", "was", "warning", "when",
        "while", "will", "with", "you", "your", "lib", "usr", "bin", "home", "opt", "local", "import",
        "def", "class", "self", "none", "null", "debug", "start", "started", "starting", "end", "done",
        "ok", "total", "time", "date", "process", "thread", "pid", "object", "current", "value", "device",
        "devices", "driver", "system", "support", "please", "information", "error", "errors", "failed",
        "fail", "building", "built", "build", "install", "installed", "kernel", "linux", "gpu", "amd",
    ]
)  # fmt: skip
_TROUBLE = re.compile(
    r"(?i)\b(?:error|fail(?:ed|ure)?|fatal|unable|cannot|could not|not found|unsupported|invalid|"
    r"abort(?:ed|ing)?|refused|denied|timed? ?out|missing|mismatch|undefined|assert(?:ion)?|crash)"
)
# What changes from one machine to the next ends a candidate.
_VARIABLE = re.compile(
    r"<[a-z-]{2,20}-\d{1,4}>"  # stand-ins of the redaction
    r"|0x[0-9a-fA-F]{1,16}"
    r"|\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]\b"
    r"|(?:/[\w.+@~-]{1,80}){2,20}/?"
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]{0,10}Z?"
    r"|^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,64} \S{1,64}:"
    r"|^\[[ \d.]{3,20}\]"
    r"|\b\d{2,20}(?:\.\d{1,10}){0,4}\b"
    r"|\S{60,400}"
)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,80}")


@attrs.frozen(order=True)
class Candidate:
    """A part of a line that could be a signature; a higher score is rarer and says more of trouble."""

    score: float
    line: int
    text: str


def rank(lines: Iterable[Line], catalogue: Catalogue, most: int = 12) -> list[Candidate]:
    """Give the best candidates of a text, best first; none that the catalogue already looks for."""
    known = [one for pattern in _patterns(catalogue) if len(one := squeeze(_literal(pattern))) >= TELLING]
    words = Counter(word for one in _patterns(catalogue) for word in _words(_literal(one)))
    best: dict[str, Candidate] = {}
    seen: Counter[str] = Counter()
    for count, line in enumerate(lines):
        if count >= MOST_LINES:
            break
        for part in _parts(line.text):
            key = squeeze(part)
            seen[key] += 1
            if key in best or any(one in key or key in one for one in known):
                continue
            score = _score(part, words)
            if score > 0:
                best[key] = Candidate(round(score, 3), line.number, part)
    # What is repeated all over a text is its noise.
    fair = [attrs.evolve(one, score=round(one.score / math.sqrt(seen[key]), 3)) for key, one in best.items()]
    return sorted(fair, key=lambda one: (-one.score, one.line))[:most]


def _parts(text: str) -> list[str]:
    """Cut a line where it holds what changes, into parts long enough to be found again."""
    out = []
    for part in _VARIABLE.split(text[:2000]):
        clean = part.strip(" \t:;,.|=>()[]{}*-")
        if len(clean) > LONGEST:
            clean = clean[:LONGEST].rsplit(" ", 1)[0]
        if len(clean) >= SHORTEST and len(_words(clean)) > 1:
            out.append(clean)
    return out


def _score(part: str, words: Counter[str]) -> float:
    """Add up how rare the words are; trouble and identifiers count more, a long part no more than a short."""
    weights = []
    for word in set(_words(part)):
        if word.lower() in _GENERIC:
            continue
        identifier = "_" in word or any(char.isupper() for char in word[1:])
        length = min(len(word), 24) / 8
        weights.append((2.0 if identifier else 1.0) * length / (1 + words[word]))
    # Each further word adds less: a long line is no better a sign than a short one.
    total = sum(weight * 0.6**rank for rank, weight in enumerate(sorted(weights, reverse=True)))
    return total * (2.0 if _TROUBLE.search(part) else 0.6)


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _patterns(catalogue: Catalogue) -> list[Pattern]:
    """List every pattern of every problem and look-alike."""
    out: list[Pattern] = []
    for problem in catalogue.problems.values():
        for sign in problem.signatures:
            for item in sign.all:
                out += item.any if isinstance(item, AnyOf) else [item]
            out += sign.any
    for alike in catalogue.common.lookalikes:
        out += alike.any
    return out


def _literal(pattern: Pattern) -> str:
    return pattern.literals()[0] if isinstance(pattern, Expression) else pattern
