"""The sets, their locks and the causes, as the project has them and as they may go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from rocm_patch.conformance.model import (
    Cause,
    Causes,
    SuiteSet,
    data_folder,
    load_causes,
    load_set,
    set_names,
)
from rocm_patch.conformance.place import programs, set_lock
from rocm_patch.errors import DataError, UsageError
from rocm_patch.sysroot.lock import load_lock


@pytest.mark.parametrize("name", set_names())
def test_every_set_has_its_packages_pinned(name: str) -> None:
    chosen = load_set(name)
    assert chosen.name == name
    lock = set_lock(chosen)
    assert load_lock(chosen.sysroot).packages
    named = {*chosen.support, *(one for suite in chosen.suites for one in suite.packages)}
    assert {package.name for package in lock.packages} == named


def test_tests_fit_the_libraries_of_the_sysroot() -> None:
    """A library's tests are of the version that the sysroot has: Debian builds both at once."""
    sysroot = {one.name: one.version for one in load_lock("rocm-6.4").packages}
    for package in set_lock(load_set("rocm-6.4")).packages:
        library = package.name.removesuffix("-data").removesuffix("-tests")
        if package.name != library and library in sysroot:
            assert sysroot[library] == package.version


def test_the_first_rule_that_matches_counts() -> None:
    suite = load_set("rocm-6.4").suite("miopen")
    first, other = suite.rule("miopen_gtest"), suite.rule("MIOpenDriver")
    assert first is not None
    assert first.at_most
    assert other is not None
    assert other.at_most == 0
    assert other.reason


def test_unknown_names_are_explained() -> None:
    with pytest.raises(UsageError, match="no set"):
        load_set("rocm-1.0")
    with pytest.raises(UsageError, match="no suite"):
        load_set("rocm-6.4").suite("cublas")


def test_a_package_that_is_not_pinned_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (data_folder() / "rocm-6.4.lock").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("librocprim-tests ")]
    (tmp_path / "rocm-6.4.lock").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("rocm_patch.conformance.place.data_folder", lambda: tmp_path)
    with pytest.raises(DataError, match="lacks packages") as caught:
        set_lock(load_set("rocm-6.4"))
    assert "librocprim-tests" in caught.value.cause


@pytest.mark.parametrize(
    ("key", "value"),
    [("schema", 2), ("suites", []), ("test_seconds", 0), ("surprise", 1)],
)
def test_a_malformed_set_is_refused(key: str, value: object) -> None:
    data = yaml.safe_load((data_folder() / "rocm-6.4.yml").read_text())
    data[key] = value
    with pytest.raises(ValidationError):
        SuiteSet.model_validate(data)


def test_every_known_cause_is_of_a_suite_that_exists() -> None:
    suites = {suite.name for name in set_names() for suite in load_set(name).suites}
    for cause in load_causes().causes:
        assert cause.suite in suites | {"*"}


def test_a_cause_explains_only_what_it_names() -> None:
    cause = Cause(
        id="one", kind="upstream", suite="rocrand", test="A\\..*", text="tolerance", reason="it is so"
    )
    causes = Causes.model_validate({"schema": 1, "causes": [cause]})
    where = ("rocm-6.4", "rocrand", "test_a")
    assert causes.of(where, "A.b", "failed", "over its tolerance") is cause
    assert causes.of(where, "B.b", "failed", "over its tolerance") is None
    assert causes.of(where, "A.b", "failed", "other text") is None
    assert causes.of(where, "A.b", "timed-out", "over its tolerance") is None
    assert causes.of(("rocm-6.4", "rocprim", "test_a"), "A.b", "failed", "tolerance") is None
    with pytest.raises(ValidationError):
        Cause(id="two", kind="ours", test="(", reason="x")


def test_only_programs_are_run(tmp_path: Path) -> None:
    script = tmp_path / "run-tests"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    (tmp_path / "data").write_text("x")
    with pytest.raises(DataError, match="no test program"):
        programs(tmp_path)
    (tmp_path / "true").symlink_to("/bin/true")
    assert [one.name for one in programs(tmp_path)] == ["true"]
