"""Everything a job needs, into the cache: in parallel, provider after provider, with one error if that fails.

Knows items, the store, and the order in which providers are tried. Knows nothing
of what the files are for. `fetch_all` is what other parts call.
"""

from __future__ import annotations

import concurrent.futures
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rocm_patch.errors import DataError, SourceError
from rocm_patch.sources import git
from rocm_patch.sources.download import CancelledFetchError, Want, Wire, download, partial
from rocm_patch.sources.model import SourceItem, Variant
from rocm_patch.sources.progress import Ui, default_ui
from rocm_patch.sources.providers import Candidate, ProviderError, candidates, pypi_lookup
from rocm_patch.sources.settings import Settings, load_settings
from rocm_patch.sources.store import Lease, ObjectStore, no_room

#: Bytes of the disk that fetching leaves free: records, other programs.
RESERVE = 32 << 20


@dataclass(frozen=True)
class Fetched:
    """An item in the cache: its file, which variant it is, and its sha256."""

    item: SourceItem
    variant: Variant
    sha256: str
    path: Path
    #: The address it came from; None if it was in the cache.
    origin: str | None


@dataclass(frozen=True)
class Planned:
    """What fetching an item would mean; `bytes` still to come, None where only git knows."""

    item: SourceItem
    cached: bool
    bytes: int | None


@dataclass
class _Failure:
    """All that was tried for one item."""

    item: SourceItem
    answers: list[tuple[str, str]] = field(default_factory=list)


def cached(store: ObjectStore, variant: Variant) -> tuple[str, Path] | None:
    """Give digest and file of a variant that the cache holds."""
    sha256 = variant.sha256 or store.ref(variant.key)
    if sha256 is None:
        return None
    path = store.get(sha256, variant.size)
    return None if path is None else (sha256, path)


def plan(items: Iterable[SourceItem], *, cache: ObjectStore, layout: str | None = None) -> list[Planned]:
    """Say for each item whether it is cached and how many bytes are still to be fetched."""
    result = []
    for item in items:
        variants = item.select(layout)
        if any(cached(cache, v) for v in variants):
            result.append(Planned(item, cached=True, bytes=0))
            continue
        first = variants[0]
        missing = None
        if first.sha256 is not None and first.size is not None:
            missing = max(first.size - _part_size(cache, first.sha256), 0)
        result.append(Planned(item, cached=False, bytes=missing))
    return result


def _part_size(store: ObjectStore, sha256: str) -> int:
    try:
        return store.part(sha256).stat().st_size
    except FileNotFoundError:
        return 0


def fetch_all(
    items: Iterable[SourceItem],
    *,
    cache: ObjectStore,
    ui: Ui | None = None,
    layout: str | None = None,
    settings: Settings | None = None,
    lease: Lease | None = None,
) -> dict[str, Path]:
    """Bring all items into the cache; give their files by item name. See `fetch_details`."""
    found = fetch_details(items, cache=cache, ui=ui, layout=layout, settings=settings, lease=lease)
    return {name: fetched.path for name, fetched in found.items()}


def fetch_details(
    items: Iterable[SourceItem],
    *,
    cache: ObjectStore,
    ui: Ui | None = None,
    layout: str | None = None,
    settings: Settings | None = None,
    lease: Lease | None = None,
) -> dict[str, Fetched]:
    """Bring all items into the cache; say of each which variant it became.

    With `layout`, items that have several variants give this one only. What a
    `lease` of the caller names is safe from gc as long as that lease is open;
    without one, only until this returns. Raises SourceError when an item has no
    provider left (after all others were fetched), DiskSpaceError, DataError.
    """
    todo = list(items)
    names = [item.name for item in todo]
    if len(set(names)) != len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        raise DataError(f"items share a name: {', '.join(twice)}", step="choose one Python, or rename them")
    chosen = settings if settings is not None else load_settings()
    with cache.lease() as own:
        digests = (v.sha256 or cache.ref(v.key) for i in todo for v in i.select(layout))
        (lease or own).add(d for d in digests if d)
        run = _Run(cache, chosen, ui if ui is not None else default_ui(), layout, lease or own)
        return run.all(todo)


@dataclass
class _Waiting:
    """Says once that another run holds an item, and ends the wait when this run ends."""

    wire: Wire
    ui: Ui
    name: str
    said: bool = False

    def __call__(self) -> None:
        if self.wire.stop.is_set():
            raise CancelledFetchError
        if not self.said:
            self.ui.note(f"{self.name}: another run fetches it; waiting")
        self.said = True


@dataclass
class _Run:
    """One call of `fetch_details`."""

    store: ObjectStore
    settings: Settings
    ui: Ui
    layout: str | None
    lease: Lease

    def all(self, items: list[SourceItem]) -> dict[str, Fetched]:
        """Give what is cached at once and fetch the rest in parallel."""
        done: dict[str, Fetched] = {}
        missing: list[SourceItem] = []
        for item in items:
            hit = self._hit(item)
            if hit is None:
                missing.append(item)
            else:
                done[item.name] = hit
        if missing:
            done.update(self._fetch(missing))
        for fetched in done.values():
            self.store.touch(fetched.sha256)
        return {item.name: done[item.name] for item in items}

    def _hit(self, item: SourceItem) -> Fetched | None:
        for variant in item.select(self.layout):
            found = cached(self.store, variant)
            if found is not None:
                return Fetched(item, variant, *found, origin=None)
        return None

    def _fetch(self, items: list[SourceItem]) -> dict[str, Fetched]:
        needed = sum(p.bytes or 0 for p in plan(items, cache=self.store, layout=self.layout))
        if needed + RESERVE > shutil.disk_usage(self.store.root).free:
            raise no_room(self.store.root, needed + RESERVE)
        done: dict[str, Fetched] = {}
        failures: list[_Failure] = []
        wire = Wire.open(self.settings)
        self.ui.start(needed, len(items))
        pool = concurrent.futures.ThreadPoolExecutor(self.settings.jobs, thread_name_prefix="fetch")
        try:
            futures = [pool.submit(self._one, wire, item) for item in items]
            for future in concurrent.futures.as_completed(futures):
                result = future.result()
                if isinstance(result, _Failure):
                    failures.append(result)
                else:
                    done[result.item.name] = result
                    self.ui.done(result.item.name, f"from {result.origin}" if result.origin else "cached")
        finally:
            # On an error or an interrupt the other threads stop at their next bytes and keep them.
            wire.stop.set()
            pool.shutdown(cancel_futures=True)
            wire.client.close()
            self.ui.stop()
        if failures:
            raise self._error(failures)
        return done

    def _one(self, wire: Wire, item: SourceItem) -> Fetched | _Failure:
        """Try every variant and every provider of one item."""
        failure = _Failure(item)
        for variant in item.select(self.layout):
            lock = variant.sha256 or variant.key
            with self.store.lock(lock, _Waiting(wire, self.ui, item.name)):
                hit = cached(self.store, variant)
                if hit is not None:
                    return Fetched(item, variant, *hit, origin=None)
                for candidate in candidates(item, variant, self.settings):
                    try:
                        if wire.stop.is_set():
                            raise CancelledFetchError
                        sha256, path = self._try(wire, item, variant, candidate)
                    except ProviderError as error:
                        failure.answers.append((candidate.url, str(error)))
                        self.ui.note(f"{item.name}: {candidate.url}: {error}")
                        continue
                    return Fetched(item, variant, sha256, path, candidate.url)
        return failure

    def _try(self, wire: Wire, item: SourceItem, variant: Variant, candidate: Candidate) -> tuple[str, Path]:
        """Take a variant from one address."""
        if self.settings.offline and not candidate.url.startswith("file://"):
            raise ProviderError("not tried: offline (ROCM_PATCH_OFFLINE)")
        if candidate.git is not None:
            waiting = _Waiting(wire, self.ui, item.name)
            job = git.GitJob(self.store, self.lease, self.settings, self.ui.note, waiting)
            return git.fetch(job, item.name, variant, candidate.git)
        bound = variant.size if variant.size is not None else variant.limit
        if variant.sha256 is None or bound is None:  # excluded by the model
            raise ProviderError("no sha256 is pinned")
        want = Want(variant.sha256, bound, exact=variant.size is not None)
        url = candidate.url
        if candidate.lookup:
            url = pypi_lookup(wire.client, url, variant.file, variant.sha256)
        part = self.store.part(variant.sha256)
        with partial(part, want) as file:
            download(wire, url, file, self.ui.advance)
        path = self.store.adopt(part, variant.sha256)
        part.with_suffix(".etag").unlink(missing_ok=True)
        return variant.sha256, path

    def _error(self, failures: list[_Failure]) -> SourceError:
        lines = []
        for failure in failures:
            for variant in failure.item.select(self.layout):
                proof = f"sha256 {variant.sha256}" if variant.sha256 else variant.key
                lines.append(f"{failure.item.name}: {variant.file}, {proof}")
            lines += [f"  {url}: {answer}" for url, answer in failure.answers]
        shown = 5
        names = ", ".join(f.item.name for f in failures[:shown]) + (", ..." if failures[shown:] else "")
        step = (
            "put the file(s) below a folder or web server of yours and set ROCM_PATCH_MIRROR to a template "
            "such as file:///srv/mirror/{file} or https://mirror.example/{owner}/{name}/{file} "
            "(fields: owner, name, file, sha256), then run the same command again"
        )
        if self.settings.offline:
            step = f"unset ROCM_PATCH_OFFLINE, or {step}"
        return SourceError(
            f"no provider gave {len(failures)} source(s): {names}",
            cause="every address was tried; what each answered stands below",
            step=step,
            detail=lines,
        )
