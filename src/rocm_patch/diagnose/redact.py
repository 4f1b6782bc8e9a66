"""Takes out of a text what points to a person, a machine or an account.

Knows forms of names, addresses and secrets; nothing of problems. The same thing
gets the same stand-in throughout one text, so that the text stays readable.
What has no known form stays: a reader should look before anything is published.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

#: Names that tell nothing of a person.
_COMMON_NAMES = frozenset(
    {"root", "user", "users", "runner", "ubuntu", "debian", "jenkins", "kernel", "localhost", "linux", "host"}
)
_WORD = re.compile(r"(?<![\w.-])\w[\w-]{0,61}(?![\w-])")
#: Names with dots and the like, each of which takes a pass of its own.
MOST_ODD_NAMES = 100
#: Shortest name that is looked for in the whole text once it is known.
_SHORTEST = 3


class Redactor:
    """Replaces, and counts by kind what it replaced."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self.counts: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._stand_ins: dict[tuple[str, str], str] = {}

    def redact(self, text: str) -> str:
        """Give the text without names, addresses, serial numbers and secrets."""
        text = self._names(self.redact_private(text))
        for kind, regex in _ADDRESSES:
            text = regex.sub(self._replacing(kind), text)
        return text

    def redact_private(self, text: str) -> str:
        """Give the text without secrets alone: what even a log on the user's own disk must not hold."""
        for kind, regex in _SECRETS:
            text = regex.sub(self._replacing(kind), text)
        return text

    def removed(self) -> list[str]:
        """Say what was taken out, a line a kind."""
        return [f"{kind}: {count}" for kind, count in sorted(self.counts.items())]

    def _names(self, text: str) -> str:
        """Find names where they stand by rule, then replace them wherever they stand."""
        found: dict[str, str] = {}
        for kind, regex in _NAMES:
            for match in regex.finditer(text):
                name = match["name"]
                if len(name) >= _SHORTEST and name.lower() not in _COMMON_NAMES:
                    found.setdefault(name, kind)
        if not found:
            return text

        def replace(match: re.Match[str]) -> str:
            kind = found.get(match[0])
            return self._replacing(kind)(match) if kind else match[0]

        # One pass for all names, however many a text holds.
        text = _WORD.sub(replace, text)
        for name in sorted(name for name in found if not _WORD.fullmatch(name))[:MOST_ODD_NAMES]:
            whole = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])")
            text = whole.sub(self._replacing(found[name]), text)
        return text

    def _replacing(self, kind: str) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            groups = match.groupdict()
            value = groups.get("value") or match[0]
            self.counts[kind] += 1
            if (kind, value) not in self._stand_ins:
                self._kinds[kind] += 1
                self._stand_ins[kind, value] = f"<{kind}-{self._kinds[kind]}>"
            return match[0].replace(value, self._stand_ins[kind, value])

        return replace


# Secrets first: a token may hold what looks like a name or an address.
_SECRETS = (
    (
        "private-key",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,20000}-----END [A-Z ]{0,30}PRIVATE KEY-----"
        ),
    ),
    (
        "token",
        re.compile(r"\b(?:hf_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abp]-|AKIA|npm_)[A-Za-z0-9_-]{10,200}"),
    ),
    ("token", re.compile(r"(?i)\bbearer (?P<value>[a-z0-9._~+/=-]{8,400})")),
    ("token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,400}\.[A-Za-z0-9_-]{8,800}\.[A-Za-z0-9_-]{4,400}")),
    (
        "secret",
        re.compile(
            r"(?i)\b[a-z0-9_-]{0,40}(?:token|password|passwd|secret|api_?key|access_?key)"
            r"[\"']?\s{0,3}[=:]\s{0,3}[\"']?(?P<value>[^\s\"'<>]{4,200})"
        ),
    ),
    (
        "secret",
        re.compile(
            r"(?i)--[a-z-]{0,30}(?:token|password|passphrase|secret|api-?key)[ =](?P<value>[^\s\"'<>]{1,200})"
        ),
    ),
    ("secret", re.compile(r"(?i)\bauthorization:\s{0,3}basic\s{1,3}(?P<value>[a-z0-9+/=]{4,400})")),
    ("credentials", re.compile(r"(?i)[a-z][a-z0-9+.-]{1,20}://(?P<value>[^\s/@:]{1,80}:[^\s/@]{1,120})@")),
)
_NAMES = (
    (
        "user",
        re.compile(r"(?:/home/|/Users/|/var/home/|[A-Za-z]:\\Users\\)(?P<name>[A-Za-z0-9_][\w.-]{0,60})"),
    ),
    ("user", re.compile(r"(?m)^\s{0,8}(?P<name>[a-z_][a-z0-9_-]{0,31}) is (?:not )?member of ")),
    ("user", re.compile(r"\b[ug]id=\d{1,10}\((?P<name>[^)\s]{1,60})\)")),
    ("user", re.compile(r"\buser[ =](?P<name>[a-z_][a-z0-9_-]{1,31})\(uid=\d")),
    ("user", re.compile(r"(?m)(?:^|[\s(\[])(?P<name>[a-z_][a-z0-9_-]{0,31})@[A-Za-z0-9][\w.-]{0,60}[:\s~]")),
    ("host", re.compile(r"(?m)(?:^|[\s(\[])[a-z_][a-z0-9_-]{0,31}@(?P<name>[A-Za-z0-9][\w-]{0,60})[:\s~]")),
    (
        "host",
        re.compile(
            r"(?m)^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d "
            r"(?P<name>[A-Za-z0-9][\w.-]{0,60}) [\w./@-]{1,60}(?:\[\d|:)"
        ),
    ),
    ("host", re.compile(r"\bLinux (?P<name>[A-Za-z0-9][\w.-]{0,60}) \d\.\d{1,3}\.\d")),
    ("host", re.compile(r"(?i)\bhost ?name[=: ]{1,3}(?P<name>[A-Za-z0-9][\w.-]{1,60})")),
)
_ADDRESSES = (
    (
        "mail",
        re.compile(
            r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,60}@[A-Za-z0-9][A-Za-z0-9-]{0,60}(?:\.[A-Za-z0-9-]{1,60}){1,4}\b"
        ),
    ),
    ("mac", re.compile(r"(?i)(?<![0-9a-f:])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![0-9a-f:])")),
    (
        "ip",
        re.compile(
            r"(?<![\d.~-])(?!127\.0\.0\.1\b|0\.0\.0\.0\b)(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.~-])"
        ),
    ),
    ("ip", re.compile(r"(?i)(?<![0-9a-f:.])(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4}){1,5}(?![0-9a-f:.])")),
    ("ip", re.compile(r"(?i)\bfe80::[0-9a-f:]{2,40}\b")),
    (
        "serial",
        re.compile(
            r"(?i)\b(?:serial(?: ?number)?|s/n|unique ?id|asset tag|product_uuid)"
            r"\s{0,4}[:=#]\s{0,16}(?P<value>[0-9a-z-]{5,40})"
        ),
    ),
    ("serial", re.compile(r"\b(?P<value>GPU-[0-9a-f]{8,16})\b")),
    ("uuid", re.compile(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")),
)
