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
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urljoin, urlsplit

from rocm_patch.errors import MissingToolError
from rocm_patch.sources.model import GitProvider, Variant
from rocm_patch.sources.providers import ProviderError
from rocm_patch.sources.store import NO_ROOM, Lease, ObjectStore, no_room

#: Submodules within submodules; PyTorch's go four deep.
MAX_DEPTH = 12


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


def fetch(
    store: ObjectStore, name: str, variant: Variant, provider: GitProvider, lease: Lease
) -> tuple[str, Path]:
    """Fetch a commit, archive it into the store, give digest and file.

    Repositories that are complete stay in `git/` until the archive is, so a run
    that is killed goes on with the next submodule. Raises ProviderError,
    MissingToolError, DiskSpaceError.
    """
    if shutil.which("git") is None:
        raise MissingToolError(
            "git is not installed", cause=f"{name} comes from {provider.url}", step="sudo apt-get install git"
        )
    base = store.root / "git"
    used: list[Path] = []
    top = _clone(store, base, provider.url, provider.commit, provider.ref, used)
    archive = store.root / "part" / f"git-{uuid.uuid4().hex}"
    try:
        with archive.open("wb") as raw:
            sink = _Hashing(raw)
            _write(store, base, top, provider, f"{name}-{provider.commit[:12]}", sink, used)
        sha256 = sink.digest.hexdigest()
        if variant.sha256 not in {None, sha256}:
            raise ProviderError(f"wrong content: sha256 {sha256}")
        lease.add([sha256])
        with store.lock(f"adopt-{sha256}"):
            path = store.adopt(archive, sha256)
        store.set_ref(variant.key, sha256)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise no_room(store.root, max(archive.stat().st_size, 1)) from error
        raise
    finally:
        archive.unlink(missing_ok=True)
    for folder in used:
        shutil.rmtree(folder)
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


def _git(folder: Path, *args: str, stdin: bytes | None = None) -> bytes:
    """Run git in a bare repository; its complaint becomes a ProviderError."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith("GIT_SSL")}
    environment |= {
        "GIT_DIR": str(folder),
        "GIT_TERMINAL_PROMPT": "0",
        # ext:: and other helpers run commands; a .gitmodules must not be able to name one.
        "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
        "LC_ALL": "C",
    }
    done = subprocess.run(["git", *args], env=environment, input=stdin, capture_output=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise ProviderError(f"git {args[0]}: {' / '.join(lines[-3:]) or f'exit code {done.returncode}'}")
    return done.stdout


def _clone(store: ObjectStore, base: Path, url: str, commit: str, ref: str | None, used: list[Path]) -> _Repo:
    """Have one commit, without history, in a bare repository of the cache."""
    name = hashlib.sha256(f"{url} {commit}".encode()).hexdigest()[:32]
    folder = base / name
    ready = folder / "rocm-patch-complete"
    with store.lock(f"git-{name}"):
        used.append(folder)
        if ready.exists():
            return _Repo(folder, commit)
        if folder.exists():  # a run that was killed; git's own locks may be left in it
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        _git(folder, "init", "--quiet", "--bare", str(folder))
        options = ["-c", "fetch.fsckObjects=true", "-c", "protocol.version=2"]
        wishes = [commit] if ref is None else [commit, ref]
        for wish in wishes:
            try:
                _git(folder, *options, "fetch", "--quiet", "--depth=1", "--no-tags", "--", url, wish)
                break
            except ProviderError:
                if wish == wishes[-1]:
                    raise
        actual = _git(folder, "rev-parse", "--verify", "FETCH_HEAD^{commit}").decode().strip()
        if actual != commit:
            raise ProviderError(f"{ref} is commit {actual}, pinned is {commit}")
        ready.touch()
    return _Repo(folder, commit)


def _entries(repo: _Repo) -> list[_Entry]:
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
            paths[key[: -len(".path")]] = value
        elif key.endswith(".url"):
            urls[key[: -len(".url")]] = value
    result = {}
    for key, path in paths.items():
        target = urls.get(key, "")
        if target.startswith(("./", "../")):
            target = urljoin(f"{url.rstrip('/')}/", target)
        scheme = urlsplit(target).scheme
        local = scheme == "file" and urlsplit(url).scheme == "file"
        if scheme not in {"https", "http", "ssh", "git"} and not local:
            raise ProviderError(f"submodule {path} has an address that is not fetched: {target!r}")
        result[path] = target
    return result


def _write(
    store: ObjectStore, base: Path, top: _Repo, provider: GitProvider, prefix: str, sink: _Hashing, used: list[Path]
) -> None:
    """Write the archive of a commit and, if asked for, of its submodules."""
    time = int(_git(top.folder, "show", "--no-patch", "--format=%ct", top.commit).split()[-1])
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for repo, folder, entries in _walk(store, base, top, provider, used):
            for entry, data in _blobs(repo, entries):
                info = tarfile.TarInfo(str(PurePosixPath(prefix, folder, entry.path)))
                info.mtime = time
                info.mode = 0o755 if entry.mode == "100755" else 0o644
                if entry.mode == "120000":
                    info.type = tarfile.SYMTYPE
                    info.linkname = data.decode("utf-8", "surrogateescape")
                    archive.addfile(info)
                else:
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))


def _walk(
    store: ObjectStore, base: Path, top: _Repo, provider: GitProvider, used: list[Path]
) -> Iterator[tuple[_Repo, str, list[_Entry]]]:
    """Give each repository with its folder and files, parents first, submodules by path."""
    pending = [(top, provider.url, "", 0)]
    while pending:
        repo, url, folder, depth = pending.pop(0)
        entries = _entries(repo)
        yield repo, folder, [e for e in entries if e.mode != "160000"]
        links = [e for e in entries if e.mode == "160000"] if provider.submodules else []
        if links and depth >= MAX_DEPTH:
            raise ProviderError(f"submodules are nested deeper than {MAX_DEPTH}")
        urls = _submodule_urls(repo, url) if links else {}
        for link in links:
            if link.path not in urls:
                raise ProviderError(f"submodule {link.path} stands in no .gitmodules")
            child = _clone(store, base, urls[link.path], link.oid, None, used)
            pending.append((child, urls[link.path], str(PurePosixPath(folder, link.path)), depth + 1))


def _blobs(repo: _Repo, entries: list[_Entry]) -> Iterator[tuple[_Entry, bytes]]:
    """Give each file's content through one `git cat-file` process."""
    command = ["git", "cat-file", "--batch"]
    environment = os.environ | {"GIT_DIR": str(repo.folder)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
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
