"""Which processors each library holds code for: the audit's quick reader in a process of its own.

Reading a library of gigabytes takes seconds and a hostile one anything, so a
child reads, under a limit of time; answers are kept by path, size and date.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from rocm_patch import commands
from rocm_patch.detect.model import Library
from rocm_patch.detect.tree import Tree

_READER = """
import json, pathlib, sys
from rocm_patch.audit.audit import targets_in
from rocm_patch.errors import AuditError
try:
    print(json.dumps(sorted(targets_in(pathlib.Path(sys.argv[1])))))
except AuditError as error:
    sys.exit(error.what)
"""
_CACHE_LIMIT = 8 << 20


def add_code(tree: Tree, libraries: list[Library], cache: Path, *, seconds: float) -> None:
    """Fill `code_for` of each library, smallest first, until `seconds` are over; the rest becomes notes."""
    known = _load(cache)
    end = time.monotonic() + seconds
    for library in sorted(libraries, key=lambda one: one.size):
        local, status = tree.local(library.path), tree.status(library.path)
        if local is None or status is None:
            continue
        key = f"{local}:{status.st_size}:{status.st_mtime_ns}"
        if key not in known:
            answer = _ask(local, end - time.monotonic())
            if isinstance(answer, str):
                tree.note(library.path, answer)
                continue
            known[key] = answer
        library.code_for = known[key]
    _save(cache, known)


def _ask(path: Path, seconds: float) -> list[str] | str:
    """Give the processors, or why they are not known."""
    if seconds <= 0:
        return "its code was not read: the time for that was over"
    try:
        done = commands.run(
            [sys.executable, "-c", _READER, str(path)],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"its code was not read within {seconds:.0f} s"
    if done.returncode:
        return f"its code cannot be read: {done.stderr.decode('utf-8', 'replace').strip()[-200:]}"
    return sorted((str(one) for one in json.loads(done.stdout)), key=lambda one: (len(one), one))


def _load(cache: Path) -> dict[str, list[str]]:
    try:
        with cache.open("rb") as stream:
            data = json.loads(stream.read(_CACHE_LIMIT))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in data.items() if isinstance(v, list)} if isinstance(data, dict) else {}


def _save(cache: Path, known: dict[str, list[str]]) -> None:
    """Replace the file at once; a cache that cannot be written costs time only."""
    fresh = cache.with_name(f"{cache.name}.{os.getpid()}")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(known), "utf-8")
        fresh.replace(cache)
    except OSError:
        fresh.unlink(missing_ok=True)
