"""Runs suites: binary by binary, the chosen tests that have no result yet, one process at a time.

Knows the sysroot, the virtual GPU's face and the limits; nothing of why a test fails
and nothing of how a result is shown.
"""

from __future__ import annotations

import fnmatch
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import attrs

from rocm_patch.conformance import gtest, results
from rocm_patch.conformance.model import Rule, Suite, SuiteSet
from rocm_patch.conformance.place import (
    SUITE,
    Place,
    conformance_cache,
    drop_suite,
    unpack_suite,
)
from rocm_patch.conformance.watch import Ended, watch
from rocm_patch.sources.store import write_atomic
from rocm_patch.sysroot import Bind, Sysroot
from rocm_patch.vgpu.launch import sysroot_view
from rocm_patch.vgpu.settings import Settings

#: Folders that the inside sees: results of a process, and a home that lives on (kernel caches).
OUTPUT = "/output"
HOME = "/home/conformance"
#: A process that ends without having run a test, twice in a row, does so again.
_IDLE_RUNS = 2
Again = Literal["nothing", "bad", "all"]


@attrs.frozen
class Wish:
    """What a run shall do: suites and binaries by pattern, limits, how many at once, what anew."""

    suites: tuple[str, ...] = ()
    binaries: tuple[str, ...] = ("*",)
    tests: str = "*"
    at_most: int | None = None
    jobs: int = 1
    again: Again = "nothing"
    #: Clock seconds after which no further process is started; None: no end.
    seconds: float | None = None
    keep: bool = False


@attrs.define
class Runner:
    """A set on a virtual card in a sysroot; `say` hears a line for each thing done."""

    chosen: SuiteSet
    root: Sysroot
    library: Path
    settings: Settings
    wish: Wish
    say: Callable[[str], None]
    #: Where results are; by default in the cache.
    folder: Path = attrs.field()
    _ends_at: float | None = None
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    @folder.default
    def _folder(self) -> Path:
        return conformance_cache() / "results" / self.chosen.name

    @property
    def state(self) -> str:
        """Name the state of the virtual GPU: the folder that its library was built into."""
        return self.library.resolve().parent.name

    def run(self) -> list[results.Record]:
        """Run what the wish names; give every record that it touched."""
        if self.wish.seconds is not None:
            self._ends_at = time.monotonic() + self.wish.seconds
        names = self.wish.suites or tuple(suite.name for suite in self.chosen.suites)
        records: list[results.Record] = []
        for suite in [self.chosen.suite(name) for name in names]:
            if self._over():
                break
            place = unpack_suite(self.chosen, suite)
            try:
                records += self._suite(suite, place)
            finally:
                if not self.wish.keep:
                    drop_suite(place)
        return records

    def _over(self) -> bool:
        return self._ends_at is not None and time.monotonic() > self._ends_at

    def _suite(self, suite: Suite, place: Place) -> list[results.Record]:
        wanted = [one for one in place.binaries if _matches(one.name, self.wish.binaries)]
        with ThreadPoolExecutor(self.wish.jobs) as pool:
            # Each thread waits for the processes that it started: they die with it.
            return list(pool.map(lambda one: self._binary(suite, place, one.name), wanted))

    def _binary(self, suite: Suite, place: Place, name: str) -> results.Record:
        path = results.record_path(self.folder, suite.name, name)
        record = results.load(path, suite.name, name, place.digest)
        rule = suite.rule(name)
        if rule is None or rule.at_most == 0 or self._over():
            record.problem = "" if rule is None or rule.at_most != 0 else rule.reason
            results.save(path, record)
            return record
        with tempfile.TemporaryDirectory(prefix="rocm-patch-conformance-") as scratch:
            process = _Process(self, suite, place, name, Path(scratch))
            self._choose(record, rule, process)
            self._forget(record, process.wanted)
            results.save(path, record)
            if record.chosen and not record.problem:
                self._work(record, rule, process, path)
        self._tell(record)
        return record

    def _choose(self, record: results.Record, rule: Rule, process: _Process) -> None:
        """List the binary's tests and choose of them."""
        names, problem = self._names(record, process)
        record.problem = problem
        record.listed = len(names)
        record.chosen = gtest.sample(names, rule.filter, rule.at_most)
        chosen = gtest.sample(record.chosen, self.wish.tests, self.wish.at_most)
        process.wanted = chosen

    def _names(self, record: results.Record, process: _Process) -> tuple[list[str], str]:
        """Give the binary's tests, or what is wrong. The list is kept: some take minutes."""
        kept = conformance_cache() / "lists" / record.digest / record.binary
        if kept.is_file():
            return kept.read_text(encoding="utf-8").split(), ""
        code, text = process.listing()
        names = gtest.read_list(text)
        if not names:
            return [], f"it lists no test and ended with {code}: {text[-500:]}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(kept, "".join(f"{name}\n" for name in names).encode())
        return names, ""

    def _forget(self, record: results.Record, wanted: Iterable[str]) -> None:
        """Drop results that shall be had again; bad ones stay on record as earlier ones."""
        drop = {"nothing": (), "bad": results.BAD, "all": results.OUTCOMES}[self.wish.again]
        for name in wanted:
            if name in record.results and record.results[name].outcome in drop:
                old = record.results.pop(name)
                if old.outcome in results.BAD:
                    record.earlier.setdefault(name, []).append(old)

    def _work(self, record: results.Record, rule: Rule, process: _Process, path: Path) -> None:
        """Run until nothing is left, the binary's time is over, or it runs nothing more."""
        budget = rule.binary_seconds or self.chosen.binary_seconds
        idle = 0
        while not self._over() and budget > 0 and idle < _IDLE_RUNS:
            left = [name for name in process.wanted if name not in record.results]
            if not left:
                return
            names, pattern = next(gtest.batches(left))

            def heard(ended: Ended, names: list[str] = names) -> None:
                if ended.name in names:
                    record.results[ended.name] = self._result(ended)
                    results.note(path, ended.name, record.results[ended.name])

            before = len(record.results)
            limit = rule.test_seconds or self.chosen.test_seconds
            used, tail = process.run(pattern, limit, budget, heard)
            for name, one in process.read_output().items():
                old = record.results.get(name)
                if old is not None and old.outcome == one[0] != "passed":
                    text = one[2][: results.TEXT_CHARACTERS] or old.text
                    record.results[name] = attrs.evolve(old, text=text)
            results.save(path, record)
            budget -= max(used, 0.01)
            idle = 0 if len(record.results) > before else idle + 1
            if idle == _IDLE_RUNS and budget > 0:
                record.problem = f"it ends without running the tests asked for: {tail[-500:]}"
                results.save(path, record)

    def _result(self, ended: Ended) -> results.Result:
        return results.Result(ended.outcome, ended.seconds, self.state, ended.text)

    def _tell(self, record: results.Record) -> None:
        counts = ", ".join(f"{n} {what}" for what in results.OUTCOMES if (n := record.count(what)))
        more = f"; {record.problem.splitlines()[0]}" if record.problem else ""
        with self._lock:
            self.say(
                f"{record.suite}/{record.binary}: {counts or 'nothing run'}, "
                f"{len(record.left)} left of {len(record.chosen)} chosen, {record.listed} listed{more}"
            )


class _Process:
    """A binary as a command in the sysroot with the virtual card."""

    def __init__(self, runner: Runner, suite: Suite, place: Place, name: str, scratch: Path) -> None:
        self._output = scratch / "output"
        self._output.mkdir()
        home = conformance_cache() / "home"
        home.mkdir(parents=True, exist_ok=True)
        kfd = scratch / "kfd"
        kfd.mkdir()
        env = {
            "LD_LIBRARY_PATH": place.library_path,
            "HOME": HOME,
            # The runtime compiles its copy kernels when it starts; once is enough.
            "AMD_COMGR_CACHE": "1",
            "AMD_COMGR_CACHE_DIR": f"{HOME}/comgr",
            # The limits here are CPU time; the card's own watchdog goes by the clock.
            "VGPU_STALL_SECONDS": "3600",
            **suite.env,
        }
        view = sysroot_view(runner.library, runner.settings, scratch=kfd, env=env)
        self._root, self._env = runner.root, view.env
        self._binds = [*view.binds, *place.binds, Bind(self._output, OUTPUT), Bind(home, HOME)]
        self._argv = [f"{SUITE}/{suite.folder}/{name}", *suite.arguments]
        self._cwd = f"{SUITE}/{suite.folder}"
        self.wanted: list[str] = []

    def _command(self, *words: str) -> list[str]:
        return self._root.command([*self._argv, *words], binds=self._binds, env=self._env, cwd=self._cwd)

    def listing(self) -> tuple[int, str]:
        """Give exit code and output of the list of tests."""
        done = self._root.run(
            [*self._argv, "--gtest_list_tests"],
            binds=self._binds,
            env=self._env,
            cwd=self._cwd,
            check=False,
        )
        return done.returncode, done.stdout if done.stdout.strip() else done.stderr

    def run(
        self, pattern: str, test_seconds: float, binary_seconds: float, heard: Callable[[Ended], None]
    ) -> tuple[float, str]:
        """Run the tests that a filter takes; give the CPU seconds used and the last that was printed."""
        command = self._command(
            f"--gtest_filter={pattern}", f"--gtest_output=json:{OUTPUT}/result.json", "--gtest_color=no"
        )
        done = watch(command, test_seconds=test_seconds, binary_seconds=binary_seconds, heard=heard)
        return done.cpu_seconds, done.tail

    def read_output(self) -> dict[str, tuple[gtest.Outcome, float, str]]:
        """Read the JSON result and remove it; nothing where the process did not end by itself."""
        file = self._output / "result.json"
        try:
            return gtest.read_json(file.read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError):
            return {}
        finally:
            file.unlink(missing_ok=True)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
