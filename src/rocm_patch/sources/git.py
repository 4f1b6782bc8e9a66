"""A git commit (with its submodules) as one archive in the cache, the same bytes from the same commit.

Knows git's plumbing commands and how the archive is written: names sorted, owner
0, the commit's time, plain tar without compression (compressors change between
versions, which would change the bytes). Blobs are read as git stores them, so no
setting of the user (line ends, filters) changes them. Knows nothing of other
providers.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import shutil
import subprocess
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from rocm_patch import commands
from rocm_patch.errors import MissingToolError
from rocm_patch.sources.model import GitProvider, Variant
from rocm_patch.sources.providers import ProviderError
from rocm_patch.sources.settings import Settings
from rocm_patch.sources.store import NO_ROOM, Lease, ObjectStore, no_room

#: Submodules within submodules; PyTorch's go four deep.
MAX_DEPTH = 12
#: The lock of everything in `git/`.
LOCK = "git"


@dataclass(frozen=True)
class _Entry:
    """A line of `git ls-tree`."""

    mode: str
    oid: str
    path: str


@dataclass(frozen=True)
class _Repo:
    """A bare repository of the cache that holds one commit completely."""

    folder: Path
    commit: str


@dataclass(frozen=True)
class GitJob:
    """What a commit is fetched with: the cache, the item's lease, patience, a way to say where it stands."""

    store: ObjectStore
    lease: Lease
    settings: Settings
    note: Callable[[str], None]
    waiting: Callable[[], None]


def fetch(job: GitJob, name: str, variant: Variant, provider: GitProvider) -> tuple[str, Path]:
    """Fetch a commit, archive it into the store, give digest and file.

    Repositories that are complete stay in `git/` until the archive is, so a run
    that is killed goes on with the next submodule; one commit at a time, because
    commits share submodules. Raises ProviderError, MissingToolError, DiskSpaceError.
    """
    if shutil.which("git") is None:
        raise MissingToolError(
            "git is not installed", cause=f"{name} comes from {provider.url}", step="sudo apt-get install git"
        )
    store = job.store
    archive = store.root / "part" / f"git-{uuid.uuid4().hex}"
    work = _Work(job, name, provider)
    with store.lock(LOCK, job.waiting):
        try:
            with archive.open("wb") as raw:
                sink = _Hashing(raw)
                work.write(f"{name}-{provider.commit[:12]}", sink)
            sha256 = sink.digest.hexdigest()
            if variant.sha256 not in {None, sha256}:
                raise ProviderError(f"wrong content: sha256 {sha256}")
            job.lease.add([sha256])
            path = store.adopt(archive, sha256)
            store.set_ref(variant.key, sha256)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise no_room(store.root, None) from error
            raise
        finally:
            archive.unlink(missing_ok=True)
        work.clear()
    return sha256, path


class _Hashing(io.RawIOBase):
    """A writer that hashes what passes."""

    def __init__(self, sink: IO[bytes]) -> None:
        super().__init__()
        self.sink = sink
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # tarfile writes bytes only
        self.digest.update(data)
        return self.sink.write(data)


def _environment(folder: Path) -> dict[str, str]:
    """Let git see this repository and the user's own settings, but no variable that changes what it reads."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith("GIT_SSL")}
    return kept | {
        "GIT_DIR": str(folder),
        "GIT_TERMINAL_PROMPT": "0",
        # ext:: and other helpers run commands; a .gitmodules must not be able to name one.
        "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
        "LC_ALL": "C",
    }


def _git(folder: Path, *args: str) -> bytes:
    """Run git in a bare repository; its complaint becomes a ProviderError, or a DiskSpaceError."""
    done = commands.run(
        ["git", *args], env=_environment(folder), capture_output=True, check=False, log_output=False
    )
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace")
        if any(words in text for words in ("No space left on device", "Disk quota exceeded")):
            raise no_room(folder.parent, None)
        lines = text.strip().splitlines()
        raise ProviderError(f"git: {' / '.join(lines[-3:]) or f'exit code {done.returncode}'}")
    return bytes(done.stdout)


@dataclass
class _Work:
    """One commit on its way into an archive: the repositories it needed so far."""

    job: GitJob
    name: str
    provider: GitProvider
    used: list[Path] = field(default_factory=list)

    def clear(self) -> None:
        """Remove the repositories, which the archive has made superfluous."""
        for folder in self.used:
            shutil.rmtree(folder, ignore_errors=True)

    def write(self, prefix: str, sink: _Hashing) -> None:
        """Write the archive of the commit and, if asked for, of its submodules."""
        top = self._clone(self.provider.url, self.provider.commit, self.provider.ref)
        stamp = int(_git(top.folder, "show", "--no-patch", "--format=%ct", top.commit).split()[-1])
        with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for repo, folder, entries in self._walk(top):
                for entry, data in _blobs(repo, entries):
                    info = tarfile.TarInfo(str(PurePosixPath(prefix, folder, entry.path)))
                    info.mtime = stamp
                    info.mode = 0o755 if entry.mode == "100755" else 0o644
                    if entry.mode == "120000":
                        info.type = tarfile.SYMTYPE
                        info.linkname = data.decode("utf-8", "surrogateescape")
                        archive.addfile(info)
                    else:
                        info.size = len(data)
                        archive.addfile(info, io.BytesIO(data))

    def _walk(self, top: _Repo) -> Iterator[tuple[_Repo, str, list[_Entry]]]:
        """Give each repository with its folder and files: parents first, submodules by path."""
        pending = [(top, self.provider.url, "", 0)]
        while pending:
            repo, url, folder, depth = pending.pop(0)
            entries = _entries(repo)
            yield repo, folder, [e for e in entries if e.mode != "160000"]
            links = [e for e in entries if e.mode == "160000"] if self.provider.submodules else []
            if links and depth >= MAX_DEPTH:
                raise ProviderError(f"submodules are nested deeper than {MAX_DEPTH}")
            urls = _submodule_urls(repo, url) if links else {}
            for link in links:
                if link.path not in urls:
                    raise ProviderError(f"submodule {link.path} stands in no .gitmodules")
                child = self._clone(urls[link.path], link.oid, None)
                place = str(PurePosixPath(folder, link.path))
                pending.append((child, urls[link.path], place, depth + 1))

    def _clone(self, url: str, commit: str, ref: str | None) -> _Repo:
        """Have one commit, without history, in a bare repository of the cache."""
        name = hashlib.sha256(f"{url} {commit}".encode()).hexdigest()[:32]
        folder = self.job.store.root / "git" / name
        ready = folder / "rocm-patch-complete"
        self.used.append(folder)
        if ready.exists():
            return _Repo(folder, commit)
        if folder.exists():  # a run that was killed; git's own locks may be left in it
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        self.job.note(f"{self.name}: git fetches {url} at {commit[:12]}")
        _git(folder, "init", "--quiet", "--bare", str(folder))
        wishes = [commit] * (self.job.settings.retries + 1)
        # Few servers refuse a bare commit; those that do know the tag.
        wishes += [ref] if ref else []
        for number, wish in enumerate(wishes):
            try:
                self._pull(folder, url, wish)
                break
            except ProviderError:
                if number == len(wishes) - 1:
                    raise
                time.sleep(min(self.job.settings.backoff * 2**number, 30.0))
        actual = _git(folder, "rev-parse", "--verify", "FETCH_HEAD^{commit}").decode().strip()
        if actual != commit:
            raise ProviderError(f"{ref} is commit {actual}, pinned is {commit}")
        ready.touch()
        return _Repo(folder, commit)

    def _pull(self, folder: Path, url: str, wish: str) -> None:
        """Fetch one commit or tag; a server that stalls for the read timeout is given up."""
        seconds = max(int(self.job.settings.read_timeout), 1)
        slow = ["-c", "http.lowSpeedLimit=1000", "-c", f"http.lowSpeedTime={seconds}"]
        _git(folder, *slow, "fetch", "--quiet", "--depth=1", "--no-tags", "--", url, wish)


def _entries(repo: _Repo) -> list[_Entry]:
    """List a commit's files and submodules, sorted by path."""
    listing = _git(repo.folder, "ls-tree", "-r", "-z", "--full-tree", repo.commit)
    entries = []
    for line in listing.split(b"\0"):
        if line:
            head, _, path = line.partition(b"\t")
            mode, _, oid = head.decode().split()
            entries.append(_Entry(mode, oid, path.decode("utf-8", "surrogateescape")))
    return sorted(entries, key=lambda e: e.path)


def _submodule_urls(repo: _Repo, url: str) -> dict[str, str]:
    """Read path -> address from .gitmodules; relative addresses follow the parent's."""
    blob = f"{repo.commit}:.gitmodules"
    wanted = r"^submodule\..*\.(path|url)$"
    listing = _git(repo.folder, "config", "--null", "--blob", blob, "--get-regexp", wanted)
    paths: dict[str, str] = {}
    urls: dict[str, str] = {}
    for entry in listing.decode("utf-8", "surrogateescape").split("\0"):
        key, _, value = entry.partition("\n")
        if key.endswith(".path"):
            paths[key.removesuffix(".path")] = value
        elif key.endswith(".url"):
            urls[key.removesuffix(".url")] = value
    result = {}
    for key, path in paths.items():
        target = urls.get(key, "")
        if target.startswith(("./", "../")):
            target = _relative(url, target)
        scheme = urlsplit(target).scheme
        local = scheme == "file" and urlsplit(url).scheme == "file"
        if scheme not in {"https", "http", "ssh", "git"} and not local:
            raise ProviderError(f"submodule {path} has an address that is not fetched: {target!r}")
        result[path] = target
    return result


def _relative(url: str, target: str) -> str:
    """Follow a submodule's relative address from its parent's; both are folders to git."""
    parts = urlsplit(url)
    path = posixpath.normpath(posixpath.join(parts.path, target))
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _blobs(repo: _Repo, entries: list[_Entry]) -> Iterator[tuple[_Entry, bytes]]:
    """Give each file's content through one `git cat-file` process."""
    command = ["git", "cat-file", "--batch"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=_environment(repo.folder), stdin=pipe, stdout=pipe) as process:
        if process.stdin is None or process.stdout is None:  # both were asked for
            raise ProviderError("git cat-file has no pipes")
        for entry in entries:
            process.stdin.write(f"{entry.oid}\n".encode())
            process.stdin.flush()
            head = process.stdout.readline().split()
            if len(head) != 3 or head[1] != b"blob":  # noqa: PLR2004 - "<oid> blob <size>"
                raise ProviderError(f"git has no content for {entry.path}")
            data = process.stdout.read(int(head[2]))
            process.stdout.read(1)
            yield entry, data
        process.stdin.close()
