"""Unpacking: every format, every kind of malicious member, bounds, all or nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocm_patch.errors import ArchiveError
from rocm_patch.sources import Bounds, UnpackRule, tree_digest, unpack
from rocm_patch.sources.archives import MAX_HEADER


def entry(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mtime = 1_000_000
    info.mode = 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def put(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(data)
    return path


GOOD = tar(
    folder("top"),
    entry("top/run.sh", b"#!/bin/sh\n", mode=0o6777),
    folder("top/d", 0o1700),
    entry("top/d/text", b"text"),
    link("top/d/up", "../run.sh"),
    hard("top/copy", "top/d/text"),
    entry("top/implied/folders/file", b"x"),
)

PACKERS: list[Callable[[bytes], bytes]] = [
    bytes,
    gzip.compress,
    bz2.compress,
    lzma.compress,
    zstandard.ZstdCompressor().compress,
]


@pytest.mark.parametrize("packer", PACKERS)
def test_every_compression_gives_the_same_tree(tmp_path: Path, packer: Callable[[bytes], bytes]) -> None:
    dest = unpack(put(tmp_path, packer(GOOD)), tmp_path / "out", UnpackRule(strip=1))
    assert (dest / "run.sh").stat().st_mode & 0o7777 == 0o755
    assert (dest / "d").stat().st_mode & 0o7777 == 0o700
    assert (dest / "d/text").stat().st_mtime == (dest / "d").stat().st_mtime == 1_000_000
    assert (dest / "d/up").readlink() == Path("../run.sh")
    assert (dest / "copy").read_bytes() == b"text"
    assert (dest / "copy").stat().st_ino != (dest / "d/text").stat().st_ino
    assert (dest / "implied/folders/file").read_bytes() == b"x"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "out"]
    again = unpack(tmp_path / "archive", tmp_path / "again", UnpackRule(strip=1))
    assert tree_digest(again) == tree_digest(dest)


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    archive = put(tmp_path, GOOD)
    rule = UnpackRule(strip=1, into="third_party/x")
    one = tree_digest(unpack(archive, tmp_path / "one", rule))
    before = os.umask(0o077)
    try:
        two = tree_digest(unpack(archive, tmp_path / "two", rule))
    finally:
        os.umask(before)
    assert one == two
    assert (tmp_path / "one/third_party/x/run.sh").exists()


def test_zip(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        run = zipfile.ZipInfo("top/run", (2001, 9, 9, 1, 46, 40))
        run.external_attr = (stat.S_IFREG | 0o4755) << 16
        archive.writestr(run, b"run")
        pointer = zipfile.ZipInfo("top/link")
        pointer.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(pointer, "run")
        archive.writestr(zipfile.ZipInfo("top/d/"), b"")
    dest = unpack(put(tmp_path, sink.getvalue()), tmp_path / "out", UnpackRule(strip=1))
    assert (dest / "link").read_bytes() == b"run"
    assert (dest / "run").stat().st_mode & 0o7777 == 0o755
    assert (dest / "run").stat().st_mtime == 1_000_000_000
    assert (dest / "d").is_dir()


BAD_TARS = {
    "absolute name": (tar(entry("/etc/passwd", b"x")), "absolute path"),
    "name with ..": (tar(entry("a/../../x", b"x")), "'..'"),
    "name is ..": (tar(folder("..")), "'..'"),
    "backslash": (tar(entry("a\\..\\x", b"x")), "backslash"),
    "absolute link": (tar(link("l", "/etc/passwd")), "absolute"),
    "link with ..": (tar(folder("d"), link("d/l", "../../x")), "outside the folder"),
    "empty link": (tar(link("l", "")), "empty"),
    "through a link": (tar(link("l", "."), entry("l/x", b"x")), "written through"),
    "through a file": (tar(entry("f", b"x"), entry("f/x", b"x")), "written through"),
    "links in turn": (
        tar(folder("d"), link("d/s", ".."), link("d/t", "s/../x")),
        "leaves the folder through other links",
    ),
    "hard link outside": (tar(hard("h", "/etc/passwd")), "absolute path"),
    "hard link with ..": (tar(hard("h", "../x")), "'..'"),
    "hard link to nothing": (tar(hard("h", "later"), entry("later", b"x")), "no file before it"),
    "hard link to itself": (tar(hard("h", "h")), "no file before it"),
    "hard link to a link": (tar(entry("a"), link("l", "a"), hard("h", "l")), "no file before it"),
    "character device": (tar(entry("null", type=tarfile.CHRTYPE, devmajor=1)), "character device"),
    "block device": (tar(entry("sda", type=tarfile.BLKTYPE, devmajor=8)), "block device"),
    "fifo": (tar(entry("pipe", type=tarfile.FIFOTYPE)), "fifo"),
    "file over link": (tar(link("l", "x"), entry("l", b"x")), "same name"),
    "file twice": (tar(entry("f", b"1"), entry("f", b"2")), "same name"),
    "folder over file": (tar(entry("f", b"1"), folder("f")), "same name"),
    "long name": (tar(entry("d/" * 2500 + "f", b"")), "too long"),
    "cut short": (GOOD[:3000], "cannot be read"),
    "no archive": (b"plain text, long enough for no magic" * 40, "cannot be read"),
    "broken gzip": (gzip.compress(GOOD)[:-20], "cannot be read"),
    "broken xz": (lzma.compress(GOOD)[:-40], "cannot be read"),
    "broken zstd": (zstandard.ZstdCompressor().compress(GOOD)[:60], "cannot be read"),
}


@pytest.mark.parametrize("kind", BAD_TARS)
def test_a_malicious_or_damaged_tar_leaves_nothing(tmp_path: Path, kind: str) -> None:
    data, words = BAD_TARS[kind]
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(ArchiveError) as caught:
        unpack(put(tmp_path, data), inner / "out")
    assert words in str(caught.value)
    assert list(inner.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "inner"]


@pytest.mark.parametrize(
    ("name", "attributes", "data", "words"),
    [
        ("../x", 0, b"x", "'..'"),
        ("/x", 0, b"x", "absolute"),
        ("dev", (stat.S_IFCHR | 0o666) << 16, b"", "device"),
        ("link", (stat.S_IFLNK | 0o777) << 16, b"/etc/passwd", "absolute"),
        ("link", (stat.S_IFLNK | 0o777) << 16, b"../x", "outside"),
        ("link", (stat.S_IFLNK | 0o777) << 16, b"x" * 5000, "too long"),
    ],
)
def test_a_malicious_zip_leaves_nothing(
    tmp_path: Path, name: str, attributes: int, data: bytes, words: str
) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = attributes
        archive.writestr(info, data)
    with pytest.raises(ArchiveError) as caught:
        unpack(put(tmp_path, sink.getvalue()), tmp_path / "out")
    assert words in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["archive"]


def test_bounds_on_members_and_bytes(tmp_path: Path) -> None:
    many = put(tmp_path, tar(*(entry(f"f{i}") for i in range(11))))
    with pytest.raises(ArchiveError, match="f10"):
        unpack(many, tmp_path / "out", bounds=Bounds(members=10))
    bomb = put(tmp_path, gzip.compress(tar(entry("zeros", bytes(3 << 20)), hard("again", "zeros"))))
    with pytest.raises(ArchiveError, match="zeros"):
        unpack(bomb, tmp_path / "out", bounds=Bounds(bytes=2 << 20))
    with pytest.raises(ArchiveError, match="again"):  # a copy counts as well
        unpack(bomb, tmp_path / "out", bounds=Bounds(bytes=4 << 20))
    unpack(bomb, tmp_path / "out", bounds=Bounds(bytes=6 << 20))


def test_a_header_bomb_is_stopped_before_it_fills_the_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("f")
    info.pax_headers = {"comment": "x" * (MAX_HEADER * 3)}
    with pytest.raises(ArchiveError, match="not unpacked") as caught:
        unpack(put(tmp_path, gzip.compress(tar((info, b"")))), tmp_path / "out")
    assert "header is larger" in caught.value.cause


def test_large_files_are_no_header_bomb(tmp_path: Path) -> None:
    data = tar(entry("a", bytes(MAX_HEADER * 2)), entry("b", bytes(MAX_HEADER * 2)))
    assert (unpack(put(tmp_path, data), tmp_path / "out") / "b").stat().st_size == MAX_HEADER * 2


def test_an_existing_destination_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ArchiveError, match="exists already"):
        unpack(put(tmp_path, GOOD), tmp_path / "out")


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".unpack-out-999999999"
    left.mkdir()
    (left / "half").touch()
    unpack(put(tmp_path, GOOD), tmp_path / "out")
    assert not left.exists()


NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "", "c"]), min_size=1, max_size=4).map("/".join)
MEMBERS = st.one_of(
    st.builds(lambda n: entry(n or "f", b"x"), NAMES),
    st.builds(lambda n: folder(n or "d"), NAMES),
    st.builds(lambda n, t: link(n or "l", t), NAMES, NAMES),
    st.builds(lambda n, t: hard(n or "h", t), NAMES, NAMES),
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MEMBERS, max_size=6), st.integers(0, 2))
def test_no_archive_writes_or_points_outside(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[tarfile.TarInfo, bytes]], strip: int
) -> None:
    base = tmp_path_factory.mktemp("fuzz")
    dest = base / "box/out"
    archive = put(base, tar(*members))
    try:
        unpack(archive, dest, UnpackRule(strip=strip))
    except ArchiveError:
        assert list((base / "box").iterdir()) == []
    else:
        for path in dest.rglob("*"):
            assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(dest))
    assert sorted(p.name for p in base.iterdir()) == ["archive", "box"]
