"""The package index: what its pages say, what it refuses, how the folder is replaced."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import html.parser
import json
import threading
import zipfile
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from click.testing import CliRunner

from rocm_patch.cli.index import index as index_command
from rocm_patch.errors import UsageError, WheelError
from rocm_patch.index import build_index


def make_wheel(
    folder: Path,
    name: str = "torch",
    version: str = "2.6.0+rocm6.4.gfx1010",
    *,
    tag: str = "cp313-cp313-linux_x86_64",
    requires: str | None = ">=3.13,<3.14",
    metadata: str | None = None,
    body: str = "x = 1\n",
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file_name = name.replace("-", "_")
    path = folder / f"{file_name}-{version}-{tag}.whl"
    text = metadata
    if text is None:
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        text += f"Requires-Python: {requires}\n" if requires else ""
    info = f"{file_name}-{version}.dist-info"
    files = {
        f"{file_name}.py": body,
        f"{info}/METADATA": text,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tag}\n",
    }
    record = "".join(f"{n},,\n" for n in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in files.items():
            archive.writestr(member, content)
        archive.writestr(f"{info}/RECORD", record)
    return path


class Anchors(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append({k: v or "" for k, v in attrs})


def resolve(root: Path, page: str, href: str) -> Path:
    """Follow a link as a browser does, below an address prefix."""
    url = urljoin(f"http://host/some/prefix/{page}", urldefrag(href).url)
    assert url.startswith("http://host/some/prefix/")
    return root / unquote(url.removeprefix("http://host/some/prefix/"))


def test_pages_and_files_agree(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist")
    make_wheel(tmp_path / "dist/more", "Other_Name", "1.0", tag="py3-none-any", requires=None)
    result = build_index(tmp_path / "dist", tmp_path / "out")
    assert (result.projects, result.files) == (2, 2)
    top = Anchors((tmp_path / "out/simple/index.html").read_text()).found
    assert [a["href"] for a in top] == ["other-name/", "torch/"]
    (anchor,) = Anchors((tmp_path / "out/simple/torch/index.html").read_text()).found
    assert "%2Brocm6.4" in anchor["href"]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert urldefrag(anchor["href"]).fragment == f"sha256={digest}"
    assert anchor["data-requires-python"] == ">=3.13,<3.14"
    file = resolve(tmp_path / "out", "simple/torch/", anchor["href"])
    assert file.read_bytes() == wheel.read_bytes()
    metadata = file.with_name(f"{file.name}.metadata").read_bytes()
    assert b"Name: torch" in metadata
    expected = f"sha256={hashlib.sha256(metadata).hexdigest()}"
    assert anchor["data-core-metadata"] == anchor["data-dist-info-metadata"] == expected
    page = json.loads((tmp_path / "out/simple/torch/index.json").read_text())
    (entry,) = page["files"]
    assert page["meta"]["api-version"] == "1.1"
    assert page["versions"] == ["2.6.0+rocm6.4.gfx1010"]
    assert entry["hashes"] == {"sha256": digest}
    assert entry["size"] == wheel.stat().st_size
    assert entry["core-metadata"] == {"sha256": hashlib.sha256(metadata).hexdigest()}
    assert resolve(tmp_path / "out", "simple/torch/", entry["url"]) == file
    (other,) = json.loads((tmp_path / "out/simple/other-name/index.json").read_text())["files"]
    assert "requires-python" not in other
    listing = json.loads((tmp_path / "out/simple/index.json").read_text())
    assert listing["projects"] == [{"name": "other-name"}, {"name": "torch"}]


def test_requires_python_is_escaped_in_the_page_source(tmp_path: Path) -> None:
    make_wheel(tmp_path / "dist")
    build_index(tmp_path / "dist", tmp_path / "out")
    assert "&gt;=3.13,&lt;3.14" in (tmp_path / "out/simple/torch/index.html").read_text()


def test_an_index_inside_dist_is_not_indexed_again(tmp_path: Path) -> None:
    make_wheel(tmp_path / "dist")
    for _ in range(2):
        assert build_index(tmp_path / "dist", tmp_path / "dist/index").files == 1
    build_index(tmp_path / "dist", tmp_path / "elsewhere")
    assert len(list((tmp_path / "elsewhere/files").glob("*.whl"))) == 1


def test_a_folder_of_someone_else_is_not_replaced(tmp_path: Path) -> None:
    make_wheel(tmp_path / "dist")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter").touch()
    with pytest.raises(UsageError, match="is not replaced"):
        build_index(tmp_path / "dist", tmp_path / "home")
    assert (tmp_path / "home/letter").exists()
    (tmp_path / "empty").mkdir()
    build_index(tmp_path / "dist", tmp_path / "empty")


def test_no_wheel_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no wheel"):
        build_index(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("Name: other\nVersion: 2.6.0+rocm6.4.gfx1010\n", "says other"),
        ("Name: torch\nVersion: 1.0\n", "says torch 1.0"),
        ("Name: torch\nVersion: one\n", "one"),
        ("Version: 2.6.0\n", "no Name"),
        (
            "Name: torch\nVersion: 2.6.0+rocm6.4.gfx1010\nRequires-Python: three\n",
            "Requires-Python is malformed",
        ),
        ("x" * (5 << 20), "METADATA has"),
    ],
)
def test_wheels_that_contradict_themselves_are_refused(tmp_path: Path, metadata: str, words: str) -> None:
    make_wheel(tmp_path / "dist", metadata=metadata)
    with pytest.raises(WheelError) as caught:
        build_index(tmp_path / "dist", tmp_path / "out")
    assert words in caught.value.cause
    assert [p.name for p in tmp_path.iterdir()] == ["dist"]


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    broken = tmp_path / "dist/torch-1.0-py3-none-any.whl"
    broken.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(WheelError, match="cannot be indexed"):
        build_index(tmp_path / "dist", tmp_path / "out")
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("torch.py", "")
    with pytest.raises(WheelError) as caught:
        build_index(tmp_path / "dist", tmp_path / "out")
    assert "0 .dist-info/METADATA" in caught.value.cause
    broken.rename(tmp_path / "dist/torch.whl")
    with pytest.raises(WheelError):
        build_index(tmp_path / "dist", tmp_path / "out")


def test_one_name_with_two_contents_is_refused(tmp_path: Path) -> None:
    make_wheel(tmp_path / "dist/a")
    make_wheel(tmp_path / "dist/b")
    build_index(tmp_path / "dist", tmp_path / "out")  # the same bytes twice are one file
    make_wheel(tmp_path / "dist/b", body="x = 2\n")
    with pytest.raises(WheelError, match="twice"):
        build_index(tmp_path / "dist", tmp_path / "out")


def test_readers_never_miss_the_index_while_it_is_replaced(tmp_path: Path) -> None:
    make_wheel(tmp_path / "dist")
    out = tmp_path / "out"
    build_index(tmp_path / "dist", out)
    stop = threading.Event()
    missed = []

    def read() -> None:
        while not stop.is_set():
            if not (out / "simple/torch/index.html").exists():
                missed.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(30):
        build_index(tmp_path / "dist", out)
    stop.set()
    reader.join()
    assert missed == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dist", "out"]


def test_where_names_cannot_be_exchanged_the_old_folder_steps_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoExchange:
        def __init__(self, *args: object, **kwargs: object) -> None:
            del args, kwargs

        def renameat2(self, *args: object) -> int:
            del args
            return -1

    make_wheel(tmp_path / "dist")
    out = tmp_path / "out"
    build_index(tmp_path / "dist", out)
    make_wheel(tmp_path / "dist", "second", "1.0")
    monkeypatch.setattr(ctypes, "CDLL", NoExchange)
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EINVAL)
    assert build_index(tmp_path / "dist", out).files == 2
    assert (out / "simple/second/index.html").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dist", "out"]
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EACCES)
    with pytest.raises(OSError, match="denied"):
        build_index(tmp_path / "dist", out)
    assert (out / "simple/second/index.html").exists()


def test_another_file_system_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "cross-device", str(self), None, str(target))

    wheel = make_wheel(tmp_path / "dist")
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    build_index(tmp_path / "dist", tmp_path / "out")
    copy = tmp_path / "out/files" / wheel.name
    assert copy.read_bytes() == wheel.read_bytes()
    assert copy.stat().st_nlink == 1


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path / "dist")
    monkeypatch.setenv("ROCM_PATCH_DIST", str(tmp_path / "dist"))
    result = CliRunner().invoke(index_command, [], catch_exceptions=False)
    assert result.exit_code == 0
    assert "1 project(s), 1 file(s)" in result.output
    assert (tmp_path / "dist/index/simple/torch/index.html").exists()
    out = tmp_path / "other"
    result = CliRunner().invoke(
        index_command, [str(tmp_path / "dist"), "--out", str(out)], catch_exceptions=False
    )
    assert (out / "simple").is_dir()
