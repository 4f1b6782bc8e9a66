"""Fetching across processes: killed and resumed, two at once, a disk that fills up."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rocm_patch.sources import ObjectStore, SourceItem

if TYPE_CHECKING:
    from tests.integration.sources.conftest import Server

Make = Callable[..., SourceItem]
Spawn = Callable[..., "subprocess.Popen[bytes]"]


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode(), err.decode()


class Hold:
    """A server's hook that lets no byte pass beyond a limit until it is released."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.released = threading.Event()

    def __call__(self, sent: int) -> None:
        if sent >= self.limit:
            self.released.wait(60)


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_kill_9_then_the_rest_is_fetched(
    server: Server, store: ObjectStore, data: bytes, item: Make, spawn: Spawn
) -> None:
    hold = Hold(1 << 18)
    want = item("a", data, server.add("/a", data, hook=hold))
    part = store.part(hashlib.sha256(data).hexdigest())
    first = spawn(store.root, want)
    wait_for(lambda: size(part) == 1 << 18)
    first.send_signal(signal.SIGKILL)
    finish(first)
    kept = size(part)
    assert kept == 1 << 18
    hold.released.set()
    code, out, err = finish(spawn(store.root, want))
    assert code == 0, err
    assert Path(out.split()[1]).read_bytes() == data
    assert server.requests[-1].headers["range"] == f"bytes={kept}-"
    assert server.requests[-1].sent == len(data) - kept


def test_killed_at_any_moment_the_cache_stays_right(
    server: Server, store: ObjectStore, item: Make, spawn: Spawn
) -> None:
    contents = {f"f{n}": os.urandom(150_000) for n in range(12)}
    items = [item(n, d, server.add(f"/{n}", d, pause=0.05, piece=1 << 13)) for n, d in contents.items()]
    kills = 0
    for delay in (0.02, 0.05, 0.1, 0.15, 0.2, 0.05):
        seen = len(server.requests)
        process = spawn(store.root, *items)
        wait_for(partial(lambda seen, p: len(server.requests) > seen or p.poll() is not None, seen, process))
        time.sleep(delay)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        finish(process)
        for digest in store.objects():  # whatever is there is whole
            assert hashlib.sha256(store.path(digest).read_bytes()).hexdigest() == digest
    assert kills >= 3
    for file in server.files.values():
        file.pause = 0
    code, out, err = finish(spawn(store.root, *items))
    assert code == 0, err
    found = dict(line.split() for line in out.splitlines())
    assert {n: Path(p).read_bytes() for n, p in found.items()} == contents
    # What was sent twice is at most what the kernel still had in flight at each kill.
    assert sum(r.sent for r in server.requests) < 2 * sum(map(len, contents.values()))
    assert store.gc(unused_days=0, keep=store.objects()).leased == 0


def test_two_processes_fetch_an_object_once(
    server: Server, store: ObjectStore, data: bytes, item: Make, spawn: Spawn
) -> None:
    want = item("a", data, server.add("/a", data, pause=0.05))
    both = [spawn(store.root, want) for _ in range(2)]
    results = [finish(p) for p in both]
    assert [code for code, _, _ in results] == [0, 0], results
    assert results[0][1] == results[1][1]
    assert server.count("/a") == 1
    assert server.sent("/a") == len(data)


def test_one_dies_the_waiting_one_goes_on(
    server: Server, store: ObjectStore, data: bytes, item: Make, spawn: Spawn
) -> None:
    hold = Hold(1 << 17)
    want = item("a", data, server.add("/a", data, hook=hold))
    first = spawn(store.root, want)
    wait_for(lambda: size(store.part(hashlib.sha256(data).hexdigest())) == 1 << 17)
    second = spawn(store.root, want)
    assert second.stderr is not None
    assert any(b"another run fetches it; waiting" in line for line in second.stderr)  # up to this line
    first.kill()
    finish(first)
    hold.released.set()
    code, _, err = finish(second)
    assert code == 0, err
    assert "range" in server.requests[-1].headers


def test_a_file_size_limit_keeps_the_part(
    server: Server, store: ObjectStore, data: bytes, item: Make, spawn: Spawn
) -> None:
    want = item("a", data, server.add("/a", data))
    limit = 300_000
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    process = spawn(store.root, want, prefix=("prlimit", f"--fsize={limit}:{hard}"))
    code, out, _ = finish(process)
    assert code == 5
    assert "not enough room" in out
    assert size(store.part(hashlib.sha256(data).hexdigest())) == limit
    code, _, err = finish(spawn(store.root, want))
    assert code == 0, err
    assert server.requests[-1].headers["range"] == f"bytes={limit}-"


FULL_DISK = """
import json, subprocess, sys
from pathlib import Path
from rocm_patch.errors import DiskSpaceError
from rocm_patch.sources import ObjectStore, Settings, Silent, SourceItem, UnpackRule, fetch_all, unpack
from rocm_patch.sources import fetch

disk, item = Path(sys.argv[1]), SourceItem.model_validate_json(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(disk)], check=True)
fetch.RESERVE = 0
store = ObjectStore(disk / "cas")
filler = disk / "filler"

class Fill(Silent):
    def advance(self, count):
        if not filler.exists():
            filler.write_bytes(b"")
            with filler.open("wb", buffering=0) as sink:
                try:
                    while sink.write(bytes(4096)):
                        pass
                except OSError:
                    pass

settings = Settings(retries=0)
result = {}
try:
    fetch_all([item], cache=store, ui=Fill(), settings=settings)
except DiskSpaceError as error:
    result["error"] = str(error)
result["part"] = store.part(item.variants[0].sha256).stat().st_size
filler.unlink()
path = fetch_all([item], cache=store, ui=Silent(), settings=settings)[item.name]
result["size"] = path.stat().st_size
Fill().advance(0)
try:
    unpack(path, disk / "tree", UnpackRule())
except DiskSpaceError as error:
    result["unpack"] = str(error)
result["left"] = sorted(p.name for p in disk.iterdir())
print(json.dumps(result))
"""


@pytest.fixture
def namespace() -> list[str]:
    """Give the command that runs a program where it may mount: a mount namespace, as root of one's own."""
    tool = shutil.which("unshare")
    assert tool is not None, "util-linux has unshare"
    return [tool, "--mount"] if os.geteuid() == 0 else [tool, "--mount", "--map-root-user"]


def test_a_full_disk_keeps_the_part_and_leaves_no_half_tree(
    server: Server, item: Make, tmp_path: Path, namespace: list[str]
) -> None:
    content = os.urandom(2 << 20)
    (tmp_path / "payload").write_bytes(content)
    archive = tmp_path / "a.tar"
    subprocess.run(["tar", "-C", tmp_path, "-cf", archive, "payload"], check=True)
    data = archive.read_bytes()
    want = item("a", data, server.add("/a", data))
    script = tmp_path / "full.py"
    script.write_text(FULL_DISK)
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [*namespace, sys.executable, str(script), str(disk), want.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert "needed: " in result["error"]
    assert "available: " in result["error"]
    assert 0 < result["part"] < len(data)
    assert server.requests[1].headers["range"] == f"bytes={result['part']}-"
    assert result["size"] == len(data)
    assert "not enough room to unpack" in result["unpack"]
    assert result["left"] == ["cas", "filler"]
