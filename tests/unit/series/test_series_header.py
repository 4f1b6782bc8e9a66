"""DEP-3 headers: every accepted shape, every complaint."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from rocm_patch.series.header import parse_header, scaffold

GOOD = b"""Description: find HIP where Debian has it
 Long text, first part.
 .
 Second part.
Author: Some One <one@example.org>
Bug: https://example.org/1
Bug-Debian: https://bugs.example.org/2
Forwarded: not-needed
Applied-Upstream: 2.7.0, https://example.org/c
Last-Update: 2026-11-23
X-Rocm-Patch-Versions: >=2.6,<2.7
X-Rocm-Patch-Test: tests/unit/a.py::test_a
X-Rocm-Patch-Verified: yes (applied, 2026-11-23)
---
 file | 2 +-
"""


def test_complete_header() -> None:
    header = parse_header(GOOD)
    assert header.problems() == []
    assert header.purpose == "find HIP where Debian has it"
    assert header.get("description").endswith("first part.\n\nSecond part.")
    assert header.applied_upstream == Version("2.7.0")
    assert header.versions is not None
    assert "2.6.1" in header.versions
    assert header.tests == ["tests/unit/a.py::test_a"]


def test_mailed_patch_with_fields_behind_the_text() -> None:
    head = (
        b"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
        b"From: Some One <one@example.org>\nDate: today\nSubject: [PATCH 1/2] do it\n\n"
        b"Why: because.\n\nForwarded: no\nApplied-Upstream: no\nLast-Update: 2026-01-02\n"
        b"X-Rocm-Patch-Versions: ==1.0\nX-Rocm-Patch-Test: a.py::b a.py::c\n"
        b"X-Rocm-Patch-Verified: no (source out of reach)\n---\n"
    )
    header = parse_header(head)
    assert header.problems() == []
    assert header.purpose == "do it"
    assert header.get("Author") == "Some One <one@example.org>"
    assert header.text.startswith("Why: because.")
    assert header.applied_upstream is None
    assert header.tests == ["a.py::b", "a.py::c"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"Description: find", b"X-Other: find", "Description (or Subject) is missing"),
        (b"Author: Some One <one@example.org>\n", b"", "Author (or From) or Origin"),
        (b"Author: Some One <one@example.org>", b"Origin: somewhere", "Origin is neither"),
        (b"Author: Some One <one@example.org>", b"Origin: vendor,", "Origin is neither"),
        (b"Author: Some One <one@example.org>", b"Author:", "Author is empty"),
        (b"Bug: https://example.org/1", b"Bug: 17", "Bug is not an address"),
        (b"Forwarded: not-needed", b"Forwarded: perhaps", "Forwarded is none of"),
        (b"Applied-Upstream: 2.7.0, https://example.org/c\n", b"", "Applied-Upstream is neither"),
        (b"Applied-Upstream: 2.7.0,", b"Applied-Upstream: later,", "Applied-Upstream is neither"),
        (b"2026-11-23\nX", b"2026-11-33\nX", "Last-Update is not a date"),
        (b"2026-11-23\nX", b"20261123\nX", "Last-Update is not a date"),
        (b">=2.6,<2.7", b"2.6 to 2.7", "X-Rocm-Patch-Versions is missing"),
        (b"X-Rocm-Patch-Test: tests/unit/a.py::test_a\n", b"", "X-Rocm-Patch-Test is missing"),
        (b"a.py::test_a", b"a.py", "no node id"),
        (b"yes (applied, 2026-11-23)", b"yes", "X-Rocm-Patch-Verified is neither"),
        (b"Description", b"hello\nDescription", "text before the first field"),
    ],
)
def test_each_complaint(old: bytes, new: bytes, words: str) -> None:
    assert old in GOOD
    assert words in "\n".join(parse_header(GOOD.replace(old, new)).problems())


def test_bug_or_forwarded_is_enough_and_one_is_needed() -> None:
    without = GOOD.replace(b"Forwarded: not-needed\n", b"")
    assert parse_header(without).problems() == []
    none = without.replace(b"Bug: https://example.org/1\nBug-Debian: https://bugs.example.org/2\n", b"")
    assert parse_header(none).problems() == ["Bug or Forwarded is missing"]


@pytest.mark.parametrize(
    "origin", [b"https://example.org/x", b"upstream, https://example.org/x", b"other, me"]
)
def test_origins(origin: bytes) -> None:
    assert (
        parse_header(GOOD.replace(b"Author: Some One <one@example.org>", b"Origin: " + origin)).problems()
        == []
    )


def test_latin_1_is_read() -> None:
    assert parse_header(b"Description: caf\xe9\n").purpose == "café"


def test_scaffold_lacks_only_what_a_person_must_say() -> None:
    raw = scaffold("one thing", author="A <a@b.c>", versions="==1.0", today=dt.date(2026, 1, 2))
    assert parse_header(raw).problems() == [
        "X-Rocm-Patch-Test is empty",
        "X-Rocm-Patch-Test is missing: the test that fails without this patch",
    ]


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read_and_judged(raw: bytes) -> None:
    assert parse_header(raw).problems()
