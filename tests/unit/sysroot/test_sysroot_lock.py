"""The lock's text form: read back as written, and every malformed line named."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sysroot.debmake import lock_of, locked

from rocm_patch.errors import DataError
from rocm_patch.sysroot.lock import MAGIC, Lock, LockedPackage, compare, load_lock, lock_path, parse_lock

NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,20}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9][0-9A-Za-z.+:~-]{0,20}", fullmatch=True)
PACKAGES = st.builds(
    LockedPackage,
    name=NAMES,
    version=VERSIONS,
    arch=st.sampled_from(["amd64", "all", "arm64"]),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    size=st.integers(min_value=0, max_value=2**40),
    path=st.from_regex(r"pool/main/[a-z]/[a-z0-9+.-]{1,9}_[0-9.+~]{1,9}_amd64\.deb", fullmatch=True).filter(
        lambda path: ".." not in path.split("/")
    ),
)
LOCKS = st.lists(PACKAGES, max_size=6, unique_by=lambda one: one.name).map(lambda found: lock_of(*found))


@given(LOCKS)
def test_what_is_written_is_read(lock: Lock) -> None:
    assert parse_lock(lock.text()) == lock


@given(LOCKS, st.integers(min_value=0), st.text(min_size=1, max_size=3))
def test_damage_is_an_explained_error_or_harmless(lock: Lock, at: int, junk: str) -> None:
    text = lock.text()
    at %= len(text)
    with contextlib.suppress(DataError):  # any other exception is a failure
        parse_lock(text[:at] + junk + text[at + 1 :])


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("tool 1 amd64 " + "0" * 63 + " 5 pool/t_1.deb", "malformed field"),
        ("tool 1 amd64 " + "0" * 64 + " -5 pool/t_1.deb", "malformed size"),
        ("tool 1 amd64 " + "0" * 64 + " 5 pool/../../t_1.deb", "malformed"),
        ("tool 1 amd64 " + "0" * 64 + " 5 /etc/t_1.deb", "malformed field"),
        ("tool 1 amd64 " + "0" * 64 + " 5", "5 fields"),
        ("to$l 1 amd64 " + "0" * 64 + " 5 pool/t_1.deb", "malformed field"),
    ],
)
def test_bad_package_lines(line: str, cause: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_lock(f"{MAGIC}\nname: mini\n\n{line}\n", origin="x.lock")
    assert caught.value.what == "x.lock, line 4: not a sysroot lock"
    assert cause in caught.value.cause


@pytest.mark.parametrize(
    "head", ["", "# other\n", f"{MAGIC}\n\n", f"{MAGIC}\nname: a\nname: b\n\n", f"{MAGIC}\nnonsense\n\n"]
)
def test_bad_headers(head: str) -> None:
    with pytest.raises(DataError):
        parse_lock(head)


def test_unsorted_and_repeated_packages_are_refused() -> None:
    a, b = locked("aa").line(), locked("bb").line()
    for body in (f"{b}\n{a}", f"{a}\n{a}"):
        with pytest.raises(DataError, match="not a sysroot lock"):
            parse_lock(f"{MAGIC}\nname: mini\n\n{body}\n")


def test_the_digest_is_of_the_packages_alone() -> None:
    one = lock_of(locked("aa"), locked("bb"))
    later = Lock(header={**one.header, "date": "Sat, 31 Oct 2026 08:00:00 UTC"}, packages=one.packages)
    other = lock_of(locked("aa"), locked("bb", "2"))
    assert one.digest == later.digest
    assert one.digest != other.digest


def test_compare_names_each_kind_of_change() -> None:
    same = locked("same")
    old = lock_of(same, locked("gone"), locked("moved", "1"), locked("bytes"))
    rebuilt = LockedPackage("bytes", "1", "amd64", "f" * 64, 9, "pool/b_1.deb")
    new = lock_of(same, locked("new"), locked("moved", "2"), rebuilt)
    lines = [str(change) for change in compare(old, new)]
    assert lines[1:] == ["gone: 1 -> absent", "moved: 1 -> 2", "new: absent -> 1"]
    assert lines[0].startswith("bytes: 1 (amd64, ")
    assert lines[0].endswith("-> 1 (amd64, ffffffffffff)")


def test_an_absent_lock_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_lock(tmp_path / "none.lock")
    assert "update-lock" in caught.value.step


def test_the_projects_lock_is_whole() -> None:
    lock = load_lock()
    names = {package.name for package in lock.packages}
    assert {"hipcc", "clang-21", "libmiopen-dev", "g++-13", "python3.13-dev"} <= names
    assert lock_path().read_text(encoding="utf-8") == lock.text()
    assert lock.size > 10**9
