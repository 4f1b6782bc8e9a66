"""A run: collect the tests, share them out to workers, gather every outcome.

A crash costs the test that ran and a new process, a hang likewise. Tests marked `exclusive`
run after the others, alone. Knows workers and records; the report and the screen are others'.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import attrs

from rocm_patch.errors import NoGpuError, ValidationError
from rocm_patch.validate.model import Result, Run, Test, result_of
from rocm_patch.validate.workers import Command, GoneError, HungError, Worker

#: Exit code of the suite's process when it left on purpose: the test before it broke the GPU context.
POISONED = "exit code 86"
#: Pytest's exit code for a refused start: conftest found no GPU, or an option is wrong.
REFUSED = "exit code 4"

Listener = Callable[[Run, Result, int], None]


@attrs.frozen
class Settings:
    """How to run: `jobs` processes at once; limits in seconds for a start and for one test."""

    jobs: int = 1
    start_limit: float = 900.0
    test_limit: float = 1800.0
    #: Texts of which a test's id must contain one; none: all tests run.
    only: tuple[str, ...] = ()


class Runner:
    """Runs the suite; `listen` is told of each result with the number of tests in all."""

    def __init__(self, command: Command, folder: Path, settings: Settings, listen: Listener) -> None:
        self.command = command
        self.folder = folder
        self.settings = settings
        self.listen = listen
        self.lock = threading.Lock()
        self.total = 0
        self.trouble: list[BaseException] = []

    def run(self) -> Run:
        """Run everything; NoGpuError or ValidationError where nothing can run at all."""
        begin = time.monotonic()
        first = Worker(self.command, self.folder / "worker-0.log")
        with first:
            message = self._start(first)
            tests = [Test(t["id"], tuple(t["marks"])) for t in message["tests"]]
            if self.settings.only:
                tests = [test for test in tests if any(text in test.id for text in self.settings.only)]
            if not tests:
                raise ValidationError(
                    "no test is left to run",
                    cause=" ".join(f"--only {text}" for text in self.settings.only)
                    if self.settings.only
                    else "the suite collected none",
                    step="name a part of a test's id, such as test_indexing or nonzero",
                )
            self.total = len(tests)
            made = Run(message["about"], {}, datetime.now(timezone.utc).isoformat(timespec="seconds"))
            made.processes = 1
            shared, alone = [t for t in tests if not t.exclusive], [t for t in tests if t.exclusive]
            self._share(made, shared, first)
            self._share(made, alone, first, jobs=1)
        made.seconds = time.monotonic() - begin
        return made

    def _start(self, worker: Worker) -> dict[str, Any]:
        try:
            message = worker.start(self.settings.start_limit)
        except GoneError as error:
            if REFUSED in error.how and "GPU" in error.words:
                raise NoGpuError(
                    "there is no GPU to validate",
                    cause=_sentence(error.words),
                    step="mend what the cause names, then run rocm-patch validate again",
                ) from error
            raise ValidationError(
                "the suite cannot be started",
                cause=f"pytest under {self.command.python} {error.how}",
                detail=error.words.strip().splitlines()[-12:],
                step="that Python needs torch, pytest and numpy; name another by --python",
            ) from error
        except HungError as error:
            raise ValidationError(
                "the suite did not start",
                cause=f"no answer within {self.settings.start_limit:.0f} s",
                detail=worker.last_words().strip().splitlines()[-12:],
                step="see whether a GPU program of another process holds the device",
            ) from error
        if message.get("errors"):
            raise ValidationError(
                "the suite's files cannot be read by this torch",
                cause=f"{len(message['errors'])} of them failed to import",
                detail=message["errors"][0].strip().splitlines()[-12:],
                step="report the torch version with these lines",
            )
        return message

    def _share(self, made: Run, tests: list[Test], first: Worker, jobs: int | None = None) -> None:
        work: queue.SimpleQueue[Test] = queue.SimpleQueue()
        for test in tests:
            work.put(test)
        count = min(jobs or self.settings.jobs, len(tests))
        others = [Worker(self.command, self.folder / f"worker-{n}.log") for n in range(1, count)]
        threads = [
            threading.Thread(target=self._guarded, args=(made, worker, work), daemon=True)
            for worker in ([first, *others] if count else [])
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            for worker in others:
                worker.stop()
        if self.trouble:
            raise self.trouble[0]

    def _guarded(self, made: Run, worker: Worker, work: queue.SimpleQueue[Test]) -> None:
        try:
            self._drain(made, worker, work)
        except BaseException as error:  # noqa: BLE001  (raised again in the main thread)
            self.trouble.append(error)

    def _drain(self, made: Run, worker: Worker, work: queue.SimpleQueue[Test]) -> None:
        while not self.trouble:
            try:
                test = work.get_nowait()
            except queue.Empty:
                return
            if worker.process is None:
                self._start(worker)
                with self.lock:
                    made.processes += 1
            result = self._one(worker, test)
            with self.lock:
                made.results.append(result)
                self.listen(made, result, self.total)

    def _one(self, worker: Worker, test: Test) -> Result:
        begin = time.monotonic()
        try:
            message = worker.run(test.id, self.settings.test_limit)
        except GoneError as error:
            worker.stop()
            text = f"the process {error.how} during this test\n{error.words}"
            return Result(test.id, "crashed", time.monotonic() - begin, text)
        except HungError:
            words = worker.last_words()
            worker.kill()
            text = f"no end within {self.settings.test_limit:.0f} s; the process was ended\n{words}"
            return Result(test.id, "hung", time.monotonic() - begin, text)
        if message.get("poisoned"):
            # The process ends itself: its GPU context is broken, and not by the tests to come.
            worker.stop()
        return result_of(message, worker.last_words())


def _sentence(words: str) -> str:
    """Give the reason from pytest's refusal, without its prefix."""
    lines = [line.strip() for line in words.strip().splitlines() if line.strip()]
    return next(
        (line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")),
        lines[-1] if lines else "",
    )
