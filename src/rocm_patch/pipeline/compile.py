"""Run ninja as a step: weighed progress, rates learnt, the compiler cache's hits counted.

Ninja itself is what makes a killed compile go on. Knows ninja and the cache's log, not
what is compiled: the component says of which class an output is.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch.pipeline.engine import StepRun
from rocm_patch.pipeline.ninja import STATUS, Progress, new_entries, parse_status
from rocm_patch.pipeline.sdk import Mount, Sdk

_HITS = frozenset({"direct_cache_hit", "preprocessed_cache_hit"})
#: From this share of real compiles on, a run tells how long compiling takes.
_COLD_SHARE = 0.95
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

    def command(self, *arguments: str) -> list[str]:
        """Give the argument list that runs ninja in the environment."""
        inside = self.inside()
        env = {**self.env, "NINJA_STATUS": STATUS, "CCACHE_STATSLOG": f"{inside}/{_STATS_NAME}"}
        argv = ["ninja", *arguments, *self.targets]
        return self.sdk.command(argv, mounts=self.mounts, env=env, cwd=inside)


def planned_edges(run: StepRun, build: NinjaBuild) -> list[str]:
    """Ask ninja what it would do; gives the edges' texts."""
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
    if texts:
        run.reporter.progress(f"{run.step.name}: {progress.line()}", last=True)


def _seconds(run: StepRun, build: NinjaBuild, group: str, text: str) -> float:
    output = text.rpartition(" ")[2]
    return run.rates.of_object(group, output, build.kind_of(output))


def _learn(
    run: StepRun, build: NinjaBuild, group: str, seconds: Mapping[str, float], stats: Mapping[str, int]
) -> None:
    kinds = {output: build.kind_of(output) for output in seconds}
    run.facts["edges"] = len(seconds)
    run.facts["edge_seconds"] = round(sum(seconds.values()), 1)
    run.facts["edges_by_class"] = dict(Counter(kinds.values()))
    run.facts["compiler_cache"] = dict(stats)
    calls = stats.get("hit", 0) + stats.get("miss", 0)
    if seconds and (calls == 0 or stats["miss"] >= _COLD_SHARE * calls):
        run.rates.learn_objects(group, seconds, kinds)


def read_stats(path: Path) -> dict[str, int]:
    """Count hits and misses in ccache's log of results. Empty where no ccache ran."""
    if not path.is_file():
        return {}
    counts = {"hit": 0, "miss": 0}
    for line in path.read_text(errors="replace").splitlines():
        if line in _HITS:
            counts["hit"] += 1
        elif line == "cache_miss":
            counts["miss"] += 1
    return counts
