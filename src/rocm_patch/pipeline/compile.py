"""Run ninja as a step: weighed progress, rates learnt, the compiler cache's hits counted.

Ninja itself is what makes a killed compile go on. Knows ninja and the cache's log, not
what is compiled: the component says of which class an output is.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.ninja import STATUS, Progress, new_entries, parse_status
from rocm_patch.pipeline.sdk import Mount, Sdk

_HITS = frozenset({"direct_cache_hit", "preprocessed_cache_hit"})
#: Results of ccache that are neither a hit nor a miss, nor an object that it could not take.
_NO_OBJECT = re.compile(r"no_input_file|called_for|cache_miss|local_storage|remote_storage|_cache_miss$")
#: FindHIP's objects: TARGET_generated_SOURCE.o
_GENERATED = re.compile(r"^.*_generated_")
#: ninja's own file, which CMake makes depend on what configuring read.
MANIFEST = "build.ninja"
_MAKES_MANIFEST = re.compile(rf"^build {re.escape(MANIFEST)}[ :]", re.MULTILINE)
_STATS_NAME = "rocm-patch-ccache.log"


@attrs.frozen
class NinjaBuild:
    """A configured ninja build: where it lies, where it runs, what it makes.

    `folder` is the build folder on this machine; `kind_of` gives the class of an output.
    """

    sdk: Sdk
    folder: Path
    mounts: Sequence[Mount]
    env: Mapping[str, str]
    kind_of: Callable[[str], str]
    targets: Sequence[str] = ()

    def inside(self) -> str:
        """Give the build folder's path as ninja sees it."""
        for mount in self.mounts:
            if self.folder == mount.outside or mount.outside in self.folder.parents:
                relative = self.folder.relative_to(mount.outside)
                return str(Path(self.sdk.seen(mount)) / relative)
        return str(self.folder)

    def command(self, *arguments: str, targets: Sequence[str] | None = None) -> list[str]:
        """Give the argument list that runs ninja in the environment; `targets` in place of its own."""
        inside = self.inside()
        env = {**self.env, "NINJA_STATUS": STATUS, "CCACHE_STATSLOG": f"{inside}/{_STATS_NAME}"}
        argv = ["ninja", *arguments, *(self.targets if targets is None else targets)]
        return self.sdk.command(argv, mounts=self.mounts, env=env, cwd=inside)

    def renews_itself(self) -> bool:
        """Tell whether build.ninja says how it is made."""
        text = (self.folder / MANIFEST).read_text(encoding="utf-8", errors="surrogateescape")
        return _MAKES_MANIFEST.search(text) is not None


def planned_edges(run: StepRun, build: NinjaBuild) -> list[str]:
    """Ask ninja what it would do; gives the edges' texts.

    What build.ninja itself needs is made before (PyTorch's headers from Python, some seconds): as long
    as that is to be done, ninja lists nothing else (RebuildManifest in its ninja.cc).
    """
    if build.renews_itself():
        run.call(build.command("-j", str(run.jobs), targets=[MANIFEST]))
    texts: list[str] = []

    def keep(line: str) -> None:
        edge = parse_status(line)
        if edge is not None:
            texts.append(edge.text)

    run.call(build.command("-n"), watch=keep)
    return texts


def compile_with_ninja(run: StepRun, build: NinjaBuild) -> None:
    """Build until nothing is left to do. BuildError with the end of the log where an edge fails.

    With --keep-going ninja builds all that can be built before it fails.
    """
    group = f"{run.request.component}-{run.request.version}"
    texts = planned_edges(run, build)
    expected = {text: _seconds(run, build, group, text) for text in texts}
    progress = Progress(expected, run.jobs, now=time.monotonic)
    log, stats = build.folder / ".ninja_log", build.folder / _STATS_NAME
    offset = log.stat().st_size if log.is_file() else 0
    stats.unlink(missing_ok=True)
    run.reporter.say(
        f"{run.step.name}: {len(texts)} edges to do with {run.jobs} jobs, about "
        f"{progress.left_s / 60:.0f} minutes where the compiler cache has none of them"
    )

    def watch(line: str) -> None:
        edge = parse_status(line)
        if edge is not None:
            progress.finish(edge)
            if run.reporter.due():
                run.reporter.progress(f"{run.step.name}: {progress.line()}")

    arguments = ["-j", str(run.jobs), *(["-k", "0"] if run.request.keep_going else [])]
    try:
        run.call(build.command(*arguments), watch=watch)
    finally:
        _learn(run, build, group, new_entries(log, offset), read_stats(stats))
        stats.unlink(missing_ok=True)
    if texts:
        run.reporter.progress(f"{run.step.name}: {progress.line()}", last=True)


def _seconds(run: StepRun, build: NinjaBuild, group: str, text: str) -> float:
    output = text.rpartition(" ")[2]
    return run.rates.of_object(group, output, build.kind_of(output))


def _learn(
    run: StepRun, build: NinjaBuild, group: str, seconds: Mapping[str, float], stats: CacheStats
) -> None:
    kinds = {output: build.kind_of(output) for output in seconds}
    run.facts["edges"] = len(seconds)
    run.facts["edge_seconds"] = round(sum(seconds.values()), 1)
    run.facts["edges_by_class"] = dict(Counter(kinds.values()))
    run.facts["compiler_cache"] = {"hit": stats.hit, "miss": stats.miss, "not_taken": stats.not_taken}
    compiled = {name: value for name, value in seconds.items() if source_name(name) not in stats.from_cache}
    if compiled:
        run.rates.learn_objects(group, compiled, kinds)


@attrs.frozen
class CacheStats:
    """What ccache did in a run: counts, and the names of the sources whose objects it had."""

    hit: int = 0
    miss: int = 0
    not_taken: int = 0
    from_cache: frozenset[str] = frozenset()


def source_name(output: str) -> str:
    """Give the name of the source that an object is made from, as CMake and FindHIP name objects."""
    return _GENERATED.sub("", output.rpartition("/")[2]).removesuffix(".o")


def read_stats(path: Path) -> CacheStats:
    """Count hits and misses in ccache's log of results; all zero where no ccache ran."""
    if not path.is_file():
        return CacheStats()
    hit = miss = not_taken = 0
    cached: set[str] = set()
    source = ""
    for line in path.read_text(errors="replace").splitlines():
        if line.startswith("# "):
            source = line.rpartition("/")[2]
        elif line in _HITS:
            hit += 1
            cached.add(source)
        elif line == "cache_miss":
            miss += 1
        elif line and _NO_OBJECT.search(line) is None:
            not_taken += 1
    return CacheStats(hit=hit, miss=miss, not_taken=not_taken, from_cache=frozenset(cached))
