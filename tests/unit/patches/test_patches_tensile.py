"""What Tensile's patches do: their lines, run on libraries that behave as Tensile's.

Old and new side of each hunk are cut out of the patch itself. That the hunks stand in Tensile's
source where they say is not shown here: `rocm-patch patch check tensile VERSION --fetch` does.
"""

from __future__ import annotations

import copy
import textwrap
from types import SimpleNamespace
from typing import Any

import pytest

from rocm_patch.series import load_series

OLD, NEW = b"-", b"+"


def side(version: str, patch: str, hunk: int, which: bytes) -> str:
    """Give a hunk's lines as they were, or as they become."""
    (found,) = [one for one in load_series("tensile", version).patches if patch in one.name]
    text = found.data.split(b"\n---\n", 1)[1]
    lines = text.split(b"\n@@ ")[hunk + 1].split(b"\n")[1:]
    kept = [line[1:] for line in lines if line[:1] in (b" ", which)]
    return textwrap.dedent(b"\n".join(kept).decode())


class Selection:
    """What leads from a problem to solutions, by their indices."""

    def __init__(self, indices: list[int]) -> None:
        self.refers = list(indices)

    def remapSolutionIndices(self, moved: dict[int, int]) -> None:  # noqa: N802 - Tensile's name
        self.refers = [moved[index] for index in self.refers]

    def merge(self, other: Selection) -> None:
        self.refers += other.refers


class Solutions:
    """A library as Tensile's: solutions by index, lazy parts by name, and what selects among them."""

    def __init__(self, indices: list[int], parts: dict[str, Solutions] | None = None) -> None:
        self.solutions = {index: SimpleNamespace(index=index) for index in indices}
        self.lazyLibraries = parts or {}
        self.library = Selection(indices)
        self.version: str | None = None

    def merge(self, other: Solutions) -> None:
        """As Tensile of ROCm 5.7 and 6.0: what comes in is numbered behind what is there."""
        free = (
            max([*self.solutions, *(i for part in self.lazyLibraries.values() for i in part.solutions)]) + 1
        )
        for name, part in other.lazyLibraries.items():
            part.solutions = {free + at: one for at, one in enumerate(part.solutions.values())}
            self.lazyLibraries[name] = part


def libraries() -> dict[str, Solutions]:
    """Two architectures with tuned logic of their own, and the generic kernels."""
    return {
        "gfx906": Solutions([0], {"tuned_gfx906": Solutions([0, 1, 2])}),
        "gfx1030": Solutions([0], {"tuned_gfx1030": Solutions([0, 1, 2, 3, 4])}),
        "fallback": Solutions([0], {"SS_fallback": Solutions([0, 1])}),
    }


def run(code: str, found: dict[str, Solutions], **names: Any) -> None:
    space = {"masterLibraries": found, "deepcopy": copy.deepcopy, **names}
    exec(code, space)  # noqa: S102 - the patch's own lines


@pytest.mark.parametrize("version", ["5.7.1", "6.0.2"])
def test_generic_solutions_keep_their_numbers(version: str) -> None:
    helper = side(version, "one-number", 0, NEW).replace(
        "def generateLogicDataAndSolutions(logicFiles, args):", ""
    )
    made: dict[str, Any] = {}
    exec(helper, made)  # noqa: S102 - as above
    for which, same in ((OLD, False), (NEW, True)):
        found = libraries()
        run(side(version, "one-number", 1, which), found, numberFrom=made["numberFrom"])
        numbers = [sorted(found[gfx].lazyLibraries["SS_fallback"].solutions) for gfx in ("gfx906", "gfx1030")]
        assert (numbers[0] == numbers[1]) is same, which
    own = [
        index for gfx in ("gfx906", "gfx1030") for index in found[gfx].lazyLibraries[f"tuned_{gfx}"].solutions
    ]
    assert len({*own, *numbers[0]}) == len(own) + len(numbers[0])
    for library in (found["gfx906"], *found["gfx906"].lazyLibraries.values()):
        assert set(library.library.refers) <= library.solutions.keys()


@pytest.mark.parametrize("version", ["5.7.1", "6.0.2", "6.1.2"])
def test_gfx1010_gets_generic_kernels(version: str) -> None:
    names = {
        "splitArchs": lambda: (["gfx1010", "gfx90a-xnack+", "gfx90a-xnack-", "gfx1030"], []),
        "print1": print,
        "args": SimpleNamespace(version="4.39.0"),
        "value": libraries()["gfx906"],
        "generic": libraries()["fallback"],
    }
    for which, wanted in ((OLD, False), (NEW, True)):
        found = libraries()
        # The line before the hunk's own, and the one behind, belong to other statements.
        lines = side(version, "generic-kernels", 0, which).splitlines()
        code = textwrap.dedent(
            "\n".join(line for line in lines if "value." not in line and ".pop(" not in line)
        )
        run(code, found, **names)
        assert ("gfx1010" in found) is wanted, which
        assert ("gfx90a" in found) is wanted
    assert found["gfx1010"].lazyLibraries.keys() == {"SS_fallback"}
    assert found["gfx1010"].version == "4.39.0"
    assert found["gfx1010"] is not found["gfx90a"]


@pytest.mark.parametrize("version", ["5.7.1", "6.0.2", "6.1.2", "6.2.4", "6.3.3"])
def test_caps_come_from_the_assembler(version: str) -> None:
    for which, wanted in ((OLD, False), (NEW, True)):
        arguments: dict[str, bool] = {}
        code = side(version, "ask-the-assembler", 0, which)
        exec(code, {"arguments": arguments, "args": SimpleNamespace(IgnoreAsmCapCache=False)})  # noqa: S102
        assert arguments["IgnoreAsmCapCache"] is wanted


@pytest.mark.parametrize("version", ["6.4.4", "7.0.2", "7.1.1"])
def test_later_versions_need_none(version: str) -> None:
    assert load_series("tensile", version).patches == ()
