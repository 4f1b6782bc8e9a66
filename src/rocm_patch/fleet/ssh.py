"""Runs one shell line on other machines through the ssh program, several at once, each within limits.

Knows host names, processes and bytes; nothing of what is asked. The user's ssh configuration decides on
users, keys, jumps and shared connections; only BatchMode is set, since nobody could answer a question.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import IO

import attrs

from rocm_patch.commands import recorded
from rocm_patch.diagnose.text import harmless
from rocm_patch.errors import MissingToolError, UsageError

#: Bytes of an answer; more is an error, not memory.
MOST = 64 << 20
_ERRORS = 64 << 10
#: ssh's own exit code for what went wrong before the command ran.
_SSH_FAILED = 255
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}@)?[A-Za-z0-9_\[:][A-Za-z0-9_.:%\]-]{0,252}")


@attrs.frozen
class Answer:
    """What came back from one machine; `trouble` says why nothing did."""

    host: str
    code: int | None
    output: bytes
    errors: str
    seconds: float
    trouble: str = ""


def checked(hosts: Iterable[str]) -> list[str]:
    """Give the hosts, each once. UsageError for what ssh could take for an option, or is no name."""
    names = list(dict.fromkeys(hosts))
    for name in names:
        if not _HOST.fullmatch(name):
            raise UsageError(
                f"{harmless(name)!r} is no host",
                step="give host, user@host, an address or a name of ~/.ssh/config, where ports belong",
            )
    if shutil.which("ssh") is None:
        raise MissingToolError("ssh is not installed", step="sudo apt-get install --yes openssh-client")
    return names


def ask(
    hosts: list[str],
    script: str,
    sent: Callable[[str], bytes],
    *,
    seconds: float,
    at_once: int,
    done: Callable[[Answer], None],
) -> list[Answer]:
    """Run `script` on every host, its standard input given by `sent`; `done` sees each answer as it comes."""

    def one(host: str) -> Answer:
        answer = _ask(host, script, sent(host), seconds)
        done(answer)
        return answer

    with ThreadPoolExecutor(max_workers=max(1, min(at_once, len(hosts)))) as pool:
        return list(pool.map(one, hosts))


def _ask(host: str, script: str, sent: bytes, seconds: float) -> Answer:
    if "'" in script:
        raise ValueError("the script must be one word in single quotes for any login shell")
    argv = ["ssh", "-T", "-o", "BatchMode=yes", "--", host, f"exec sh -c '{script}'"]
    start = time.monotonic()
    with tempfile.TemporaryFile() as source, recorded(argv[:-1]) as entry:
        source.write(sent)
        source.seek(0)
        process = subprocess.Popen(
            argv, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        late = threading.Event()

        def stop() -> None:
            late.set()
            _end(process)

        timer = threading.Timer(seconds, stop)
        timer.start()
        errors: list[bytes] = []
        reader = threading.Thread(target=_drain, args=(process.stderr, errors))
        reader.start()
        try:
            output = process.stdout.read(MOST + 1) if process.stdout else b""
            if len(output) > MOST:
                _end(process)
            entry.code = process.wait()
        finally:
            timer.cancel()
            _end(process)
            reader.join()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        said = "\n".join(harmless(line) for line in b"".join(errors).decode("utf-8", "replace").splitlines())
        for line in said.splitlines():
            entry.line(line)
    trouble = ""
    if late.is_set():
        trouble = f"no answer within {seconds:.0f} s"
    elif len(output) > MOST:
        trouble = f"its answer is longer than {MOST >> 20} MiB"
    elif entry.code == _SSH_FAILED:
        trouble = said.strip().split("\n")[-1] or "ssh failed without a word"
    return Answer(host, entry.code, output[:MOST], said, round(time.monotonic() - start, 3), trouble)


def _drain(stream: IO[bytes] | None, kept: list[bytes]) -> None:
    """Keep the beginning of an error output, and let the rest go by."""
    size = 0
    while stream is not None and (data := os.read(stream.fileno(), 1 << 16)):
        if size < _ERRORS:
            kept.append(data[: _ERRORS - size])
        size += len(data)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End ssh and what it started (a ProxyCommand)."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
