"""Logic derived for a card: only names, ISA and devices change; another form of file is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rocm_patch.cli.logic import logic
from rocm_patch.errors import DataError, UsageError
from rocm_patch.logic import derive, load_rules

RULES = load_rules("gfx1010")

#: The shape of a logic file: head, problem, two solutions, index order, exact sizes.
LOGIC = """\
- {{MinimumRequiredVersion: 4.26.0}}
- navi21
- gfx1030
- [Device 73a2]
- Batched: true
  DataType: {kind}
- - AssertFree0ElementMultiple: 1
    ISA: [10, 3, 0]
    SolutionIndex: 0
  - AssertFree0ElementMultiple: 2
    ISA: [10, 3, 0]
    SolutionIndex: 1
- [2, 3, 0, 1]
- - - [1030, 73, 1, 256]
    - [1, 53.0]
- null
"""


def write(
    folder: Path, name: str = "navi21_Cijk_Ailk_Bjlk_SB.yaml", text: str | None = None, kind: int = 0
) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text if text is not None else LOGIC.format(kind=kind))


def test_names_isa_and_device_change_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "navi21")
    results = derive(tmp_path / "navi21", tmp_path / "navi10", RULES)
    assert [(one.name, one.solutions) for one in results] == [("navi10_Cijk_Ailk_Bjlk_SB.yaml", 2)]
    made = (tmp_path / "navi10" / "navi10_Cijk_Ailk_Bjlk_SB.yaml").read_text().splitlines()
    changed = [line for line, old in zip(made, LOGIC.format(kind=0).splitlines(), strict=True) if line != old]
    assert changed == [
        "- navi10",
        "- gfx1010",
        "- [Device 731f]",
        "    ISA: [10, 1, 0]",
        "    ISA: [10, 1, 0]",
    ]


@pytest.mark.parametrize("kind", [5, 8])
def test_int8_is_left_out_with_its_reason(tmp_path: Path, kind: int) -> None:
    write(tmp_path / "navi21", "navi21_Cijk_Ailk_Bjlk_I8II_BH.yaml", kind=kind)
    (result,) = derive(tmp_path / "navi21", tmp_path / "navi10", RULES)
    assert result.name is None
    assert "v_dot4" in result.reason
    assert list((tmp_path / "navi10").iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("- navi21\n", "- navi22\n", "lines 2 to 4"),
        ("- [Device 73a2]\n", "- [Device 73a2, Device 73a3]\n", "lines 2 to 4"),
        ("    ISA: [10, 3, 0]\n    SolutionIndex: 1", "    ISA: [10, 3, 1]\n    SolutionIndex: 1", "ISAs"),
        ("SolutionIndex: 1", "SolutionIndex: 1\n    SolutionNameMin: Cijk_ISA1030_x", "ISA1030"),
        ("SolutionIndex: 0", "SolutionIndex: 0\n    Isas: [10, 3, 0]", r"\[10, 3, 0\]"),
        ("  DataType: 0\n", "", "data types"),
        ("SolutionIndex: 1", "SolutionIndex: 1\n  DataType: 4", "data types"),
    ],
)
def test_another_form_is_refused_and_leaves_nothing(tmp_path: Path, old: str, new: str, cause: str) -> None:
    text = LOGIC.format(kind=0)
    assert old in text
    write(tmp_path / "navi21", "navi21_A.yaml")
    write(tmp_path / "navi21", "navi21_B.yaml", text.replace(old, new))
    with pytest.raises(DataError) as caught:
        derive(tmp_path / "navi21", tmp_path / "navi10", RULES)
    assert re.search(cause, caught.value.cause)
    assert not (tmp_path / "navi10").exists()


def test_files_without_solutions_or_of_another_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "navi21", "vega20_A.yaml")
    with pytest.raises(DataError, match="does not begin with"):
        derive(tmp_path / "navi21", tmp_path / "navi10", RULES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no logic files"):
        derive(tmp_path / "empty", tmp_path / "navi10", RULES)


def test_a_target_without_rules_is_named() -> None:
    with pytest.raises(UsageError, match="gfx906"):
        load_rules("gfx906")


def test_the_command_sums_up_and_overwrites_nothing(tmp_path: Path) -> None:
    write(tmp_path / "navi21")
    write(tmp_path / "navi21", "navi21_Cijk_Ailk_Bjlk_I8II_BH.yaml", kind=8)
    words = ["derive", str(tmp_path / "navi21"), str(tmp_path / "navi10")]
    done = CliRunner().invoke(logic, words)
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "1 of 2 files, 2 solutions"
    assert isinstance(CliRunner().invoke(logic, words).exception, UsageError)
