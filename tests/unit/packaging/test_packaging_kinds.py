"""Why a package is what it is: the decision's reason, and the same reason in the package's own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from rocm_patch.packaging import Origin, SeriesUsed, Stock, decide, describe
from rocm_patch.packaging.kinds import Given, replacing
from rocm_patch.packaging.layout import layout_of
from rocm_patch.packaging.model import Package

SERIES = SeriesUsed(name="rocsolver/6.4.3", sha256="ab" * 32, patches=("0001-a.patch", "0002-b.patch"))


def package(folder: Path, held: set[str], series: SeriesUsed | None) -> Package:
    """Give the package of a rocSOLVER without loose kernels, whose stock library has code for `held`."""
    for name in ("lib/librocsolver.so.0.4", "licences/LICENSE"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("no code\n")
    (folder / "lib/librocsolver.so.0").symlink_to("librocsolver.so.0.4")
    product = describe(
        folder, component="rocsolver", version="6.4.3", rocm="6.4", layouts=["debian"], targets=["gfx1010"],
        epoch=1, licence="BSD-2-Clause", sources=[Origin(name="rocsolver", version="6.4.3", sha256="0" * 64)],
        series=series,
    )  # fmt: skip
    lib = "/usr/lib/x86_64-linux-gnu/librocsolver.so.0"
    stock = Stock("deb", "librocsolver0", "6.4.3-2+b1", (), (lib, f"{lib}.4"), (f"{lib}.4",),
                  frozenset(held), frozenset(), None)  # fmt: skip
    decision = decide(stock, "gfx1010", product)
    assert decision.kind == "replacing"
    made = replacing(Given(product, folder, stock, layout_of("debian"), "gfx1010"), decision.reason)
    # The reason is there whole, in lines that a terminal of 80 columns shows.
    assert f" {decision.reason}. " in " ".join(made.description)
    assert max(map(len, made.description)) < 80
    return made


@pytest.mark.parametrize(
    ("held", "series", "why"),
    [
        ({"gfx900", "gfx1030"}, SERIES, "its library holds code for gfx1030, gfx900, none for gfx1010"),
        (
            {"gfx900", "gfx1010"},
            SERIES,
            "has gfx1010 code; what was built is the library itself, with 2 patches of rocsolver/6.4.3",
        ),
        ({"gfx1010"}, None, "has gfx1010 code; what was built is the library itself."),
    ],
)
def test_a_replacing_package_says_why_it_replaces(
    held: set[str], series: SeriesUsed | None, why: str, tmp_path: Path
) -> None:
    """rocSOLVER is replaced for its races: that its stock library has no code for the card would be false."""
    text = " ".join(package(tmp_path, held, series).description)
    assert why in text
    assert ("none for gfx1010" in text) == ("gfx1010" not in held)
    assert "no code" not in text
