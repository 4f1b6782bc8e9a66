"""A source of known hash and unknown size: a bound guards the disk, the hash says when it is whole."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from rocm_patch.errors import SourceError
from rocm_patch.sources import ObjectStore, Settings, SourceItem, fetch_all, parse_recipe

CONTENT = b"a tag's archive, made while it is sent\n" * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Archives(BaseHTTPRequestHandler):
    """Sends without a length, as GitHub does, and knows no ranges."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        cut = len(CONTENT) // 2 if self.path.endswith("cut.tar.gz") else len(CONTENT)
        self.wfile.write(CONTENT[:cut] if "other" not in self.path else CONTENT.upper())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    made = HTTPServer(("127.0.0.1", 0), Archives)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


def item(url: str, limit: int) -> SourceItem:
    text = f"""
schema: 1
sources:
  "1.0":
    - name: a
      file: a.tar.gz
      sha256: {SHA256}
      limit: {limit}
      providers: [{{kind: url, url: "{url}"}}]
"""
    return parse_recipe(text, "test").items("1.0")[0]


def fetch(store: Path, url: str, limit: int = 1_000_000) -> bytes:
    settings = Settings(retries=0, backoff=0.0)
    return fetch_all([item(url, limit)], cache=ObjectStore(store), settings=settings)["a"].read_bytes()


def test_it_is_whole_when_the_hash_is_right(server: str, tmp_path: Path) -> None:
    assert fetch(tmp_path, f"{server}/a.tar.gz") == CONTENT


@pytest.mark.parametrize(
    ("path", "limit", "words"),
    [
        ("a.tar.gz", 1000, "sent more than the pinned at most 1000 bytes"),
        ("cut.tar.gz", 1_000_000, "ended after"),
        ("other.tar.gz", 1_000_000, "ended after"),
    ],
)
def test_what_is_not_it_is_refused(server: str, tmp_path: Path, path: str, limit: int, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(tmp_path, f"{server}/{path}", limit)
    assert words in "\n".join(caught.value.detail)
    assert not list((tmp_path / "sha256").rglob(SHA256)) if (tmp_path / "sha256").is_dir() else True


def test_a_mirror_of_files_serves_it(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.tar.gz").write_bytes(CONTENT)
    settings = Settings(mirrors=(f"file://{tmp_path}/mirror/{{file}}",), offline=True)
    wanted = item("https://mirror.example/a.tar.gz", 1_000_000)
    found = fetch_all([wanted], cache=ObjectStore(tmp_path / "cas"), settings=settings)
    assert found["a"].read_bytes() == CONTENT
    (tmp_path / "mirror" / "a.tar.gz").write_bytes(CONTENT + b"x")
    with pytest.raises(SourceError) as caught:
        fetch_all([wanted], cache=ObjectStore(tmp_path / "other"), settings=settings)
    assert any("wrong content" in line for line in caught.value.detail)
