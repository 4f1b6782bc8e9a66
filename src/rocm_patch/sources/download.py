"""One address into one unfinished file: resumed, verified while it streams, retried where that can help.

Knows HTTP and file:// addresses, sizes and hashes. Knows nothing of recipes, of
the order of providers, or of where finished files live.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import httpx

from rocm_patch import __version__
from rocm_patch.sources.providers import ProviderError
from rocm_patch.sources.settings import Settings
from rocm_patch.sources.store import CHUNK, NO_ROOM, no_room

#: Answers after which the same request may succeed.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class CancelledFetchError(Exception):
    """Another thread met a failure that ends the whole run; the unfinished file is kept."""


class _PassingError(Exception):
    """A failure that may pass: worth another attempt at the same address."""


@dataclass
class Wire:
    """What all downloads of a run share: connections, settings, the stop signal, hosts that do not answer."""

    settings: Settings
    client: httpx.Client
    stop: threading.Event = field(default_factory=threading.Event)
    dead: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: Settings) -> Wire:
        """Make one connection pool for all threads."""
        client = httpx.Client(
            timeout=httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout, pool=None),
            limits=httpx.Limits(max_connections=settings.jobs, max_keepalive_connections=settings.jobs),
            follow_redirects=True,
            max_redirects=5,
            # The pinned bytes are the file's own: a transport encoding would change them.
            headers={"User-Agent": f"rocm-patch/{__version__}", "Accept-Encoding": "identity"},
        )
        return cls(settings, client)


@dataclass(frozen=True)
class Want:
    """The pinned bytes: sha256 and size; where only a bound of the size is known, it is not exact."""

    sha256: str
    size: int
    exact: bool = True

    def fits(self, size: int) -> bool:
        """Say whether a file of this size can be the pinned one."""
        return size == self.size if self.exact else size <= self.size

    def __str__(self) -> str:
        """Give the size for a sentence."""
        return f"{self.size}" if self.exact else f"at most {self.size}"


class Partial:
    """An unfinished file with the running hash of what it holds, and the ETag its bytes came under."""

    def __init__(self, path: Path, want: Want) -> None:
        """Open or make the file and hash what is there; what cannot belong to the bytes is dropped."""
        self.path = path
        self.want = want
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.size = 0
        self.digest = hashlib.sha256()
        if os.fstat(self._fd).st_size > want.size:
            self.restart()
        while chunk := os.read(self._fd, CHUNK):
            self.digest.update(chunk)
            self.size += len(chunk)
        #: Whether bytes of an earlier attempt or address are in it.
        self.inherited = self.size > 0

    def restart(self) -> None:
        """Drop the content."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0
        self.digest = hashlib.sha256()
        self.inherited = False
        self.path.with_suffix(".etag").unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Append; a full disk keeps what did fit and raises DiskSpaceError."""
        if self.size + len(data) > self.want.size:
            raise ProviderError(f"sent more than the pinned {self.want} bytes")
        view = memoryview(data)
        while view:
            try:
                count = os.write(self._fd, view)
            except OSError as error:
                if error.errno in NO_ROOM:
                    raise no_room(self.path.parent, self.want.size - self.size) from error
                raise
            self.digest.update(view[:count])
            self.size += count
            view = view[count:]

    @property
    def complete(self) -> bool:
        """Whether all bytes are there, right or wrong."""
        if not self.want.exact:
            return self.digest.hexdigest() == self.want.sha256
        return self.size == self.want.size

    @property
    def right(self) -> bool:
        """Whether the content is the pinned one."""
        return self.complete and self.digest.hexdigest() == self.want.sha256

    def etag(self, url: str) -> str | None:
        """Give the strong ETag under which this address gave the first bytes, if noted."""
        try:
            data = json.loads(self.path.with_suffix(".etag").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return data.get("etag") if isinstance(data, dict) and data.get("url") == url else None

    def note_etag(self, url: str, etag: str | None) -> None:
        """Note it for a later run; a weak ETag cannot be resumed by (RFC 9110, 13.1.5)."""
        path = self.path.with_suffix(".etag")
        if etag and not etag.startswith("W/"):
            path.write_text(json.dumps({"url": url, "etag": etag}), encoding="utf-8")
        else:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; its content stays."""
        os.close(self._fd)


@contextmanager
def partial(path: Path, want: Want) -> Iterator[Partial]:
    """Open an unfinished file for the time of a block."""
    file = Partial(path, want)
    try:
        yield file
    finally:
        file.close()


def download(wire: Wire, url: str, file: Partial, advance: Callable[[int], None]) -> None:
    """Bring the pinned bytes from one address into `file`, going on where it stands.

    Raises ProviderError with what the address answered, DiskSpaceError, CancelledFetchError.
    """
    while True:
        inherited = file.inherited
        if not file.complete:
            _attempts(wire, url, file, advance)
        if file.right:
            return
        wrong = file.digest.hexdigest()
        advance(-file.size)
        file.restart()
        if not inherited:
            raise ProviderError(f"wrong content: sha256 {wrong}")
        # The bytes of an earlier run or address may be the wrong ones: once more, from the start.


def _attempts(wire: Wire, url: str, file: Partial, advance: Callable[[int], None]) -> None:
    """Try an address until it has sent everything, it refuses, or it fails too often without progress."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        _copy(wire, Path(urllib.parse.unquote(parts.path)), file, advance)
        return
    if parts.netloc in wire.dead:
        raise ProviderError(f"not tried again: {wire.dead[parts.netloc]}")
    failures = 0
    while True:
        before = file.size
        try:
            _request(wire, url, file, advance)
        except (_PassingError, httpx.TransportError) as error:
            failures = 1 if file.size > before else failures + 1
            if failures > wire.settings.retries:
                _give_up(wire, parts.netloc, error)
            pause = min(wire.settings.backoff * 2 ** (failures - 1), 30.0)
            pause *= random.uniform(0.7, 1.3)  # noqa: S311 - spreads load, hides no secret
            if wire.stop.wait(pause):
                raise CancelledFetchError from None
        except httpx.HTTPError as error:  # redirects without end, an encoding that cannot be read
            raise ProviderError(f"{type(error).__name__}: {error}") from error
        else:
            return


def _give_up(wire: Wire, host: str, error: Exception) -> NoReturn:
    text = str(error) if isinstance(error, _PassingError) else f"{type(error).__name__}: {error}"
    answer = f"{text} ({wire.settings.retries + 1} attempts)"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        # 600 packages need not wait 600 times for a host that is not there.
        wire.dead[host] = answer
    raise ProviderError(answer) from error


def _request(wire: Wire, url: str, file: Partial, advance: Callable[[int], None]) -> None:
    """Make one request and take what it sends."""
    headers = {}
    if file.size:
        headers["Range"] = f"bytes={file.size}-"
        etag = file.etag(url)
        if etag:
            headers["If-Range"] = etag
    with wire.client.stream("GET", url, headers=headers) as response:
        _begin(response, url, file, advance)
        # With a chunk size httpx would collect bytes, and lose them when the connection is cut.
        for chunk in response.iter_raw():
            if wire.stop.is_set():
                raise CancelledFetchError
            file.write(chunk)
            advance(len(chunk))
    if not file.complete:
        raise _PassingError(f"the connection ended after {file.size} of {file.want} bytes")


def _begin(response: httpx.Response, url: str, file: Partial, advance: Callable[[int], None]) -> None:
    """Judge the head of an answer and set the file to where its bytes begin."""
    status = response.status_code
    if status in PASSING:
        raise _PassingError(f"HTTP {status}")
    if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        advance(-file.size)
        file.restart()
        raise _PassingError(f"HTTP {status}")
    if status == httpx.codes.PARTIAL_CONTENT:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("content-range", ""))
        if match is None or int(match[1]) != file.size:
            answer = response.headers.get("content-range")
            raise ProviderError(f"HTTP 206 with an unusable Content-Range {answer!r}")
        if match[2] != "*" and not file.want.fits(int(match[2])):
            raise ProviderError(f"has {match[2]} bytes, pinned are {file.want}")
        return
    if status != httpx.codes.OK:
        raise ProviderError(f"HTTP {status}")
    length = response.headers.get("content-length", "")
    if length.isdigit() and not file.want.fits(int(length)):
        raise ProviderError(f"has {length} bytes, pinned are {file.want}")
    if file.size:  # the server ignores Range, or the file behind the ETag has changed
        advance(-file.size)
        file.restart()
    file.note_etag(url, response.headers.get("etag"))


def _copy(wire: Wire, source: Path, file: Partial, advance: Callable[[int], None]) -> None:
    """Take the bytes from a file:// mirror."""
    try:
        size = source.stat().st_size
        if not file.want.fits(size):
            raise ProviderError(f"has {size} bytes, pinned are {file.want}")
        stream = source.open("rb")
    except OSError as error:
        raise ProviderError(error.strerror or str(error)) from error
    with stream:
        stream.seek(file.size)
        while chunk := stream.read(CHUNK):
            if wire.stop.is_set():
                raise CancelledFetchError
            file.write(chunk)
            advance(len(chunk))
    if not file.complete:
        wrong = f"wrong content: sha256 {file.digest.hexdigest()}"
        raise ProviderError("became shorter while it was read" if file.want.exact else wrong)
