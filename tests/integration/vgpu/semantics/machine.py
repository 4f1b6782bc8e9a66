"""A batch of functions compiled for the CPU and, in eight ways, for the card; and the process that runs them.

The process lives as long as the tests: an example of Hypothesis costs a line on its stdin and a launch
for each way of compiling.
"""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import attrs
from tests.integration.vgpu.vgputools import PROGRAMS, Card

from rocm_patch.sysroot import Bind
from rocm_patch.vgpu.launch import sysroot_view
from rocm_patch.vgpu.settings import Settings

WAVES = (32, 64)
#: Nothing is contracted on either side, and no header of HIP's is read: it refuses wave64 on gfx10. No
#: warnings: made programs compare values with themselves and shift by constants that are too large.
_SAME = ("-std=c++20", "-ffp-contract=off", "-w")
_DEVICE = ("--offload-arch=gfx1010", "-nogpuinc", "--genco", *_SAME)
#: Each operation on halves is rounded, as the card does it.
_HOST = ("-x", "c++", "-O1", "-fPIC", "-shared", "-Xclang", "-ffloat16-excess-precision=none", *_SAME)
_COMPILE_SECONDS = 900
_WORD = 8

Words = tuple[int, ...]


@attrs.frozen
class Way:
    """One way of compiling for the card."""

    level: int
    wave: int

    @property
    def name(self) -> str:
        """Give what a report calls it."""
        return f"-O{self.level} wave{self.wave}"

    @property
    def file(self) -> str:
        """Give the code object's name."""
        return f"batch-O{self.level}-wave{self.wave}.co"


WAYS = tuple(Way(level, wave) for wave in WAVES for level in range(4))


@attrs.frozen
class Answer:
    """What one request gave: words of all lanes and then the tail, by the wave size and by the way."""

    cpu: dict[int, Words]
    card: dict[Way, Words]


@attrs.frozen
class Batch:
    """The compiled files of one source, in a folder of their own."""

    card: Card
    folder: Path

    def server(self, settings: Settings | None = None) -> Server:
        """Start the process that runs the batch."""
        return Server(self, settings or Settings())


def compile_batch(card: Card, folder: Path, source: str) -> Batch:
    """Compile a source with everything it needs; as many compilers at once as there are processors."""
    (folder / "batch.hip").write_text(source, encoding="utf-8")
    llvm = max((card.root.path / "usr/lib").glob("llvm-*/bin/clang++")).parent
    inside = f"/{llvm.relative_to(card.root.path)}"
    clang = f"{inside}/clang++"
    server = ("-D__HIP_PLATFORM_AMD__", "/programs/semantics/server.cpp", "-lamdhip64")
    commands = [
        [clang, *_HOST, "batch.hip", "-o", "host.so", "-lm"],
        [clang, "-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", *server, "-o", "server"],
        *(
            ["hipcc", f"-O{way.level}", *_DEVICE, *_wave(way.wave), "batch.hip", "-o", way.file]
            for way in WAYS
        ),
    ]

    def run(command: list[str]) -> None:
        card.root.run(
            command,
            binds=[Bind(PROGRAMS, "/programs", "ro"), Bind(folder, "/batch")],
            cwd="/batch",
            env={"HIP_CLANG_PATH": inside, "CPLUS_INCLUDE_PATH": "/programs/semantics"},
            timeout=_COMPILE_SECONDS,
        )

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(run, commands))
    return Batch(card=card, folder=folder)


def _wave(size: int) -> tuple[str, ...]:
    return ("-mwavefrontsize64",) if size == 64 else ()


class Server:
    """The running process; `run` asks it. Call `close` at the end (contextlib.closing does)."""

    def __init__(self, batch: Batch, settings: Settings) -> None:
        """Start the process; it loads the batch before the first answer."""
        self._batch = batch
        self._settings = settings
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        view = sysroot_view(self._batch.card.library, self._settings, scratch=self._batch.card.scratch())
        command = self._batch.card.root.command(
            ["/batch/server", "/batch/host.so", *(f"/batch/{way.file}" for way in WAYS)],
            binds=[*view.binds, Bind(self._batch.folder, "/batch")],
            env=view.env,
        )
        with (self._batch.folder / "stderr").open("wb") as said:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)

    def run(
        self, name: str, lanes: Sequence[Words], *, outputs: int, tail: Words = (), threads: int = 64
    ) -> Answer:
        """Run a function on the CPU and each of its kernels on the card.

        Every lane has its words in `lanes` and gives `outputs` words; `tail` lies behind them in memory that
        all lanes share. Fails where the process ends, as it does when a kernel faults; the next request
        starts another, so that Hypothesis can go on.
        """
        if self._process.poll() is not None:
            self._process = self._start()
        size = len(lanes[0])
        flat = [word for lane in lanes for word in lane] + list(tail)
        head = f"{name} {len(lanes)} {size} {outputs} {len(tail)} {threads}\n"
        stdin, stdout = self._pipes()
        try:
            stdin.write(head.encode() + struct.pack(f"<{len(flat)}Q", *flat))
            stdin.flush()
        except BrokenPipeError:
            raise AssertionError(self._ended(name, b"")) from None
        told = stdout.readline()
        every = len(lanes) * outputs + len(tail)
        wanted = every * _WORD * (len(WAVES) + len(WAYS))
        data = stdout.read(wanted) if told == b"ok %d\n" % wanted else b""
        if len(data) != wanted:
            raise AssertionError(self._ended(name, told))
        blocks = list(struct.iter_unpack(f"<{every}Q", data))
        return Answer(
            cpu=dict(zip(WAVES, blocks, strict=False)),
            card=dict(zip(WAYS, blocks[len(WAVES) :], strict=True)),
        )

    def close(self) -> None:
        """End the process."""
        stdin, stdout = self._pipes()
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        self._process.wait()
        stdout.close()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def _ended(self, name: str, told: bytes) -> str:
        self._process.kill()
        self.close()
        said = (self._batch.folder / "stderr").read_text(encoding="utf-8", errors="replace")
        return f"{name}: the card's process ended: {told.decode(errors='replace')}{said[-3000:]}"


def differences(answer: Answer, outputs: int) -> Iterator[tuple[Way, int, int]]:
    """Give where the card's results are not the CPU's: the way, the lane, the output."""
    for way, got in answer.card.items():
        wanted = answer.cpu[way.wave]
        if got != wanted:
            for at, (a, b) in enumerate(zip(wanted, got, strict=True)):
                if a != b:
                    yield way, at // outputs, at % outputs
