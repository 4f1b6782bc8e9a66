"""What a build is made of: a request, a component, its steps, their inputs and outputs.

Declarations only. How steps are run, marked and resumed is the engine's business;
what they do is the component's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import attrs

from rocm_patch.errors import UsageError
from rocm_patch.pipeline.digest import Input

if TYPE_CHECKING:
    from rocm_patch.pipeline.engine import StepRun


@attrs.frozen
class Request:
    """What the user asks for. Only `jobs` and `keep_going` have no say in the outcome."""

    component: str
    version: str
    target: str = "gfx1010"
    python: str = "3.13"
    sdk: str = "sysroot"
    launcher: str = "ccache"
    jobs: int | None = None
    keep_going: bool = False
    #: A part or form of the component that is asked for; empty for the whole.
    flavour: str = ""

    @property
    def label(self) -> str:
        """Name the work folder: one for each SDK, target and Python, as their objects differ."""
        sdk = "".join(c if c.isalnum() or c in ".-" else "-" for c in self.sdk)
        flavour = f"-{self.flavour}" if self.flavour else ""
        return f"{self.component}-{self.version}-{self.target}-py{self.python}-{sdk}{flavour}"


@attrs.frozen
class Estimate:
    """What a step will cost if it has to run.

    `fetch` and `disk` in bytes; `seconds` of wall time for one that is not measured yet;
    `work` counts objects by class for a compile, turned into seconds by the rates.
    """

    fetch: int = 0
    disk: int = 0
    seconds: float = 1.0
    work: Mapping[str, int] = attrs.field(factory=dict)


def no_cost() -> Estimate:
    """Give the estimate of a step that costs next to nothing."""
    return Estimate()


@attrs.frozen
class Step:
    """One arrow of the pipeline.

    `run` does the work. An atomic step fills `run.scratch` with its outputs, which then
    take their places at once; a step that is not atomic works in the folder itself and
    must go on by itself where it was killed (as ninja does).
    `outputs` are files or folders in the work folder that the mark vouches for by hash;
    `keeps` must exist but may change later (a build folder that the next step fills).
    `after` names the steps whose results are read; their keys become inputs.
    `definition` is raised by one when `run` comes to mean something else.
    """

    name: str
    does: str
    run: Callable[[StepRun], None]
    inputs: Mapping[str, Input] = attrs.field(factory=dict)
    after: Sequence[str] = ()
    outputs: Sequence[str] = ()
    keeps: Sequence[str] = ()
    atomic: bool = True
    estimate: Callable[[], Estimate] = no_cost
    tools: Sequence[str] = ()
    definition: int = 1


class Component(Protocol):
    """Something that can be built: its steps, in order, and what of them is handed out."""

    name: str

    def steps(self, request: Request, folder: Path) -> Sequence[Step]:
        """Give the steps for a request; `folder` is the work folder. Does no work."""
        ...

    def products(self, request: Request, folder: Path) -> Sequence[Path]:
        """Give the finished files that go to dist/, in the work folder after a whole run."""
        ...


def check_steps(steps: Sequence[Step]) -> None:
    """Refuse steps with doubled names, doubled outputs, or that read a later step. UsageError."""
    names: set[str] = set()
    outputs: set[str] = set()
    for step in steps:
        if step.name in names:
            raise UsageError(f"two steps are named {step.name}")
        missing = [name for name in step.after if name not in names]
        if missing:
            raise UsageError(f"step {step.name} reads {', '.join(missing)}, which does not come before it")
        doubled = outputs.intersection(step.outputs)
        if doubled:
            raise UsageError(f"step {step.name} makes {', '.join(sorted(doubled))}, as an earlier step does")
        names.add(step.name)
        outputs.update(step.outputs)
