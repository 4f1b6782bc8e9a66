"""Whole files, packages and folders: what is opened, what is judged, and what the command answers."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import struct
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zstandard
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.audit import make
from tests.unit.audit.make import K

from rocm_patch.audit import Audit, Options, audit_paths, targets_in
from rocm_patch.audit.members import Limits, members
from rocm_patch.cli.audit import audit
from rocm_patch.errors import AuditError, UsageError

NAVI = make.code_object(K("add"), K("mul"))
BIG_NAVI = make.code_object(
    K("add"), K("mul"), K("extra"), mach=0x36, features=0, target="amdgcn-amd-amdhsa--gfx1030"
)
BOTH = make.fat(gfx1010=NAVI, gfx1030=BIG_NAVI)
LIBRARY = make.host(BOTH)


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(audit, [str(a) for a in arguments])


def _zip(members_: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members_.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("symbolic", [False, True])
def test_library(tmp_path: Path, symbolic: bool) -> None:  # noqa: FBT001
    padded = BOTH.ljust(-(-len(BOTH) // 4096) * 4096, b"\0")
    fatbin = padded + make.compressed(BOTH)
    path = _write(tmp_path / "lib.so", make.host(fatbin, starts=[0, len(padded)], symbolic=symbolic))
    report = audit_paths([path])
    (file,) = report.files
    assert [bool(f.compression) for f in file.fat_binaries] == [False, True]
    assert file.findings == {}
    assert file.missing == ["extra"]
    summary = report.summary
    assert (summary.fat_binaries, summary.compressed, summary.code_objects, summary.kernels) == (2, 1, 4, 10)
    assert summary.violations == 0
    assert report.failures == []
    assert targets_in(path) == {"gfx1010", "gfx1030"}


PLANTED: dict[str, Callable[[], bytes]] = {
    "bundle-empty-entry": lambda: make.host(make.fat(gfx1010=b"", gfx1030=BIG_NAVI)),
    "bundle-content": lambda: make.host(make.fat(gfx1010=b"text")),
    "bundle-target": lambda: make.host(make.fat(gfx1010=BIG_NAVI)),
    "bundle-entry-name": lambda: make.host(make.bundle({"hipv4-amdgcn-amd-amdhsa--gfx1010:odd+": NAVI})),
    "bundle-hash": lambda: make.host(make.compressed(BOTH, hashed=b"")),
    "malformed": lambda: make.host(BOTH[:-100]),
    "fatbin-wrapper": lambda: make.host(BOTH, starts=[8]),
    "unread-section": lambda: make.elf([(".llvm.offloading", 1, 0, 0, b"\x10\xff\x10\xad", 0)], machine=62),
}


@pytest.mark.parametrize("rule", PLANTED)
def test_planted_bad_library(tmp_path: Path, rule: str) -> None:
    report = audit_paths([_write(tmp_path / "bad.so", PLANTED[rule]())])
    assert rule in report.files[0].findings
    assert report.files[0].findings[rule].severity == ("warning" if rule == "unread-section" else "error")


@pytest.mark.parametrize(
    ("wrappers", "message"),
    [(b"", "no .hipFatBinSegment"), (struct.pack("<IIQQ", 1, 1, 0x10000, 0), "magic 0x1")],
)
def test_wrappers(tmp_path: Path, wrappers: bytes, message: str) -> None:
    sections: list[tuple[str, int, int, int, bytes, int]] = [(".hip_fatbin", 1, 2, 0x10000, BOTH, 0)]
    if wrappers:
        sections.append((".hipFatBinSegment", 1, 3, 0x400000, wrappers, 0))
    report = audit_paths([_write(tmp_path / "lib.so", make.elf(sections, machine=62))])
    assert message in report.files[0].findings["fatbin-wrapper"].examples[0]


def test_unregistered_bundle(tmp_path: Path) -> None:
    padded = BOTH.ljust(-(-len(BOTH) // 4096) * 4096, b"\0")
    report = audit_paths([_write(tmp_path / "lib.so", make.host(padded + BOTH))])
    assert "nothing registers" in report.files[0].findings["fatbin-wrapper"].examples[0]


def test_relocatable_object_needs_no_wrapper_and_rdc_is_read(tmp_path: Path) -> None:
    sections = [
        (".hip_fatbin", 1, 2, 0, BOTH, 0),
        ("__CLANG_OFFLOAD_BUNDLE__hip-amdgcn-amd-amdhsa--gfx1010", 1, 0, 0, b"BC\xc0\xde", 0),
        ("__CLANG_OFFLOAD_BUNDLE__hip-amdgcn-amd-amdhsa--gfx1030", 1, 0, 0, BIG_NAVI, 0),
    ]
    report = audit_paths([_write(tmp_path / "a.o", make.elf(sections, machine=62, kind=1))])
    (file,) = report.files
    assert file.findings == {}
    assert [[e.content for e in f.entries] for f in file.fat_binaries] == [
        ["host", "code", "code"],
        ["bitcode"],
        ["code"],
    ]


PACKAGES: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "x.whl": _zip,
    "x.deb": make.deb,
    "xz.deb": lambda m: make.deb(m, lzma.compress, ".xz"),
    "zst.deb": lambda m: make.deb(m, zstandard.ZstdCompressor().compress, ".zst"),
    "gz.deb": lambda m: make.deb(m, gzip.compress, ".gz"),
    "x.rpm": make.rpm,
    "xz.rpm": lambda m: make.rpm(m, lzma.compress),
    "zst.rpm": lambda m: make.rpm(m, zstandard.ZstdCompressor().compress),
    "gz.rpm": lambda m: make.rpm(m, gzip.compress),
    "bz2.rpm": lambda m: make.rpm(m, bz2.compress),
    "alone.rpm": lambda m: make.rpm(m, lambda d: lzma.compress(d, format=lzma.FORMAT_ALONE)),
    "x.a": make.ar,
}


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("in_memory", [0, 1 << 30])
def test_packages(tmp_path: Path, name: str, in_memory: int) -> None:
    data = PACKAGES[name]({"readme.txt": b"text\n" * 9, "one.so": LIBRARY, "notes": b"", "two.co": NAVI})
    path = _write(tmp_path / name, data)
    run = Audit([path], limits=Limits(in_memory=in_memory))
    files = {f.path.rsplit("!", 1)[-1]: f for f in run.files() if f.kind != "kernel-folder"}
    assert run.report.unreadable == []
    assert sorted(files) == ["one.so", "two.co"]
    assert files["one.so"].totals["gfx1010"].kernels == 2
    assert targets_in(path) == {"gfx1010", "gfx1030"}


def test_nested_and_named_long(tmp_path: Path) -> None:
    long_name = "a_very_long_member_name_of_an_archive.o"
    library = make.ar(
        {
            "//": long_name.encode() + b"/\n",
            "/0": make.elf([(".hip_fatbin", 1, 2, 0, BOTH, 0)], machine=62, kind=1),
        }
    )
    path = _write(tmp_path / "x.whl", _zip({"lib/libx.a": library}))
    assert [f.path for f in audit_paths([path]).files] == [f"{path}!lib/libx.a!{long_name}"]


def test_folder_is_walked_without_following_links(tmp_path: Path) -> None:
    _write(tmp_path / "lib/a.so", LIBRARY)
    (tmp_path / "lib/b.so").symlink_to("a.so")
    os.mkfifo(tmp_path / "pipe")
    _write(tmp_path / "empty", b"")
    assert [f.path for f in audit_paths([tmp_path]).files] == [str(tmp_path / "lib/a.so")]


DAMAGED_PACKAGES: dict[str, bytes] = {
    "cut.whl": _zip({"a.so": LIBRARY})[:-40],
    "cut.deb": make.deb({"a.so": LIBRARY}, lzma.compress, ".xz")[:-400],
    "bad.deb": make.ar({"debian-binary": b"2.0\n", "data.tar.xz": b"\xfd7zXZ\0rubbish"}),
    "tar.deb": make.ar({"debian-binary": b"2.0\n", "data.tar": b"rubbish" * 100}),
    "head.deb": make.ar({"debian-binary": b"2.0\n"}) + b"x" * 60,
    "cut.rpm": make.rpm({"a.so": LIBRARY})[:-9000],
    "head.rpm": b"\xed\xab\xee\xdb" + bytes(200),
    "long.rpm": b"\xed\xab\xee\xdb" + bytes(92) + b"\x8e\xad\xe8\x01" + struct.pack(">III", 0, 1 << 30, 0),
    "zstd.rpm": make.rpm({"a.so": LIBRARY}, lambda d: zstandard.ZstdCompressor().compress(d)[:-50]),
    "cpio.rpm": make.rpm({}, lambda _: b"no cpio" * 40),
    "hex.rpm": make.rpm({}, lambda _: b"070701" + b"zz" * 60),
    "name.rpm": make.rpm({}, lambda _: b"070701" + b"0" * 120),
}


@pytest.mark.parametrize("name", DAMAGED_PACKAGES)
def test_damaged_package_is_named(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path / name, DAMAGED_PACKAGES[name])
    report = audit_paths([path])
    assert [name in one.path for one in report.unreadable] == [True]
    assert len(report.unreadable[0].reason) > 20
    with pytest.raises(AuditError):
        targets_in(path)


def test_damaged_package_does_not_hide_its_neighbours(tmp_path: Path) -> None:
    _write(tmp_path / "a.deb", DAMAGED_PACKAGES["cut.deb"])
    _write(tmp_path / "b.so", LIBRARY)
    report = audit_paths([tmp_path])
    assert len(report.unreadable) == 1
    assert [f.path for f in report.files] == [str(tmp_path / "b.so")]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_damaged_packages_never_escape(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    small = make.code_object(K())
    sources = [
        _zip({"a.co": small}),
        make.deb({"a.co": small}, gzip.compress, ".gz"),
        make.rpm({"a.co": small}),
        LIBRARY,
    ]
    raw = bytearray(data.draw(st.sampled_from(sources)))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(8, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("fuzz") / "x"
    path.write_bytes(raw[: data.draw(st.integers(len(raw) // 2, len(raw)))])
    report = audit_paths([path])
    assert all(one.reason for one in report.unreadable)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(member=100), "claims"),
        (Limits(total=100), "unpacks to more"),
        (Limits(count=1), "more than 1 members"),
        (Limits(depth=1), "nested"),
    ],
)
def test_limits(tmp_path: Path, limits: Limits, message: str) -> None:
    inner = _zip({"a.so": LIBRARY, "b.so": LIBRARY})
    path = _write(tmp_path / "x.whl", _zip({"inner.zip": inner, "c.so": LIBRARY}))
    with pytest.raises(AuditError, match=message):
        list(members(path, limits))


def test_missing_file() -> None:
    report = audit_paths([Path("nowhere/at/all.so")])
    assert "no file or folder" in report.unreadable[0].reason


def _lazy(*leads: str) -> bytes:
    rows = [{"type": "Placeholder", "value": lead} for lead in leads]
    return bytes(msgpack.packb({"solutions": [], "library": {"type": "Hardware", "rows": rows}}))


LIBRARY_DAT = msgpack.packb({"solutions": [{"name": "a"}, {"name": "b"}], "library": {"type": "Problem"}})


def _tensile(folder: Path) -> Path:
    _write(
        folder / "TensileLibrary_lazy_gfx1010.dat",
        _lazy("TensileLibrary_S_fallback", "TensileLibrary_S_gfx1010"),
    )
    _write(folder / "TensileLibrary_S_fallback.dat", LIBRARY_DAT)
    _write(folder / "TensileLibrary_S_gfx1010.dat", LIBRARY_DAT)
    _write(folder / "TensileLibrary_S_fallback_gfx1010.hsaco", NAVI)
    _write(folder / "TensileLibrary_S_gfx1010.co", NAVI)
    _write(folder / "Kernels.so-000-gfx1010.hsaco", NAVI)
    _write(folder / "Kernels.so-000-gfx1030.hsaco", make.fat(gfx1030=BIG_NAVI))
    return folder


def test_kernel_folder(tmp_path: Path) -> None:
    report = audit_paths([_tensile(tmp_path)])
    (folder,) = [f for f in report.files if f.kind == "kernel-folder"]
    assert folder.findings == {}
    assert folder.missing == ["extra"]
    assert report.summary.missing == 1
    assert report.failures == []
    assert sum(f.solutions for f in report.files) == 4


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("TensileLibrary_lazy_gfx1010.dat", "tensile-index"),
        ("TensileLibrary_S_fallback.dat", "tensile-lead"),
        ("TensileLibrary_S_gfx1010.co", "tensile-lead"),
        ("TensileLibrary_S_fallback_gfx1010.hsaco", "tensile-lead"),
    ],
)
def test_kernel_folder_with_a_file_missing(tmp_path: Path, name: str, rule: str) -> None:
    (_tensile(tmp_path) / name).unlink()
    report = audit_paths([tmp_path])
    (folder,) = [f for f in report.files if f.kind == "kernel-folder"]
    assert set(folder.findings) == {rule}
    assert report.summary.violations == 1


def test_file_named_for_another_target(tmp_path: Path) -> None:
    report = audit_paths([_write(tmp_path / "Kernels.so-000-gfx1010.hsaco", BIG_NAVI)])
    assert "name-target" in report.files[0].findings
    assert report.summary.violations == 1


def test_damaged_tensile_library(tmp_path: Path) -> None:
    report = audit_paths([_write(tmp_path / "TensileLibrary_x.dat", LIBRARY_DAT[:-6])])
    assert "no Tensile library" in report.unreadable[0].reason


REQUIRED: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "present": (lambda p: _write(p / "a.so", LIBRARY), 0, ""),
    "absent": (
        lambda p: _write(p / "a.so", make.host(make.fat(gfx1030=BIG_NAVI))),
        1,
        "1 of 1 fat binaries have no gfx1010",
    ),
    "one lacks": (
        lambda p: _write(
            p / "a.so",
            make.host(BOTH.ljust(-(-len(BOTH) // 4096) * 4096, b"\0") + make.fat(gfx1030=BIG_NAVI)),
        ),
        1,
        "1 of 2 fat binaries",
    ),
    "no kernels": (
        lambda p: _write(p / "a.so", make.host(make.fat(gfx1010=make.code_object(), gfx1030=BIG_NAVI))),
        1,
        "1 of 1",
    ),
    "bitcode only": (
        lambda p: _write(p / "a.so", make.host(make.fat(gfx1010=b"BC\xc0\xde"))),
        1,
        "no code object",
    ),
    "host only": (lambda p: _write(p / "a.so", make.elf([], machine=62)), 1, "no device code"),
    "loose other": (lambda p: _write(p / "a.hsaco", BIG_NAVI), 1, "none for gfx1010"),
    "folder per target": (_tensile, 0, ""),
    "a rule broken": (lambda p: _write(p / "a.hsaco", make.code_object(K(lds=70000))), 1, "lds-limit"),
}


@pytest.mark.parametrize("case", REQUIRED)
def test_require(tmp_path: Path, case: str) -> None:
    make_input, code, message = REQUIRED[case]
    make_input(tmp_path)
    result = _run(tmp_path, "--require", "gfx1010")
    assert result.exit_code == code, result.output
    assert message in " ".join(result.output.split())
    assert _run(tmp_path).exit_code == 0


def test_json(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.so", LIBRARY)
    result = _run(path, "--json", "--kernels")
    document: dict[str, Any] = json.loads(result.output)
    assert (document["schema"], document["version"], document["target"]) == ("rocm-patch-audit", 1, "gfx1010")
    entry = document["files"][0]["fat_binaries"][0]["entries"][1]
    assert entry["code_object"]["kernels"][0]["occupancy"] == {"waves_per_simd": 20, "limit": "waves"}
    assert document["files"][0]["missing_kernels"] == {"count": 1, "names": ["extra"]}
    assert document["summary"]["targets"]["gfx1030"]["kernels"] == 3
    assert (
        "kernels"
        not in json.loads(_run(path, "--json").output)["files"][0]["fat_binaries"][0]["entries"][1][
            "code_object"
        ]
    )


def test_json_of_nothing(tmp_path: Path) -> None:
    document = json.loads(_run(tmp_path, "--json").output)
    assert document["files"] == []
    assert document["failures"] == [{"path": str(tmp_path), "reason": "holds no device code at all"}]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_is_escaped_and_alone(tmp_path: Path) -> None:
    nasty = "<script>alert('x')</script>"
    path = _write(tmp_path / "a.hsaco", make.code_object(K(nasty, wave=64)))
    page = tmp_path / "page.html"
    assert _run(path, "--html", page).exit_code == 0
    parsed = _Page()
    parsed.feed(page.read_text(encoding="utf-8"))
    assert parsed.tags.count("script") == 1
    assert parsed.links == []
    assert nasty in parsed.text
    assert "wave64" in parsed.text


def test_page_that_cannot_be_written(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.so", LIBRARY)
    assert isinstance(_run(path, "--html", tmp_path / "no" / "page.html").exception, UsageError)


def test_terminal_lists_kernels_and_survives_markup(tmp_path: Path) -> None:
    path = _write(tmp_path / "a[bold].hsaco", make.code_object(K("k[red]")))
    output = _run(path, "--kernels").output
    assert output.startswith("1 files, 0 fat binaries")
    assert "k[red]" in output
    assert "a[bold].hsaco" in "".join(output.split())


def test_unreadable_file_ends_in_its_error(tmp_path: Path) -> None:
    result = _run(_write(tmp_path / "bad.so", make.host(BOTH[:-100])))
    assert isinstance(result.exception, AuditError)
    assert "truncated bundle" in str(result.exception)


@pytest.mark.parametrize(
    "arguments", [("--target", "navi10"), ("--target", "gfx1030", "--require", "gfx1010")]
)
def test_targets_are_checked(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert isinstance(_run(tmp_path, *arguments).exception, UsageError)


def test_other_target(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.so", LIBRARY)
    report = audit_paths([path], options=Options(target="gfx1030"), keep_kernels=False)
    assert report.files[0].missing_count == 0
    kept = {c.target.processor: len(c.kernels) for c in report.files[0].code_objects()}
    assert kept == {"gfx1010": 0, "gfx1030": 3}
