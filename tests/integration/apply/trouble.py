"""What goes wrong on real machines, made for one test: small and read-only disks, a network, held locks."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rocm_patch.repo.serve import HOST, make_server

_HOLDER = (
    "import fcntl,sys,time; f=open(sys.argv[1],'a'); fcntl.lockf(f, fcntl.LOCK_EX);"
    "print('held', flush=True); time.sleep(600)"
)


@contextmanager
def disk(place: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a disk of this size at a new folder."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "none", str(place)]
    subprocess.run(words, check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Have a folder, and all below it, refuse every write."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback, and give its address; afterwards nobody listens there."""
    server = make_server(folder, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def held(lock: Path) -> Iterator[int]:
    """Have another process hold a lock, and give its number."""
    child = subprocess.Popen([sys.executable, "-c", _HOLDER, str(lock)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        yield child.pid
    finally:
        child.kill()
        child.communicate()
