"""Patch headers after DEP-3, with three fields of our own: read, and checked field by field.

Knows the header's text only; whether a patch is needed is decided in check.py.
Format: https://dep-team.pages.debian.net/deps/dep3/ . python-debian's deb822 is
not used: it keeps one value of a repeated field and has no free-form text.
"""

from __future__ import annotations

import datetime as dt
import re

import attrs
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

VERSIONS = "X-Rocm-Patch-Versions"
TEST = "X-Rocm-Patch-Test"
VERIFIED = "X-Rocm-Patch-Verified"

_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):(.*)$")
_ALIASES = {"subject": "description", "from": "author"}
_ORIGINS = ("upstream", "backport", "vendor", "other")
_URL = re.compile(r"^[a-z][a-z0-9+.-]*:\S+$")
_VERIFIED = re.compile(r"^(yes|no) \(.+\)$", re.DOTALL)
_DATE = re.compile(r"^\d{4}-\d\d-\d\d$")


@attrs.frozen
class Header:
    """The fields in order (names as written), each with its full value; free text joins Description."""

    fields: tuple[tuple[str, str], ...]
    text: str = ""
    stray: str = ""

    def all(self, name: str) -> list[str]:
        """Every value of a field; Subject counts as Description, From as Author."""
        wanted = _canonical(name)
        return [value for key, value in self.fields if _canonical(key) == wanted]

    def get(self, name: str) -> str:
        """Give the first value, or an empty text."""
        return next(iter(self.all(name)), "")

    @property
    def purpose(self) -> str:
        """The first line of Description, without the `[PATCH n/m]` of a mailed patch."""
        first = self.get("Description").split("\n", 1)[0]
        return re.sub(r"^\[PATCH[^\]]*\]\s*", "", first)

    @property
    def versions(self) -> SpecifierSet | None:
        """Versions of the component that need the patch; None if missing or malformed."""
        try:
            return SpecifierSet(self.get(VERSIONS)) if self.get(VERSIONS) else None
        except InvalidSpecifier:
            return None

    @property
    def applied_upstream(self) -> Version | None:
        """First upstream version that has the change; None for `no`, missing or malformed."""
        first = self.get("Applied-Upstream").split(",")[0].strip()
        try:
            return Version(first) if first and first != "no" else None
        except InvalidVersion:
            return None

    @property
    def tests(self) -> list[str]:
        """The pytest node ids of the tests that fail without the patch."""
        return [word for value in self.all(TEST) for word in value.split()]

    def problems(self) -> list[str]:
        """Say what is missing or malformed, one sentence each; empty when the header is complete."""
        found = [f"text before the first field: {self.stray!r}"] if self.stray else []
        if not self.purpose:
            found.append("Description (or Subject) is missing or empty")
        if not self.get("Author") and not self.get("Origin"):
            found.append("Author (or From) or Origin is missing")
        has_bug = any(key.lower() == "bug" or key.lower().startswith("bug-") for key, _ in self.fields)
        if not has_bug and not self.get("Forwarded"):
            found.append("Bug or Forwarded is missing")
        found += self._malformed()
        return found

    def _malformed(self) -> list[str]:
        found = [
            f"{key} is empty"
            for key, value in self.fields
            if not value.strip() and _canonical(key) != "description"
        ]
        found += [
            f"{key} is not an address: {value}"
            for key, value in self.fields
            if key.lower().startswith("bug") and value and not _URL.match(value)
        ]
        origin = self.get("Origin")
        category, _, rest = origin.partition(",")
        if origin and not _URL.match(origin) and not (category in _ORIGINS and rest.strip()):
            found.append(
                f"Origin is neither an address nor `upstream|backport|vendor|other, reference`: {origin}"
            )
        forwarded = self.get("Forwarded")
        if forwarded and forwarded not in ("no", "not-needed", "yes") and not _URL.match(forwarded):
            found.append(f"Forwarded is none of no, not-needed, yes or an address: {forwarded}")
        upstream = self.get("Applied-Upstream")
        if upstream != "no" and self.applied_upstream is None:
            found.append(
                f"Applied-Upstream is neither `no` nor the first version that has it: {upstream or 'missing'}"
            )
        updated = self.get("Last-Update")
        if not _is_date(updated):
            found.append(f"Last-Update is not a date as YYYY-MM-DD: {updated or 'missing'}")
        return found + self._own_malformed()

    def _own_malformed(self) -> list[str]:
        """Check the fields that DEP-3 does not know."""
        found = []
        if self.versions is None:
            found.append(f"{VERSIONS} is missing or no version range (as >=2.6,<2.8)")
        if not self.tests:
            found.append(f"{TEST} is missing: the test that fails without this patch")
        found += [f"{TEST} is no node id (tests/FILE.py::NAME): {t}" for t in self.tests if "::" not in t]
        if not _VERIFIED.match(self.get(VERIFIED)):
            found.append(f"{VERIFIED} is neither `yes (how, date)` nor `no (reason)`")
        return found


def parse_header(raw: bytes) -> Header:
    """Read a header. Never fails: what is wrong is said by `Header.problems`."""
    lines = _decode(raw).replace("\r\n", "\n").split("\n")
    if re.match(r"^From [0-9a-f]{40} ", lines[0]):
        del lines[0]
    fields: list[tuple[str, str]] = []
    free: list[str] = []
    stray: list[str] = []
    # A paragraph is fields if its first line is one (DEP-3 allows them behind the free text as well).
    in_fields = False
    fresh = True
    for line in lines:
        if line.rstrip() == "---":
            break
        if not line.strip():
            fresh = True
            free.append("")
            continue
        match = _FIELD.match(line)
        if fresh:
            in_fields = match is not None and (not fields or _known(match.group(1)))
        fresh = False
        if in_fields and match:
            fields.append((match.group(1), match.group(2).strip()))
        elif in_fields and line[0] in " \t":
            name, value = fields[-1]
            extra = line.strip()
            fields[-1] = (name, f"{value}\n{'' if extra == '.' else extra}")
        elif fields:
            free.append(line)
        else:
            stray.append(line)
    text = "\n".join(free).strip("\n")
    return Header(tuple(fields), text, stray[0] if stray else "")


def scaffold(purpose: str, *, author: str, versions: str, today: dt.date) -> bytes:
    """Give the header of a new patch. `check` names the fields that are still to be filled in."""
    rows = [
        ("Description", purpose),
        ("Author", author),
        ("Forwarded", "no"),
        ("Applied-Upstream", "no"),
        ("Last-Update", today.isoformat()),
        (VERSIONS, versions),
        (TEST, ""),
        (VERIFIED, "no (just begun)"),
    ]
    return "".join(f"{name}: {value}".rstrip() + "\n" for name, value in rows).encode() + b"---\n"


def _canonical(name: str) -> str:
    return _ALIASES.get(name.lower(), name.lower())


def _known(name: str) -> bool:
    """Whether a field behind free text is DEP-3's or ours, and not a sentence with a colon."""
    name = _canonical(name)
    return name.startswith(("x-rocm-patch-", "bug")) or name in {
        "description",
        "author",
        "origin",
        "forwarded",
        "applied-upstream",
        "last-update",
        "reviewed-by",
        "acked-by",
        "signed-off-by",
    }


def _decode(raw: bytes) -> str:
    """Read as UTF-8, or as Latin-1 where it is not UTF-8 (any bytes are)."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _is_date(value: str) -> bool:
    if not _DATE.match(value):
        return False
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return False
    return True
