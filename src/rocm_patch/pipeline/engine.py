"""Plan and run the steps of a component.

A step's key is the hash of its name, its definition, its inputs and the keys of the
steps it reads; with the key in its mark and its outputs untouched a step is done.
Whatever is killed, the next run starts at the first step that is not. Knows nothing of
any component: their steps are handed in.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch.errors import BuildError, DiskSpaceError, UsageError
from rocm_patch.paths import cache_root
from rocm_patch.pipeline import machine, process
from rocm_patch.pipeline.digest import DigestIndex, input_digests, text_digest
from rocm_patch.pipeline.lock import WorkLock
from rocm_patch.pipeline.marks import Mark, Verdict, judge, observe, write_mark
from rocm_patch.pipeline.measure import Meter, Usage
from rocm_patch.pipeline.model import Component, Estimate, Request, Step, check_steps
from rocm_patch.pipeline.rates import Rates
from rocm_patch.pipeline.report import Reporter


@attrs.frozen
class Planned:
    """A step with its key, its inputs' digests, and whether its result stands."""

    step: Step
    key: str
    inputs: dict[str, str]
    verdict: Verdict
    estimate: Estimate
    seconds: float


@attrs.frozen
class Plan:
    """All steps of a request, in order."""

    request: Request
    folder: Path
    steps: list[Planned]
    jobs: int

    @property
    def to_do(self) -> list[Planned]:
        """Give the steps that would run."""
        return [item for item in self.steps if not item.verdict.fresh]

    def total(self) -> Estimate:
        """Give what the steps that would run cost together."""
        return Estimate(
            fetch=sum(item.estimate.fetch for item in self.to_do),
            disk=sum(item.estimate.disk for item in self.to_do),
            seconds=sum(item.seconds for item in self.to_do),
        )

    @property
    def key(self) -> str:
        """Name the whole build: the hash of every step's key."""
        return text_digest([item.key for item in self.steps])


@attrs.define
class StepRun:
    """What a step gets to work with.

    `scratch` is an empty folder of an atomic step: its outputs are made there and take
    their places under `folder` when the step returns. `facts` goes into the build record.
    """

    request: Request
    step: Step
    folder: Path
    scratch: Path
    key: str
    keys: Mapping[str, str]
    jobs: int
    log: process.StepLog
    reporter: Reporter
    rates: Rates
    facts: dict[str, object] = attrs.field(factory=dict)

    def call(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        watch: Callable[[str], None] | None = None,
        next_step: str = "",
    ) -> None:
        """Run a program, output to the log, `env` added to this process's. BuildError where it fails."""
        environment = {**os.environ, **(env or {})}
        what = f"step {self.step.name} of {self.request.component} {self.request.version}"
        process.call(
            argv, log=self.log, what=what, cwd=cwd, env=environment, watch=watch, next_step=next_step
        )


class Pipeline:
    """The steps of one component for one request, in their work folder."""

    def __init__(
        self,
        component: Component,
        request: Request,
        *,
        reporter: Reporter | None = None,
        root: Path | None = None,
    ) -> None:
        """Find the work folder (work/ of the cache); nothing is written yet."""
        self.component = component
        self.request = request
        self.root = root or cache_root()
        self.folder = self.root / "work" / request.label
        self.state = self.folder / "state"
        self.reporter = reporter or Reporter()
        self.steps = list(component.steps(request, self.folder))
        check_steps(self.steps)

    def jobs(self) -> int:
        """Give how many compilers may run: as asked for, else by cores and memory."""
        if self.request.jobs is not None:
            return self.request.jobs
        return machine.default_jobs(machine.cores(), machine.available_memory())

    def plan(self, *, thorough: bool = False, rates: Rates | None = None) -> Plan:
        """Say of each step whether its result stands. Writes nothing."""
        index = DigestIndex(self.root / "index.json")
        return self._plan(index, rates or self.rates(), thorough=thorough)

    def rates(self) -> Rates:
        """Load this machine's rates."""
        return Rates.load(self.root / "rates.json")

    def _plan(self, index: DigestIndex, rates: Rates, *, thorough: bool) -> Plan:
        keys: dict[str, str] = {}
        planned = []
        jobs = self.jobs()
        stale: dict[str, str] = {}
        for step in self.steps:
            key, inputs = self._key(step, keys, index)
            keys[step.name] = key
            verdict = self._judge(step, key, inputs, index, thorough=thorough)
            redone = [name for name in step.after if name in stale]
            if verdict.fresh and redone:
                # Same key, but a result it was made from is gone: what follows is made
                # anew where it is atomic; a compile finds out by itself what that means.
                verdict = Verdict(fresh=False, reason=f"follows {', '.join(redone)}", mark=verdict.mark)
            if not verdict.fresh:
                stale[step.name] = verdict.reason
            estimate = step.estimate()
            planned.append(
                Planned(
                    step=step, key=key, inputs=inputs, verdict=verdict, estimate=estimate,
                    seconds=self._seconds(step, estimate, rates, jobs),
                )
            )  # fmt: skip
        return Plan(request=self.request, folder=self.folder, steps=planned, jobs=jobs)

    def _key(self, step: Step, keys: Mapping[str, str], index: DigestIndex) -> tuple[str, dict[str, str]]:
        inputs = input_digests(step.inputs, index)
        inputs.update({f"step {name}": keys[name] for name in step.after})
        names = [self.component.name, self.request.version, step.name, step.definition]
        return text_digest([names, inputs]), inputs

    def _judge(
        self, step: Step, key: str, inputs: dict[str, str], index: DigestIndex, *, thorough: bool
    ) -> Verdict:
        return judge(
            self._mark_path(step), self.folder, key, inputs,
            outputs=step.outputs, keeps=step.keeps, index=index, thorough=thorough,
        )  # fmt: skip

    def _mark_path(self, step: Step) -> Path:
        return self.state / f"{step.name}.mark.json"

    def _seconds(self, step: Step, estimate: Estimate, rates: Rates, jobs: int) -> float:
        known = rates.steps.get(f"{self.component.name}/{step.name}")
        if estimate.work:
            return rates.of_work(estimate.work) / jobs
        if estimate.fetch:
            return estimate.fetch / rates.fetch + estimate.seconds
        return known if known is not None else estimate.seconds

    def run(
        self,
        *,
        until: str | None = None,
        wait_s: float | None = 0.0,
        thorough: bool = False,
        plan_shown: Callable[[Plan], None] | None = None,
    ) -> Plan:
        """Run every step that is not done, up to `until`. Gives the plan as it stands afterwards.

        Raises BusyError, MissingToolError, DiskSpaceError before anything is done, and
        whatever a step raises.
        """
        if until is not None and until not in {step.name for step in self.steps}:
            raise UsageError(
                f"there is no step {until}", step=f"one of: {', '.join(step.name for step in self.steps)}"
            )
        with WorkLock(self.folder, wait_s=wait_s, say=self.reporter.say):
            index = DigestIndex(self.root / "index.json")
            rates = self.rates()
            plan = self._plan(index, rates, thorough=thorough)
            if plan_shown is not None:
                plan_shown(plan)
            wanted = _up_to(plan.steps, until)
            pending = [item for item in wanted if not item.verdict.fresh]
            machine.check_tools([tool for item in pending for tool in item.step.tools])
            machine.check_disk(self.folder, sum(item.estimate.disk for item in pending))
            try:
                for item in pending:
                    self._run_step(item, plan, index, rates)
            finally:
                index.save()
                rates.save()
            return self._plan(index, rates, thorough=False)

    def _run_step(self, item: Planned, plan: Plan, index: DigestIndex, rates: Rates) -> None:
        step = item.step
        scratch = self.folder / "scratch" / step.name
        _remove(scratch)
        scratch.mkdir(parents=True)
        if not step.atomic:
            # Ninja goes by times: to it a damaged file is a new one. Gone, it is made again.
            for name in item.verdict.damaged:
                _remove(self.folder / name)
        self._mark_path(step).unlink(missing_ok=True)
        logs = self.root / "logs" / self.component.name / self.request.version
        self.reporter.say(f"{step.name}: {step.does} ({item.verdict.reason})")
        meter = Meter(self.state / f"{step.name}.attempts.json")
        with process.StepLog(logs, step.name) as log, meter:
            log.line(f"-- {step.name} of {self.request.label}, key {item.key}")
            run = StepRun(
                request=self.request, step=step, folder=self.folder, scratch=scratch, key=item.key,
                keys={other.step.name: other.key for other in plan.steps}, jobs=plan.jobs, log=log,
                reporter=self.reporter, rates=rates,
            )  # fmt: skip
            try:
                step.run(run)
                if step.atomic:
                    self._place(step, scratch)
                outputs = observe(self.folder, step.outputs, index)
            except FileNotFoundError as error:
                raise BuildError(
                    f"step {step.name} did not make what it should",
                    cause=str(error),
                    detail=[f"whole log: {log.path}"],
                    step="this is a fault of the recipe: report it with the log",
                ) from error
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise DiskSpaceError(
                    f"the disk is full in step {step.name}",
                    cause=str(error),
                    step="make room and run the same command again; what is done stays done",
                ) from error
        self._finish(item, meter, outputs, log, run)
        rates.learn_step(self.component.name, step.name, meter.usage.wall_s)
        _remove(scratch)
        self.reporter.say(f"{step.name}: done in {meter.usage.wall_s:.1f} s")

    def _finish(
        self,
        item: Planned,
        meter: Meter,
        outputs: dict[str, dict[str, str]],
        log: process.StepLog,
        run: StepRun,
    ) -> None:
        usage: Usage = meter.usage
        mark = Mark(
            step=item.step.name,
            key=item.key,
            inputs=item.inputs,
            outputs=outputs,
            usage={name: round(value, 3) for name, value in attrs.asdict(usage).items()},
            facts=run.facts,
            log=log.path.name,
            finished=time.strftime("%FT%TZ", time.gmtime()),
        )
        write_mark(self._mark_path(item.step), mark)
        meter.forget()

    def _place(self, step: Step, scratch: Path) -> None:
        """Move an atomic step's outputs to their places; a kill in between leaves no mark."""
        for name in step.outputs:
            made = scratch / name
            if not made.exists() and not made.is_symlink():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
            place = self.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_dir() and not place.is_symlink():
                old = self.folder / "scratch" / f"old-{step.name}"
                _remove(old)
                place.rename(old)
                made.rename(place)
                _remove(old)
            else:
                made.replace(place)

    def clean(self, *, wait_s: float | None = 0.0) -> None:
        """Remove the work folder; downloads, compiler cache, rates and logs stay."""
        with WorkLock(self.folder, wait_s=wait_s, say=self.reporter.say):
            for entry in self.folder.iterdir():
                if entry.name != "lock":
                    _remove(entry)

    def products(self) -> list[Path]:
        """Give the finished files."""
        return list(self.component.products(self.request, self.folder))


def _up_to(steps: Sequence[Planned], until: str | None) -> list[Planned]:
    if until is None:
        return list(steps)
    names = [item.step.name for item in steps]
    return list(steps[: names.index(until) + 1])


def _remove(path: Path) -> None:
    """Remove a file or a folder, also one whose folders are not writable."""
    if path.is_dir() and not path.is_symlink():
        for folder, _, _ in os.walk(path):
            if not os.access(folder, os.W_OK | os.X_OK):
                os.chmod(folder, 0o700)  # noqa: PTH101 - os.walk gives strings
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
