"""Fetching from servers that cut, refuse, lie, stall: what comes out is right, or one explained error."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rocm_patch.errors import DataError, DiskSpaceError, SourceError
from rocm_patch.sources import ObjectStore, Settings, Silent, SourceItem, fetch_all, fetch_details, plan
from rocm_patch.sources import fetch as fetch_module

if TYPE_CHECKING:
    from tests.integration.sources.conftest import Server

Make = Callable[..., SourceItem]


class Notes(Silent):
    """Keeps what fetching says."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.balance = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advance(self, count: int) -> None:
        self.balance += count


def get(item: SourceItem, store: ObjectStore, settings: Settings, ui: Silent | None = None) -> bytes:
    return fetch_all([item], cache=store, settings=settings, ui=ui or Silent())[item.name].read_bytes()


def test_a_file_is_fetched_once(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    want = item("a", data, server.add("/a", data))
    assert [(p.cached, p.bytes) for p in plan([want], cache=store)] == [(False, len(data))]
    ui = Notes()
    assert get(want, store, quick, ui) == data
    assert ui.balance == len(data)
    assert get(want, store, quick) == data
    assert server.count("/a") == 1
    assert [(p.cached, p.bytes) for p in plan([want], cache=store)] == [(True, 0)]
    assert not list((store.root / "part").iterdir())
    assert not list((store.root / "leases").iterdir())


def test_a_cut_connection_is_resumed(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    want = item("a", data, server.add("/a", data, cuts=[100_000, 200_000, 300_000], etag='"v1"'))
    assert get(want, store, quick) == data
    ranges = [r.headers.get("range") for r in server.requests]
    assert ranges == [None, "bytes=100000-", "bytes=300000-", "bytes=600000-"]
    assert [r.headers.get("if-range") for r in server.requests][1:] == ['"v1"'] * 3
    assert server.sent("/a") == len(data)


def test_a_file_that_changed_under_its_etag_starts_again(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    url = server.add("/a", b"?" * len(data), etag='"old"')

    def change(sent: int) -> None:
        if sent >= 100_000:
            server.add("/a", data, etag='"new"')

    server.files["/a"].hook = change
    server.files["/a"].cuts = [131_072]
    assert get(item("a", data, url), store, quick) == data
    assert [r.headers.get("if-range") for r in server.requests] == [None, '"old"']


def test_a_server_that_ignores_range(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    want = item("a", data, server.add("/a", data, ranges=False, cuts=[500_000]))
    ui = Notes()
    assert get(want, store, quick, ui) == data
    assert server.sent("/a") == 500_000 + len(data)
    assert ui.balance == len(data)


def test_a_404_moves_on(server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make) -> None:
    want = item("a", data, f"{server.url}/gone", server.add("/a", data))
    ui = Notes()
    assert get(want, store, quick, ui) == data
    assert ui.notes == [f"a: {server.url}/gone: HTTP 404"]
    assert server.count("/gone") == 1


def test_wrong_content_moves_on(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    evil = b"!" * len(data)
    want = item("a", data, server.add("/evil", evil), server.add("/a", data))
    ui = Notes()
    assert get(want, store, quick, ui) == data
    assert hashlib.sha256(evil).hexdigest() in ui.notes[0]
    assert server.requests[1].headers.get("range") is None  # nothing of the wrong bytes was kept


def test_a_wrong_size_is_seen_before_the_bytes(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    want = item("a", data, server.add("/big", data * 3, pause=0.2), server.add("/a", data))
    ui = Notes()
    assert get(want, store, quick, ui) == data
    assert f"has {len(data) * 3} bytes, pinned are {len(data)}" in ui.notes[0]


def test_endless_bytes_are_stopped(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    want = item("a", data, server.add("/endless", data * 20, chunked=True), server.add("/a", data))
    ui = Notes()
    assert get(want, store, quick, ui) == data
    assert "more than the pinned" in ui.notes[0]


def test_a_part_of_wrong_bytes_is_dropped_and_the_same_address_tried_again(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    want = item("a", data, server.add("/a", data))
    part = store.part(hashlib.sha256(data).hexdigest())
    part.write_bytes(b"#" * 1000)
    ui = Notes()
    assert get(want, store, quick, ui) == data
    assert ui.notes == []
    assert [r.headers.get("range") for r in server.requests] == ["bytes=1000-", None]


@pytest.mark.parametrize("length", [0, -1, 5])
def test_parts_of_every_length(
    *, server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make, length: int
) -> None:
    """Empty, complete but not yet renamed, longer than the file."""
    want = item("a", data, server.add("/a", data))
    content = {0: b"", -1: data, 5: data + b"extra"}[length]
    store.part(hashlib.sha256(data).hexdigest()).write_bytes(content)
    assert get(want, store, quick) == data
    assert server.count("/a") == (0 if length == -1 else 1)


def test_failures_that_pass_are_retried(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    settings = quick.model_copy(update={"retries": 3})
    want = item("a", data, server.add("/a", data, failures=[503, 500, 429]))
    assert get(want, store, settings) == data
    assert server.count("/a") == 4


def test_a_slow_server_is_waited_for(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    settings = quick.model_copy(update={"read_timeout": 1.5})
    want = item("a", data, server.add("/a", data, pause=0.3, piece=1 << 17))
    assert get(want, store, settings) == data
    assert server.count("/a") == 1


def test_a_stalled_server_is_asked_again_where_it_stopped(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    settings = quick.model_copy(update={"read_timeout": 1.0})
    stall = threading.Event()

    def hook(sent: int) -> None:
        if sent == 131_072 and not stall.is_set():
            stall.set()
            time.sleep(2.5)

    want = item("a", data, server.add("/a", data, hook=hook))
    assert get(want, store, settings) == data
    assert [r.headers.get("range") for r in server.requests] == [None, "bytes=131072-"]


def test_when_all_fail_one_error_says_everything(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    dead = "http://127.0.0.1:9/a"
    bad = item("bad", data, f"{server.url}/gone", server.add("/evil", b"!" * len(data)), dead)
    worse = item("worse", data[1:], dead, server.add("/busy", data, failures=[503] * 9))
    good = item("good", b"good", server.add("/good", b"good"))
    with pytest.raises(SourceError) as caught:
        fetch_all([bad, good, worse], cache=store, settings=quick, ui=Silent())
    text = str(caught.value)
    for words in ("/gone: HTTP 404", "/evil: wrong content", dead, "/busy: HTTP 503 (2 attempts)"):
        assert words in text
    assert "ROCM_PATCH_MIRROR" in caught.value.step
    assert hashlib.sha256(data).hexdigest() in text
    assert store.has(hashlib.sha256(b"good").hexdigest())  # the others were fetched all the same
    assert caught.value.exit_code == 20


def test_a_host_that_does_not_answer_is_asked_once(store: ObjectStore, quick: Settings, item: Make) -> None:
    settings = quick.model_copy(update={"jobs": 1})
    items = [item(f"i{n}", bytes([n]), f"http://127.0.0.1:9/{n}") for n in range(3)]
    with pytest.raises(SourceError) as caught:
        fetch_all(items, cache=store, settings=settings, ui=Silent())
    answers = [line for line in caught.value.detail if "127.0.0.1:9" in line]
    assert ["not tried again" in a for a in answers] == [False, True, True]


def test_mirrors_by_folder_and_by_server(
    *, server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make, tmp_path: Path
) -> None:
    (tmp_path / "mirror dir/me/a").mkdir(parents=True)
    (tmp_path / "mirror dir/me/a/a.tar").write_bytes(data)
    want = item("a", data, f"{server.url}/gone", owner="me")
    folder = f"{(tmp_path / 'mirror dir').as_uri()}/{{owner}}/{{name}}/{{file}}"
    found = fetch_details(
        [want], cache=store, ui=Silent(), settings=quick.model_copy(update={"mirrors": (folder,)})
    )["a"]
    assert found.origin == f"{(tmp_path / 'mirror dir').as_uri()}/me/a/a.tar"
    assert server.requests == []
    digest = hashlib.sha256(data).hexdigest()
    server.add(f"/cas/{digest}", data)
    store.discard(digest)
    web = quick.model_copy(update={"mirrors": (f"{server.url}/cas/{{sha256}}",), "mirror_order": "last"})
    assert get(want, store, web) == data
    assert [r.path for r in server.requests] == ["/gone", f"/cas/{digest}"]


@pytest.mark.parametrize("content", [b"wrong", b"short"])
def test_a_mirror_that_lies_is_passed_over(
    *, server: Server, store: ObjectStore, quick: Settings, item: Make, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    want = item("a", b"right", server.add("/a", b"right"))
    settings = quick.model_copy(update={"mirrors": (f"{tmp_path.as_uri()}/{{file}}",)})
    assert get(want, store, settings) == b"right"


def test_offline_uses_the_cache_and_folders_only(
    *, server: Server, store: ObjectStore, quick: Settings, item: Make, tmp_path: Path
) -> None:
    cached, local, remote = (
        item(n, d, server.add(f"/{n}", d)) for n, d in (("c", b"c"), ("l", b"l"), ("r", b"r"))
    )
    get(cached, store, quick)
    (tmp_path / "l.tar").write_bytes(b"l")
    offline = quick.model_copy(update={"offline": True, "mirrors": (f"{tmp_path.as_uri()}/{{file}}",)})
    assert get(cached, store, offline) == b"c"
    assert get(local, store, offline) == b"l"
    with pytest.raises(SourceError) as caught:
        get(remote, store, offline)
    assert "not tried: offline (ROCM_PATCH_OFFLINE)" in str(caught.value)
    assert caught.value.step.startswith("unset ROCM_PATCH_OFFLINE")
    assert server.count("/r") == 0


def test_a_damaged_object_is_fetched_again(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    want = item("a", data, server.add("/a", data))
    path = fetch_all([want], cache=store, settings=quick, ui=Silent())["a"]
    path.chmod(0o644)
    path.write_bytes(data[:-1] + b"?")
    assert get(want, store, quick) == data
    assert server.count("/a") == 2


def test_the_pypi_index_is_asked_where_the_file_host_fails(
    server: Server, store: ObjectStore, quick: Settings, data: bytes, item: Make
) -> None:
    digest = hashlib.sha256(data).hexdigest()
    server.add("/host/far/a.tar", data)
    page = '<a href="../../host/far/other.tar#sha256=00">x</a>'
    page += f'<a href="../../host/far/a.tar#sha256={digest}">a</a>'
    server.add("/simple/a/", page.encode(), content_type="text/html")
    settings = quick.model_copy(update={"pypi": f"{server.url}/simple", "pypi_files": f"{server.url}/files"})
    want = item("a", data, providers=[{"kind": "pypi", "project": "a", "path": "packages/a.tar"}])
    assert get(want, store, settings) == data
    assert [r.path for r in server.requests] == ["/files/packages/a.tar", "/simple/a/", "/host/far/a.tar"]


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"[]", "application/vnd.pypi.simple.v1+json", "not PEP 691"),
        (b'{"files": []}', "application/vnd.pypi.simple.v1+json", "lists no a.tar"),
        (b"<a href='a.tar#sha256=00'>", "text/html", "lists no a.tar"),
    ],
)
def test_an_index_without_the_file_is_explained(
    *,
    server: Server,
    store: ObjectStore,
    quick: Settings,
    item: Make,
    body: bytes,
    content_type: str,
    words: str,
) -> None:
    server.add("/simple/a/", body, content_type=content_type)
    settings = quick.model_copy(update={"pypi": f"{server.url}/simple"})
    want = item("a", b"a", providers=[{"kind": "pypi", "project": "a"}])
    with pytest.raises(SourceError) as caught:
        get(want, store, settings)
    assert words in str(caught.value)


def test_variants_in_order_and_by_layout(
    server: Server, store: ObjectStore, quick: Settings, item: Make
) -> None:
    def variant(layout: str, data: bytes, url: str) -> dict[str, object]:
        made = item("x", data, url).variants[0].model_dump(mode="json", exclude_none=True)
        return made | {"layout": layout}

    both = SourceItem.model_validate(
        {
            "name": "x",
            "variants": [
                variant("one", b"1", f"{server.url}/gone"),
                variant("two", b"22", server.add("/two", b"22")),
            ],
        }
    )
    found = fetch_details([both], cache=store, settings=quick, ui=Silent())["x"]
    assert (found.variant.layout, found.path.read_bytes()) == ("two", b"22")
    with pytest.raises(SourceError):
        fetch_all([both], cache=store, settings=quick, ui=Silent(), layout="one")


def test_items_that_share_a_name_are_refused(store: ObjectStore, quick: Settings, item: Make) -> None:
    with pytest.raises(DataError, match="share a name: a"):
        fetch_all(
            [item("a", b"1"[:1], "http://x/"), item("a", b"2", "http://x/")], cache=store, settings=quick
        )


def test_too_small_a_disk_is_known_before_the_first_byte(
    *,
    server: Server,
    store: ObjectStore,
    quick: Settings,
    data: bytes,
    item: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    want = item("a", data, server.add("/a", data), size=1 << 60)
    monkeypatch.setattr(fetch_module, "RESERVE", 0)
    with pytest.raises(DiskSpaceError) as caught:
        get(want, store, quick)
    assert f"needed: {1 << 60} bytes" in caught.value.cause
    assert "available: " in caught.value.cause
    assert server.requests == []


def test_several_hundred_small_files_are_fetched_over_few_connections(
    server: Server, store: ObjectStore, quick: Settings, item: Make
) -> None:
    count = 300
    items = [
        item(f"p{n}", str(n).encode() * 50, server.add(f"/p{n}", str(n).encode() * 50)) for n in range(count)
    ]
    found = fetch_all(items, cache=store, settings=quick, ui=Silent())
    assert list(found) == [i.name for i in items]
    assert len(server.requests) == count
    assert len(server.clients) <= quick.jobs
