"""The content-addressed cache: trust, damage, locks, leases, gc."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rocm_patch.errors import DataError
from rocm_patch.sources import ObjectStore

SLEEPER = """
import sys, time
from pathlib import Path
from rocm_patch.sources import ObjectStore
with ObjectStore(Path(sys.argv[1])).lease([sys.argv[2]]):
    print("leased", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "cas")


def add(store: ObjectStore, data: bytes, age_days: float = 0) -> str:
    source = store.root.parent / "source"
    source.write_bytes(data)
    digest, path = store.put(source)
    assert path.read_bytes() == data
    if age_days:
        then = time.time() - age_days * 86400
        os.utime(store.root / "meta" / digest[:2] / f"{digest}.json", (then, then))
    return digest


def test_put_names_by_content_and_get_gives_it_back(store: ObjectStore) -> None:
    digest = add(store, b"hello")
    assert digest == hashlib.sha256(b"hello").hexdigest()
    path = store.get(digest, 5)
    assert path == store.root / "sha256" / digest[:2] / digest
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o444
    assert store.has(digest)
    assert not store.has("0" * 64)
    assert not list((store.root / "part").iterdir())


def test_put_refuses_other_content(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(DataError, match="not the content"):
        store.put(tmp_path / "f", "0" * 64)
    assert not list(store.objects())
    assert not list((store.root / "part").iterdir())


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_what_is_no_digest_is_refused(store: ObjectStore, digest: str) -> None:
    with pytest.raises(DataError, match="not a sha256"):
        store.path(digest)


def damage(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_changed_object_is_removed_on_use(store: ObjectStore) -> None:
    digest = add(store, b"hello")
    damage(store.path(digest), b"hellO")
    assert store.get(digest) is None
    assert not store.path(digest).exists()


def test_a_truncated_object_is_removed_on_use(store: ObjectStore) -> None:
    digest = add(store, b"hello")
    damage(store.path(digest), b"he")
    assert store.get(digest, 5) is None


def test_an_object_of_a_copied_cache_is_hashed_again_and_kept(store: ObjectStore) -> None:
    digest = add(store, b"hello")
    os.utime(store.path(digest), (1, 1))
    assert store.get(digest) is not None
    assert store._recorded(digest) is not None
    (store.root / "meta" / digest[:2] / f"{digest}.json").write_text("not json")
    assert store.get(digest) is not None


def test_verify_finds_damage_that_keeps_size_and_time(store: ObjectStore) -> None:
    good, bad = add(store, b"good"), add(store, b"bad!")
    path = store.path(bad)
    stat = path.stat()
    damage(path, b"evil")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert store.get(bad) is not None  # what the quick check cannot see
    assert store.verify() == [bad]
    assert list(store.objects()) == [good]


def test_refs_name_digests(store: ObjectStore) -> None:
    digest = add(store, b"hello")
    assert store.ref("git:12") is None
    store.set_ref("git:12", digest)
    assert store.ref("git:12") == digest
    (store.root / "refs" / "git:12").write_text("garbage")
    assert store.ref("git:12") is None


def test_gc_goes_by_last_use(store: ObjectStore) -> None:
    old, used, kept, new = (add(store, d, a) for d, a in ((b"1", 40), (b"2", 40), (b"3", 40), (b"4", 0)))
    store.touch(used)
    dry = store.gc(keep=[kept], dry_run=True)
    assert dry.objects == [old]
    assert store.has(old)
    result = store.gc(keep=[kept])
    assert (result.objects, result.bytes, result.kept) == ([old], 1, 3)
    assert [store.has(d) for d in (old, used, kept, new)] == [False, True, True, True]


def test_gc_with_only_touches_nothing_else(store: ObjectStore) -> None:
    one, two = add(store, b"1", 40), add(store, b"2", 40)
    assert store.gc(only=[one], unused_days=0).objects == [one]
    assert store.has(two)


def test_gc_removes_old_parts_but_none_that_is_written(store: ObjectStore) -> None:
    parts = [store.part(c * 64) for c in "abc"]
    for part in parts:
        part.write_bytes(b"xx")
        os.utime(part, (1, 1))
    with store.lock("a" * 64), store.lease(["b" * 64]):
        # The lock is held by this thread, so gc asks from another.
        results = []
        thread = threading.Thread(target=lambda: results.append(store.gc()))
        thread.start()
        thread.join()
    assert results[0].parts == [parts[2].name]
    assert [p.exists() for p in parts] == [True, True, False]


def test_gc_removes_repositories_that_a_killed_run_left(store: ObjectStore) -> None:
    left, fresh = (store.root / "git" / name for name in ("left", "fresh"))
    for folder in (left, fresh):
        folder.mkdir(parents=True)
        (folder / "pack").write_bytes(b"12345")
    os.utime(left, (1, 1))
    results = []
    thread = threading.Thread(target=lambda: results.append(store.gc()))
    with store.lock("git"):  # a commit is being archived
        thread.start()
        thread.join()
    assert results[0].parts == []
    result = store.gc()
    assert (result.parts, result.bytes) == (["git/left"], 5)
    assert [f.exists() for f in (left, fresh)] == [False, True]


def test_gc_keeps_what_a_running_process_leases_until_it_is_killed(store: ObjectStore) -> None:
    digest = add(store, b"1", 40)
    command = [sys.executable, "-c", SLEEPER, str(store.root), digest]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"leased\n"
        result = store.gc(unused_days=0)
        assert (result.objects, result.leased) == ([], 1)
        process.kill()
        process.wait()
    assert store.gc(unused_days=0).objects == [digest]
    assert not list((store.root / "leases").iterdir())


def test_a_closed_lease_protects_nothing(store: ObjectStore) -> None:
    digest = add(store, b"1", 40)
    with store.lease() as lease:
        lease.add([digest])
        assert store.gc(unused_days=0).objects == []
    assert store.gc(unused_days=0).objects == [digest]


def test_a_waiter_is_told_and_gets_the_lock_when_it_is_free(store: ObjectStore) -> None:
    told = threading.Event()
    order = []

    def wait() -> None:
        with store.lock("k", told.set):
            order.append("second")

    with store.lock("k"):
        thread = threading.Thread(target=wait)
        thread.start()
        assert told.wait(10)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
