"""Offload bundles: layout, runs of them, compression, and what damage is called."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.audit import make

from rocm_patch.audit.bundle import bundles, is_bundle, open_bundle
from rocm_patch.errors import AuditError


def _entries(data: bytes) -> dict[str, bytes]:
    opened = open_bundle(memoryview(data), where="x")
    return {e.ident: bytes(opened.data[e.offset : e.offset + e.size]) for e in opened.fat.entries}


ENTRIES = {
    "host-x86_64-unknown-linux-gnu-": b"",
    make.hip_entry("gfx1010"): b"\x7fELFcode",
    make.hip_entry("gfx90a:xnack-"): b"BC\xc0\xde",
}


def test_entries_keep_names_and_bytes() -> None:
    assert _entries(make.bundle(ENTRIES)) == ENTRIES


def test_contents_and_targets_are_told_apart() -> None:
    entries = open_bundle(memoryview(make.bundle(ENTRIES)), where="x").fat.entries
    assert [e.content for e in entries] == ["empty", "code", "bitcode"]
    assert [str(e.target) for e in entries] == ["None", "gfx1010", "gfx90a:xnack-"]


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("method", [0, 1])
def test_compressed_forms(version: int, method: int) -> None:
    data = make.compressed(make.bundle(ENTRIES), version, method)
    opened = open_bundle(memoryview(data), where="x")
    assert _entries(data) == ENTRIES
    assert opened.fat.size == len(data)
    assert (opened.fat.compressed_version, opened.fat.compression) == (version, ("zlib", "zstd")[method])
    assert opened.faults == []


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("method", [0, 1])
def test_run_of_mixed_bundles_in_one_section(version: int, method: int) -> None:
    plain = make.bundle(ENTRIES)
    squeezed = make.compressed(plain, version, method)
    first = plain.ljust(-(-len(plain) // 4096) * 4096 + 4096, b"\0")
    second = squeezed.ljust(-(-len(squeezed) // 4096) * 4096, b"\0")
    found = [o.fat for o in bundles(memoryview(first + second + plain + bytes(77)), where="x", base=1000)]
    assert [f.offset for f in found] == [1000, 1000 + len(first), 1000 + len(first) + len(second)]
    assert [len(f.entries) for f in found] == [3, 3, 3]


def test_magic_inside_an_entry_is_no_bundle() -> None:
    data = make.bundle({make.hip_entry("gfx1010"): b"\x7fELF" + make.bundle(ENTRIES)})
    assert len(list(bundles(memoryview(data), where="x"))) == 1


def test_wrong_hash_is_a_fault_not_a_stop() -> None:
    data = make.compressed(make.bundle(ENTRIES), hashed=b"other")
    assert [rule for rule, _ in open_bundle(memoryview(data), where="x").faults] == ["bundle-hash"]


@pytest.mark.parametrize(
    "name",
    [
        "hip-",
        "odd-amdgcn-amd-amdhsa--gfx1010",
        "hipv4-amdgcn-amd-amdhsa--gfx1010:xnak+",
        "hipv4-amdgcn-amd-amdhsa--navi10",
    ],
)
def test_entry_names_that_are_none(name: str) -> None:
    data = make.bundle({name: b"\x7fELF"})
    assert "bundle-entry-name" in [rule for rule, _ in open_bundle(memoryview(data), where="x").faults]


def test_old_entry_name_without_environment() -> None:
    opened = open_bundle(memoryview(make.bundle({"hip-amdgcn-amd-amdhsa-gfx906": b"\x7fELF"})), where="x")
    assert str(opened.fat.entries[0].target) == "gfx906"
    assert opened.faults == []


PLAIN = make.bundle(ENTRIES)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (PLAIN[:-4], "truncated bundle"),
        (PLAIN[:40], "bundle entry"),
        (PLAIN[:28], "header"),
        (PLAIN[:24] + struct.pack("<Q", 1 << 40) + PLAIN[32:], "entries"),
        (PLAIN[:48] + struct.pack("<Q", 1 << 40) + PLAIN[56:], "entry name"),
        (make.compressed(PLAIN)[:-3], "truncated bundle"),
        (b"CCOB" + struct.pack("<HH", 9, 1) + bytes(40), "version 9"),
        (b"CCOB" + struct.pack("<HH", 2, 7) + bytes(40), "method 7"),
        (b"CCOB" + struct.pack("<HHIIQ", 2, 1, 10, 10, 0), "below the header"),
        (b"CCOB" + struct.pack("<HHQQQ", 3, 1, 40, 1 << 50, 0) + bytes(8), "limit"),
        (b"CCOB" + struct.pack("<HHIIQ", 2, 0, 34, 99, 0) + b"not zlib!!", "compressed data"),
        (b"CCOB" + struct.pack("<HHIIQ", 2, 1, 34, 99, 0) + b"not zstd!!", "compressed data"),
        (make.compressed(b"no bundle inside at all, just text of some length"), "inside the compressed"),
    ],
)
def test_damage_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(AuditError) as caught:
        list(bundles(memoryview(data), where="file.so"))
    assert "file.so" in caught.value.what
    assert reason in caught.value.cause


@pytest.mark.parametrize("method", [0, 1])
def test_bomb_stops_at_the_size_it_claims(method: int) -> None:
    bomb = make.compressed(bytes(50 << 20), 3, method)
    lying = bomb[:16] + struct.pack("<Q", 1000) + bomb[24:]
    with pytest.raises(AuditError, match="malformed") as caught:
        open_bundle(memoryview(lying), where="x")
    assert "header says 1000" in caught.value.cause


def test_text_between_bundles_is_refused() -> None:
    with pytest.raises(AuditError) as caught:
        list(bundles(memoryview(PLAIN + b"text"), where="x", section=".hip_fatbin"))
    assert "neither padding nor" in caught.value.cause


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bundles_never_escape(data: st.DataObject) -> None:
    source = data.draw(
        st.sampled_from([PLAIN, *(make.compressed(PLAIN, v, m) for v in (1, 2, 3) for m in (0, 1))])
    )
    raw = bytearray(source)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, min(len(raw), 300) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    error = make.refusal(lambda: list(bundles(memoryview(cut), where="x")))
    assert error is None or error.cause


@given(st.binary(max_size=40))
def test_only_magics_are_bundles(head: bytes) -> None:
    assert is_bundle(head) == (head.startswith((b"CCOB", b"__CLANG_OFFLOAD_BUNDLE__")))
