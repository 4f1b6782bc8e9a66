"""The matrix of patches and versions: what headers say, and that the page in docs/ is the present one."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from rocm_patch.cli.patch import patch
from rocm_patch.components.buildfile import buildable
from rocm_patch.components.libsettings import load_library
from rocm_patch.errors import UsageError
from rocm_patch.paths import data_root
from rocm_patch.series import matrix


def test_the_page_is_the_present_one() -> None:
    page = (data_root() / "docs" / "patches" / "matrix.md").read_text(encoding="utf-8")
    made = matrix.markdown(matrix.cells(), buildable())
    assert page == made, "rocm-patch patch matrix > docs/patches/matrix.md"


def test_what_is_declared_and_cannot_be_built_is_said() -> None:
    builds = buildable()
    assert builds == {
        ("miopen", "6.4.3"), ("pytorch", "2.6.0"), ("rocblas", "6.4.4"), ("rocprim", "6.4.3"),
        ("rocsolver", "6.4.3"), ("tensile", "6.4.4"),
    }  # fmt: skip
    page = matrix.markdown(matrix.cells(), builds).split("## rocblas")[1].split("\n## ")[0]
    (row,) = [line for line in page.splitlines() if line.startswith("| *build settings*")]
    assert row == "| *build settings* | none | none | none | none | none | yes | none | none |"
    # The settings' own readers agree, and the README says it where it names the versions.
    for version in (cell.version for cell in matrix.cells() if cell.component == "rocblas"):
        if ("rocblas", version) in builds:
            load_library("rocblas", version)
        else:
            with pytest.raises(UsageError, match="nobody has said how"):
                load_library("rocblas", version)
    readme = (data_root() / "README.md").read_text(encoding="utf-8")
    assert "only rocBLAS 6.4.4 and MIOpen 6.4.3 have build settings" in readme


def test_states() -> None:
    cells = {(cell.component, cell.version): cell.state for cell in matrix.cells()}
    assert cells["tensile", "6.1.2"] == "unverified"
    assert cells["tensile", "6.4.4"] == "not needed"
    assert cells["rocblas", "6.4.4"] == "not needed"
    assert cells["miopen", "6.4.3"] == "2 of 3 verified"
    assert cells["pytorch", "2.6.0"] == "verified"


def test_versions_are_in_their_order() -> None:
    versions = [cell.version for cell in matrix.cells() if cell.component == "miopen"]
    assert versions == ["5.7.1", "6.0.2", "6.1.2", "6.2.4", "6.3.3", "6.4.3", "7.0.2", "7.1.1"]


def test_the_list_shows_what_is_unverified() -> None:
    done = CliRunner().invoke(patch, ["list", "tensile", "6.1.2", "--json"])
    assert done.exit_code == 0
    assert done.output.count('"verified": "no (') == 2


def test_check_takes_one_source_only(tmp_path: object) -> None:
    done = CliRunner().invoke(patch, ["check", "tensile", "6.1.2", "--fetch", "--tree", str(tmp_path)])
    assert done.exit_code != 0
    assert "two sources" in str(done.exception)


def test_every_series_is_in_order() -> None:
    """Headers, ranges, tests that exist: of every component and version, without its source."""
    runner = CliRunner()
    for cell in matrix.cells():
        done = runner.invoke(patch, ["check", cell.component, cell.version])
        assert done.exit_code == 0, (cell, getattr(done.exception, "detail", done.output))
