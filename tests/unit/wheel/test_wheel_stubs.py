"""Stubs: which version of a symbol is chosen, and what a linker makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocm_patch.wheel.elf import STT_FUNC, STT_TLS, Symbol, is_elf, read_dynamic, read_symbols
from rocm_patch.wheel.stubs import choose, linker_scripts, stub_of
from rocm_patch.wheel.table import load_table, newest, numbers, split_version

TABLE = load_table()


def symbol(name: str, version: str | None, *, default: bool = True, **more: int) -> Symbol:
    given_ = {"kind": STT_FUNC, "binding": 1, "value": 16, "size": 4} | more
    return Symbol(name=name, version=version, default=default, defined=True, **given_)


def test_newest_version_at_the_floor_is_chosen() -> None:
    chosen, above = choose(
        [
            symbol("atan2f", "GLIBC_2.43"),
            symbol("atan2f", "GLIBC_2.2.5", default=False),
            symbol("memcpy", "GLIBC_2.14"),
            symbol("memcpy", "GLIBC_2.2.5", default=False),
            symbol("__isoc23_strtol", "GLIBC_2.38"),
            symbol("hypot", "GLIBC_2.35"),
            symbol("__inet_ntop_chk", "GLIBC_2.42"),
            symbol("gets_of_old", "GLIBC_2.2.5", default=False),
            symbol("_dl_secret", "GLIBC_PRIVATE"),
            symbol("GLIBC_2.38", "GLIBC_2.38"),
            symbol("plain", None),
        ],
        TABLE,
    )
    assert {(one.name, one.version) for one in chosen} == {
        ("atan2f", "GLIBC_2.2.5"),
        ("memcpy", "GLIBC_2.14"),
        ("hypot", "GLIBC_2.35"),
        ("plain", None),
    }
    assert above == ("__inet_ntop_chk", "__isoc23_strtol")


@given(
    st.lists(
        st.tuples(st.integers(2, 3), st.integers(0, 60), st.booleans()),
        min_size=1,
        max_size=8,
        unique_by=lambda v: v[:2],
    )
)
def test_never_above_the_floor_and_never_older_than_must_be(versions: list[tuple[int, int, bool]]) -> None:
    symbols = [symbol("f", f"GLIBC_{a}.{b}", default=default) for a, b, default in versions]
    chosen, above = choose(symbols, TABLE)
    allowed = [(a, b) for a, b, _ in versions if (a, b) <= (2, 35)]
    if not any(default for *_, default in versions):
        assert (chosen, above) == ([], ())
    elif allowed:
        assert [split_version(one.version or "") for one in chosen] == [("GLIBC", max(allowed))]
    else:
        assert (chosen, above) == ([], ("f",))


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4))
def test_versions_read_back(parts: list[int]) -> None:
    text = ".".join(map(str, parts))
    assert split_version(f"GLIBCXX_{text}") == ("GLIBCXX", numbers(text))
    assert newest([f"GLIBC_{text}", "GLIBC_0", "OTHER_9.9", "GLIBC_PRIVATE"], ["GLIBC"]) == {
        "GLIBC": text if tuple(parts) >= (0,) else "0"
    }


def test_what_the_floor_allows() -> None:
    for version in ("GLIBC_2.35", "GLIBCXX_3.4.30", "CXXABI_FLOAT128", "OPENSSL_3.0.0", "CXXABI_1.3.13"):
        assert TABLE.allows(version)
    for version in ("GLIBC_2.36", "GLIBC_2.35.1", "GLIBCXX_3.4.31", "GLIBC_ABI_DT_RELR", "CXXABI_1.3.14"):
        assert not TABLE.allows(version)


def test_stub_of_this_machines_own_library() -> None:
    """The text of a stub of the Python's libc that runs this: whatever glibc it has."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    libc = next(Path(line.split()[-1]) for line in maps.splitlines() if line.endswith("libc.so.6"))
    stub = stub_of(libc, TABLE)
    assert stub.soname == "libc.so.6"
    assert "\nmemcpy:\n" in stub.source
    assert "GLIBC_2.14 {\n global:\n" in stub.script
    assert "PRIVATE" not in stub.script
    dynamic = read_dynamic(libc)
    assert dynamic is not None
    assert is_elf(libc)
    names = {one.name for one in read_symbols(libc) if one.defined}
    assert {"environ", "memcpy", "printf"} <= names
    assert any(one.kind == STT_TLS for one in read_symbols(libc))


def test_aliases_share_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rocm_patch.wheel import stubs  # noqa: PLC0415 - its parts are replaced

    ones = [
        symbol("environ", None, kind=1, value=64, size=8),
        symbol("__environ", None, kind=1, value=64, size=8),
    ]
    monkeypatch.setattr(stubs, "read_symbols", lambda _: ones)
    monkeypatch.setattr(stubs, "read_dynamic", lambda _: type("D", (), {"soname": "libx.so.1"}))
    stub = stubs.stub_of(tmp_path, TABLE)
    assert stub.source.count(".skip 8") == 1
    assert stub.script == ""


def test_linker_scripts_lead_to_the_stubs() -> None:
    scripts = linker_scripts("/deps/floor", "/usr/lib/libc_nonshared.a", "/deps/lib/libfloor.a")
    assert "/deps/floor/libc.so.6 /deps/lib/libfloor.a /usr/lib/libc_nonshared.a" in scripts["libc.so"]
    assert "/deps/floor/libstdc++.so.6 /deps/lib/libfloor.a" in scripts["libstdc++.so"]
    assert set(scripts) == {"libc.so", "libm.so", "libstdc++.so"}
