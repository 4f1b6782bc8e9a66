"""Where a product's files go: beside the stock library, wherever that lies."""

from __future__ import annotations

import pytest

from rocm_patch.errors import UsageError
from rocm_patch.packaging.layout import layout_of, maintainer


@pytest.mark.parametrize(
    ("layout", "library", "path", "place"),
    [
        ("amd", "/opt/rocm-6.4.0/lib/librocblas.so.4.4", "lib/a.so.4", "/opt/rocm-6.4.0/lib/a.so.4"),
        ("amd", "/opt/rocm-7.1.1/lib/libMIOpen.so.1.0", "share/miopen/a", "/opt/rocm-7.1.1/share/miopen/a"),
        ("debian", "/usr/lib/x86_64-linux-gnu/libMIOpen.so.1.0", "share/miopen/a", "/usr/share/miopen/a"),
        ("debian", "/usr/lib/x86_64-linux-gnu/librocblas.so.4.4", "lib/a/b", "/usr/lib/x86_64-linux-gnu/a/b"),
    ],
)  # fmt: skip
def test_places_follow_the_stock_library(layout: str, library: str, path: str, place: str) -> None:
    assert layout_of(layout).holds(library)
    assert layout_of(layout).place(path, library) == place


def test_a_library_elsewhere_is_of_no_layout() -> None:
    assert not layout_of("debian").holds("/opt/rocm-6.4.0/lib/librocblas.so.4")
    assert not layout_of("amd").holds("/usr/lib/x86_64-linux-gnu/librocblas.so.4")
    with pytest.raises(UsageError, match="no layout"):
        layout_of("suse")
    with pytest.raises(UsageError, match="no component"):
        layout_of("amd").component("rocfft")


def test_a_site_signs_with_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROCM_PATCH_MAINTAINER", "Site <site@example.org>")
    assert maintainer() == "Site <site@example.org>"
