"""A small component compiled for real, and a command that builds it and can be made to die.

`python toy.py ROOT [STEP:POINT] [--until STEP]`: builds in ROOT; kills itself with SIGKILL in
STEP at POINT (start, middle, end, placed), or with POINT `ninja` stays in a compile so
that the test can kill it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from rocm_patch.pipeline import engine
from rocm_patch.pipeline.compile import NinjaBuild, compile_with_ninja
from rocm_patch.pipeline.digest import Text
from rocm_patch.pipeline.engine import Pipeline, StepRun
from rocm_patch.pipeline.lock import WorkLock
from rocm_patch.pipeline.marks import Mark
from rocm_patch.pipeline.marks import write_mark as real_write_mark
from rocm_patch.pipeline.model import Estimate, Request, Step
from rocm_patch.pipeline.sdk import HostSdk, Mount

STEPS = ("sources", "unpack", "configure", "compile", "wheel")
UNITS = 6
CMAKE = f"""\
cmake_minimum_required(VERSION 3.20)
project(toy CXX)
add_executable(toy main.cpp)
# As in PyTorch: what configuring makes and reads, the build makes anew.
file(TOUCH ${{CMAKE_BINARY_DIR}}/read.txt)
add_custom_command(OUTPUT read.txt COMMAND ${{CMAKE_COMMAND}} -E touch read.txt)
add_custom_target(read DEPENDS read.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${{CMAKE_BINARY_DIR}}/read.txt)
foreach(unit RANGE 1 {UNITS})
  target_sources(toy PRIVATE unit${{unit}}.cpp)
endforeach()
"""


class Here(HostSdk):
    """Programs of this machine as they are: the toy is about steps, and not about how an SDK is entered."""

    def seen(self, mount: Mount) -> str:
        return str(mount.outside)

    def command(
        self, argv: Sequence[str], *, mounts: Sequence[Mount], env: Mapping[str, str], cwd: str
    ) -> list[str]:
        del mounts
        return ["env", "--chdir", cwd, *(f"{name}={value}" for name, value in env.items()), *argv]


class Toy:
    """Sources from thin air, one executable."""

    name = "toy"

    def __init__(self, die: tuple[str, str] | None = None, *, greeting: str = "hello") -> None:
        self.die = die
        self.greeting = greeting
        self.sdk = Here(Path(os.environ["TOY_SDK"]))

    def at(self, step: str, point: str) -> None:
        if self.die == (step, point):
            os.kill(os.getpid(), signal.SIGKILL)

    def steps(self, request: Request, folder: Path) -> Sequence[Step]:
        del request, folder
        return [
            Step(
                name="sources", does="write the sources' archive", run=self.sources,
                inputs={"greeting": Text(self.greeting)}, outputs=["archive"],
                estimate=lambda: Estimate(fetch=2_000_000, disk=4_000_000),
            ),
            Step(
                name="unpack", does="unpack it", run=self.unpack, after=["sources"], outputs=["tree"],
            ),
            Step(
                name="configure", does="run cmake", run=self.configure, after=["unpack"],
                inputs={"sdk": Text(dict(self.sdk.describe()))}, outputs=["configured"],
                keeps=["build/build.ninja"], atomic=False, tools=["cmake", "ninja"],
            ),
            Step(
                name="compile", does="run ninja", run=self.compile, after=["configure"],
                outputs=["build/toy"], atomic=False, estimate=lambda: Estimate(work={"c++": UNITS + 1}),
            ),
            Step(
                name="wheel", does="copy the product", run=self.wheel, after=["compile"],
                outputs=["product/toy-1.bin"],
            ),
        ]  # fmt: skip

    def products(self, request: Request, folder: Path) -> Sequence[Path]:
        del request
        return [folder / "product" / "toy-1.bin"]

    def sources(self, run: StepRun) -> None:
        self.at("sources", "start")
        archive = run.scratch / "archive"
        archive.mkdir()
        for unit in range(1, UNITS + 1):
            text = f'#include <string>\nstd::string unit{unit}() {{ return "{unit}"; }}\n'
            (archive / f"unit{unit}.cpp").write_text(text)
            if unit == UNITS // 2:
                self.at("sources", "middle")
        declared = "".join(f"std::string unit{unit}();\n" for unit in range(1, UNITS + 1))
        called = " + ".join(f"unit{unit}()" for unit in range(1, UNITS + 1))
        main = (
            f'#include <iostream>\n{declared}int main() {{ std::cout << "{self.greeting}" << {called}; }}\n'
        )
        (archive / "main.cpp").write_text(main)
        (archive / "CMakeLists.txt").write_text(CMAKE)
        self.at("sources", "end")

    def unpack(self, run: StepRun) -> None:
        self.at("unpack", "start")
        (run.scratch / "tree").mkdir()
        for number, path in enumerate(sorted((run.folder / "archive").iterdir())):
            if number == 2:
                self.at("unpack", "middle")
            shutil.copy2(path, run.scratch / "tree")
        self.at("unpack", "end")

    def configure(self, run: StepRun) -> None:
        self.at("configure", "start")
        argv = ["cmake", "-G", "Ninja", "-S", str(run.folder / "tree"), "-B", str(run.folder / "build")]
        run.call(self.sdk.command(argv, mounts=[], env={}, cwd=str(run.folder)))
        self.at("configure", "middle")
        (run.folder / "configured").write_text("yes\n")
        self.at("configure", "end")

    def compile(self, run: StepRun) -> None:
        self.at("compile", "start")
        build = NinjaBuild(
            sdk=self.sdk, folder=run.folder / "build", mounts=[Mount(run.folder, "/w", write=True)],
            env={"TOY_SLOW": os.environ.get("TOY_SLOW", "")},
            kind_of=lambda name: "c++" if name.endswith(".o") else "link",
        )  # fmt: skip
        if self.die == ("compile", "middle"):
            some = NinjaBuild(
                sdk=build.sdk, folder=build.folder, mounts=build.mounts, env=build.env,
                kind_of=build.kind_of, targets=["CMakeFiles/toy.dir/unit1.cpp.o"],
            )  # fmt: skip
            compile_with_ninja(run, some)
            self.at("compile", "middle")
        compile_with_ninja(run, build)
        self.at("compile", "end")

    def wheel(self, run: StepRun) -> None:
        self.at("wheel", "start")
        (run.scratch / "product").mkdir()
        made = run.scratch / "product" / "toy-1.bin"
        content = (run.folder / "build" / "toy").read_bytes()
        made.write_bytes(content[: len(content) // 2])
        self.at("wheel", "middle")
        made.write_bytes(content)
        made.chmod(0o755)
        self.at("wheel", "end")


def request(**changes: object) -> Request:
    """Give the toy's request; one job, so that other work on the machine is not disturbed."""
    values: dict[str, object] = {"component": "toy", "version": "1.0", "launcher": "none", "jobs": 1}
    return Request(**{**values, **changes})  # type: ignore[arg-type]


def main() -> None:
    root, *rest = sys.argv[1:]
    die = None
    until = None
    greeting = "hello"
    while rest:
        word = rest.pop(0)
        if word == "--until":
            until = rest.pop(0)
        elif word == "--greeting":
            greeting = rest.pop(0)
        else:
            step, point = word.split(":")
            die = (step, point)
    if die is not None and die[1] == "placed":
        step_name = die[0]

        def write_mark(path: Path, mark: Mark) -> None:
            if mark.step == step_name:
                os.kill(os.getpid(), signal.SIGKILL)
            real_write_mark(path, mark)

        mock.patch.object(engine, "write_mark", write_mark).start()
    if die == ("lock", "hold"):
        with WorkLock(Path(root) / "work" / request().label):
            sys.stdout.write("held\n")
            sys.stdout.flush()
            time.sleep(60)
    Pipeline(Toy(die, greeting=greeting), request(), root=Path(root)).run(until=until)


if __name__ == "__main__":
    main()
