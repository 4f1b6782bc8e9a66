"""The commands as a user calls them; pip against the index; Debian's pool."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from rocm_patch.index import build_index
from rocm_patch.sources import ObjectStore, Settings, Silent, SourceItem, fetch_all

if TYPE_CHECKING:
    from tests.integration.sources.conftest import Server


@pytest.fixture
def site(tmp_path: Path, server: Server) -> dict[str, str]:
    """A project with one component in two versions, and the environment that makes the command use it."""

    def entry(name: str, data: bytes, **more: str) -> dict[str, object]:
        url = server.add(f"/{name}{more.get('python', '')}", data)
        digest = hashlib.sha256(data).hexdigest()
        provider = {"kind": "url", "url": url}
        return {
            "name": name,
            "file": name,
            "size": len(data),
            "sha256": digest,
            "providers": [provider],
            **more,
        }

    recipe = {
        "schema": 1,
        "sources": {"1.9": [entry("old", b"old")], "1.10": [entry("new", b"new")]},
        "python": {"1.10": [entry("np", b"311", python="3.11"), entry("np", b"313", python="3.13")]},
    }
    (tmp_path / "data/patches").mkdir(parents=True)
    (tmp_path / "data/recipes/toy").mkdir(parents=True)
    (tmp_path / "data/recipes/toy/conandata.yml").write_text(yaml.safe_dump(recipe))
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ROCM_PATCH_")}
    return kept | {
        "ROCM_PATCH_DATA": str(tmp_path / "data"),
        "ROCM_PATCH_CACHE": str(tmp_path / "cache"),
        "ROCM_PATCH_CONFIG": os.devnull,
    }


def call(site: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rocm_patch", "source", *words]
    return subprocess.run(command, env=site, capture_output=True, text=True, check=False)


def cas(site: dict[str, str]) -> ObjectStore:
    return ObjectStore(Path(site["ROCM_PATCH_CACHE"]) / "cas")


def test_fetch_takes_the_newest_version_and_says_where_it_is(site: dict[str, str]) -> None:
    planned = call(site, "fetch", "toy", "--plan", "--python", "3.13")
    assert planned.stdout.splitlines() == [
        "new: to fetch, 3 bytes",
        "np: to fetch, 3 bytes",
        "to fetch: 0.0 MiB",
    ]
    done = call(site, "fetch", "toy")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["new", "np", "np"]
    assert [Path(line[2]).read_bytes() for line in lines] == [b"new", b"311", b"313"]
    assert "fetched" in done.stderr
    assert "new: cached" in call(site, "fetch", "toy", "--plan").stdout


def test_list_shows_what_is_cached(site: dict[str, str]) -> None:
    call(site, "fetch", "toy", "1.9")
    rows = json.loads(call(site, "list", "toy", "--json").stdout)
    assert {r["item"]: r["cached"] for r in rows} == {"old": True, "new": False, "np": False}
    text = call(site, "list").stdout
    assert "toy 1.9" in text
    assert "toy 1.10" in text


def test_verify_removes_what_is_damaged(site: dict[str, str]) -> None:
    call(site, "fetch", "toy")
    assert call(site, "verify", "toy").stdout == "3 file(s) hashed, 0 damaged, 1 not cached\n"
    path = cas(site).path(hashlib.sha256(b"new").hexdigest())
    stat = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"nEw")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    found = call(site, "verify")
    assert found.returncode == 20
    assert path.name in found.stderr
    assert not path.exists()


def test_gc_keeps_what_recipes_name_unless_they_are_named(site: dict[str, str], tmp_path: Path) -> None:
    call(site, "fetch", "toy")
    (tmp_path / "stray").write_bytes(b"stray")
    cas(site).put(tmp_path / "stray")
    assert (
        "1 file(s) and 0 unfinished download(s) would be removed"
        in call(site, "gc", "--days", "0", "--dry-run").stdout
    )
    assert "1 file(s) and 0 unfinished download(s) removed" in call(site, "gc", "--days", "0").stdout
    assert "3 file(s) and 0" in call(site, "gc", "toy", "1.10", "--days", "0").stdout
    assert list(cas(site).objects()) == []


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["fetch", "nothing"], 2, "toy"),
        (["fetch", "toy", "7"], 2, "1.10"),
        (["gc", "toy", "7"], 2, "1.10"),
    ],
)
def test_wrong_words_are_explained(site: dict[str, str], words: list[str], code: int, text: str) -> None:
    done = call(site, *words)
    assert done.returncode == code
    assert text in done.stderr
    assert "next:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_source_that_nobody_has_is_one_error(site: dict[str, str], server: Server) -> None:
    del server.files["/old"]
    done = call(site, "fetch", "toy", "1.9")
    assert done.returncode == 20
    assert f"{server.url}/old: HTTP 404" in done.stderr
    assert "ROCM_PATCH_MIRROR" in done.stderr


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A plain file server over tmp_path/out, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            asked.append(self.path)
            del args

    handler = functools.partial(Handler, directory=str(tmp_path / "out"))
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", asked
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def make_wheel(folder: Path, version: str, requires: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"gfxtoy-{version}-py3-none-any.whl"
    info = f"gfxtoy-{version}.dist-info"
    files = {
        "gfxtoy.py": f"version = {version!r}\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: gfxtoy\n"
        f"Version: {version}\nRequires-Python: {requires}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{n},,\n" for n in [*files, f"{info}/RECORD"]))
    return path


def test_pip_installs_from_the_index(tmp_path: Path, serve: tuple[str, list[str]]) -> None:
    url, asked = serve
    wheel = make_wheel(tmp_path / "dist", "1.0+rocm6.4.gfx1010", ">=3.10")
    make_wheel(tmp_path / "dist", "2.0", ">=3.99")  # newer, but for a Python that is not here
    build_index(tmp_path / "dist", tmp_path / "out")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"]
    host = ["--index-url", f"{url}/simple/", "--trusted-host", "127.0.0.1"]
    command = [*pip, "download", "--no-deps", *host, "-d", str(tmp_path / "got"), "gfxtoy"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert [p.name for p in (tmp_path / "got").iterdir()] == [wheel.name]
    assert any(path.endswith(".whl.metadata") for path in asked)
    command = [
        *pip,
        "install",
        "--no-deps",
        *host,
        "--target",
        str(tmp_path / "site"),
        "gfxtoy==1.0+rocm6.4.gfx1010",
    ]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert (tmp_path / "site/gfxtoy.py").exists()
    # A file that changed after it was indexed is refused by its hash.
    served = tmp_path / "out/files" / wheel.name
    content = served.read_bytes()
    served.unlink()
    served.write_bytes(content + b"\0")
    refused = subprocess.run(
        [*pip, "download", "--no-deps", *host, "-d", str(tmp_path / "bad"), "gfxtoy"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert refused.returncode != 0
    assert "hash" in refused.stderr.lower()


@pytest.mark.network
def test_debians_pool(tmp_path: Path) -> None:
    """A file that stays as long as hello 2.10 is Debian's example package."""
    item = SourceItem.model_validate(
        {
            "name": "hello",
            "file": "hello_2.10.orig.tar.gz",
            "size": 725946,
            "sha256": "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b",
            "unpack": {"strip": 1},
            "providers": [{"kind": "debian-pool", "path": "pool/main/h/hello/hello_2.10.orig.tar.gz"}],
        }
    )
    found = fetch_all([item], cache=ObjectStore(tmp_path / "cas"), settings=Settings(), ui=Silent())
    assert found["hello"].stat().st_size == 725946
