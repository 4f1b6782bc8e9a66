"""Logic for navi10 out of rocBLAS 6.4.4's own source, as the Debian pool has it."""

from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

import pytest
import yaml

from rocm_patch.components.rocblas import LOGIC
from rocm_patch.logic import Derived, derive, load_rules
from rocm_patch.sources import ObjectStore, fetch_all, load_recipe

pytestmark = [pytest.mark.network]

RULES = load_rules("gfx1010")


@pytest.fixture(scope="session")
def navi21(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (item,) = load_recipe("rocblas").sources["6.4.4"]
    archive = fetch_all([item], cache=ObjectStore())["rocblas"]
    folder = tmp_path_factory.mktemp("logic") / "navi21"
    folder.mkdir()
    with tarfile.open(archive) as tar:
        for member in tar:
            if f"/{LOGIC}/navi21/" in member.name and member.isfile():
                content = tar.extractfile(member)
                assert content is not None
                (folder / Path(member.name).name).write_bytes(content.read())
    return folder


@pytest.fixture(scope="session")
def derived(navi21: Path) -> list[Derived]:
    return derive(navi21, navi21.with_name("navi10"), RULES)


def test_all_but_int8_is_derived(navi21: Path, derived: list[Derived]) -> None:
    kept = [one for one in derived if one.name]
    assert (len(derived), len(kept), sum(one.solutions for one in kept)) == (32, 24, 4115)
    left = [one for one in derived if not one.name]
    assert {one.source.split("_")[4] for one in left} == {"I8II"}
    assert sum(one.solutions for one in left) == 514
    assert {path.name for path in navi21.with_name("navi10").iterdir()} == {one.name for one in kept}
    kinds = Counter(one.source.split("_")[4].removesuffix(".yaml") for one in kept)
    assert kinds == {"SB": 8, "HB": 8, "HHS": 8}


def test_only_what_names_the_card_has_changed(navi21: Path, derived: list[Derived]) -> None:
    """Compared line by line in every file, and as data in the smallest."""
    smallest = min((one for one in derived if one.name), key=lambda one: (navi21 / one.source).stat().st_size)
    for one in derived:
        if one.name:
            old = (navi21 / one.source).read_text().splitlines()
            new = (navi21.with_name("navi10") / one.name).read_text().splitlines()
            changed = {(a, b) for a, b in zip(old, new, strict=True) if a != b}
            assert changed == {
                ("- navi21", "- navi10"), ("- gfx1030", "- gfx1010"), ("- [Device 73a2]", "- [Device 731f]"),
                ("    ISA: [10, 3, 0]", "    ISA: [10, 1, 0]"),
            }, one.source  # fmt: skip
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (navi21.with_name("navi10") / str(smallest.name)).read_bytes()
    data = yaml.load(text, loader)  # noqa: S506 - a safe one
    assert data[1:4] == ["navi10", "gfx1010", ["Device 731f"]]
    assert {tuple(solution["ISA"]) for solution in data[5]} == {(10, 1, 0)}
    assert len(data[5]) == smallest.solutions
    assert {solution["KernelLanguage"] for solution in data[5]} == {"Assembly"}
    assert {solution["WavefrontSize"] for solution in data[5]} == {32}
