"""HIP 7.2.4 on the virtual card: what runs under 6.4 runs, and a fault comes back as an error.

The runtime is Debian experimental's, pinned in build/conformance/rocm-7.2.lock and laid beside the sysroot of
ROCm 6.4, whose compiler and compiler library it uses.
"""

from __future__ import annotations

import re
import subprocess

import attrs
import pytest
from tests.integration.vgpu.test_vgpu_hip import FAULTS
from tests.integration.vgpu.vgputools import Card

from rocm_patch.conformance.model import data_folder
from rocm_patch.sources import ObjectStore
from rocm_patch.sysroot import Bind
from rocm_patch.sysroot.debs import extract, fetched
from rocm_patch.sysroot.lock import load_lock

pytestmark = [pytest.mark.sysroot, pytest.mark.network, pytest.mark.slow]

PACKAGE = "libamdhip64-7"
LIBRARIES = "/hip7/usr/lib/x86_64-linux-gnu"
#: Not with the sysroot's HIP; HIP 7 wants HSA functions that the sysroot's own HSA library lacks.
LINK = ("-no-hip-rt", "-Wl,--allow-shlib-undefined")
ILLEGAL_ADDRESS, LAUNCH_FAILURE = "hipErrorIllegalAddress", "hipErrorLaunchFailure"
#: fault -> what the program is told: the table of docs/vgpu.md
RETURNED = {
    "null": ILLEGAL_ADDRESS,
    "beyond": ILLEGAL_ADDRESS,
    "freed": ILLEGAL_ADDRESS,
    "host": ILLEGAL_ADDRESS,
    "misaligned": ILLEGAL_ADDRESS,
    "trap": LAUNCH_FAILURE,
    "illegal": LAUNCH_FAILURE,
    "hang": LAUNCH_FAILURE,
}


#: a part of basics.hip for each way of coming by memory and of launching
PARTS = ("vector_add", "graph", "stream_allocations", "virtual_memory")


@attrs.frozen
class Hip7:
    """The way to compile with HIP 7 and to run what it made."""

    card: Card
    bind: Bind

    def compile(self, name: str) -> str:
        library = f"{LIBRARIES}/libamdhip64.so.7"
        return self.card.compile(name, *LINK, library, output=f"{name}7", binds=[self.bind])

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        env = {"LD_LIBRARY_PATH": LIBRARIES, "VGPU_STALL_SECONDS": "1"}
        return self.card.run(*argv, binds=[self.bind], env=env)


@pytest.fixture(scope="module")
def hip7(card: Card, tmp_path_factory: pytest.TempPathFactory) -> Hip7:
    lock = load_lock(data_folder() / "rocm-7.2.lock")
    wanted = attrs.evolve(lock, packages=tuple(one for one in lock.packages if one.name == PACKAGE))
    folder = tmp_path_factory.mktemp("hip7")
    with fetched(wanted, ObjectStore(), None) as files:
        extract(list(files.values()), folder, ())
    return Hip7(card=card, bind=Bind(folder, "/hip7", "ro"))


@pytest.fixture(scope="module")
def faults7(hip7: Hip7) -> str:
    return hip7.compile("faults")


@pytest.fixture(scope="module")
def basics7(hip7: Hip7) -> str:
    return hip7.compile("basics")


@pytest.mark.parametrize("kind", RETURNED)
def test_a_fault_comes_back_as_an_error(hip7: Hip7, faults7: str, kind: str) -> None:
    done = hip7.run(faults7, kind)
    # HIP 7 itself prints the state of the queue, without a newline, before the program's last line.
    assert (done.returncode, done.stdout.split()[-1]) == (0, RETURNED[kind]), done.stdout + done.stderr
    told = FAULTS[kind][0] if kind in FAULTS else "GPU Hang"
    assert told in done.stderr
    assert re.search(r"pc 0x[0-9a-f]+ \((kernel )?entry \+ ", done.stderr)


@pytest.mark.parametrize("part", PARTS)
def test_basics(hip7: Hip7, basics7: str, part: str) -> None:
    done = hip7.run(basics7, part)
    assert (done.returncode, done.stdout) == (0, "passed\n"), done.stdout + done.stderr
