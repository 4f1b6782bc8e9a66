"""HIP programs through the real HIP runtime of the sysroot, each part checked against the CPU."""

from __future__ import annotations

import json
import re

import pytest
from tests.integration.vgpu.vgputools import Card

from rocm_patch.vgpu.demo import run_demo
from rocm_patch.vgpu.settings import Settings

pytestmark = [pytest.mark.sysroot, pytest.mark.slow]

PARTS = (
    "vector_add",
    "reduction",
    "shuffle",
    "streams_and_events",
    "host_callbacks",
    "registered_and_managed",
    "copies_of_shapes",
    "device_globals",
    "scratch",
    "doubles",
    "graph",
    "stream_allocations",
    "virtual_memory",
    "cooperative",
    "limits",
)
FAULTS = {
    "null": ("Memory access fault by GPU node-1", "MEMORY_FAULT"),
    "beyond": ("Memory access fault by GPU node-1", "MEMORY_FAULT"),
    "freed": ("Memory access fault by GPU node-1", "MEMORY_FAULT"),
    "host": ("Memory access fault by GPU node-1", "MEMORY_FAULT"),
    "misaligned": ("misaligned access", "MEMORY_APERTURE_VIOLATION"),
    "lds": ("4-byte write at LDS offset 4000, the workgroup has 512 bytes", "MEMORY_APERTURE_VIOLATION"),
    "trap": ("trap", "HSA_STATUS_ERROR_EXCEPTION"),
    "illegal": ("illegal instruction", "ILLEGAL_INSTRUCTION"),
}
SIGABRT = 6
#: A line of --trace: workgroup and wave, exec, pc, text, and what the first lane or the scalar register got.
TRACED = re.compile(
    r"(?P<where>\d+,\d+,\d+ wave \d+) exec (?P<exec>[0-9a-f]{16}) pc (?P<pc>[0-9a-f]+): "
    r"(?P<text>[^;]+?)(?:  ; (?P<result>[vs] [0-9a-f]{8}))?"
)


@pytest.fixture(scope="session")
def faults(card: Card) -> str:
    return card.compile("faults")


@pytest.mark.parametrize("part", PARTS)
def test_basics(card: Card, basics: str, part: str) -> None:
    done = card.run(basics, part)
    assert (done.returncode, done.stdout) == (0, "passed\n"), done.stdout + done.stderr


def test_device_printf_reaches_the_host(card: Card, basics: str) -> None:
    done = card.run(basics, "device_printf")
    lines = sorted(done.stdout.splitlines())
    assert lines == ["passed", *(f"thread {i} says 42" for i in range(3))], done.stderr


@pytest.mark.parametrize(
    ("profile", "shown"),
    [
        ("rx5600xt", "AMD Radeon RX 5600 XT (virtual)|gfx1010:xnack-|18|32|6425673728|65536"),
        ("rx5700xt", "AMD Radeon RX 5700 XT (virtual)|gfx1010:xnack-|20|32|8573157376|65536"),
    ],
)
def test_properties_read_like_the_card(card: Card, basics: str, profile: str, shown: str) -> None:
    done = card.run(basics, "properties", settings=Settings(profile=profile))
    assert done.stdout.splitlines()[0] == shown


@pytest.mark.parametrize("kind", FAULTS)
def test_a_faulting_kernel_is_reported_and_never_counts_as_done(card: Card, faults: str, kind: str) -> None:
    done = card.run(faults, kind)
    told, status = FAULTS[kind]
    # HIP 6.4 ends the process in its own queue callback, as on a real card; HIP 7 returns an error.
    assert "survived" not in done.stdout
    assert done.returncode in (0, 128 + SIGABRT)
    assert told in done.stderr
    if done.returncode:
        assert status in done.stderr
    else:
        assert "hipError" in done.stdout
    assert re.search(r"kernel _Z\w+, workgroup \(0, 0, 0\), wave 0, lane 0", done.stderr)
    assert re.search(r"pc 0x[0-9a-f]+ \(kernel entry \+ 0x[0-9a-f]+\): ", done.stderr)


def test_a_kernel_without_progress_is_reported_with_where_it_stands(card: Card, faults: str) -> None:
    done = card.run(faults, "hang", env={"VGPU_STALL_SECONDS": "3"})
    assert "survived" not in done.stdout
    assert "HW Exception by GPU node-1" in done.stderr
    assert "GPU Hang" in done.stderr
    assert re.search(r"workgroup \(0, 0, 0\) wave 1 runs at pc 0x[0-9a-f]+ \(entry \+ ", done.stderr)


def test_the_nearest_allocation_is_named(card: Card, faults: str) -> None:
    done = card.run(faults, "freed")
    assert re.search(r"device allocation of 4096 bytes at 0x[0-9a-f]+", done.stderr)


def test_strict_names_a_use_after_free(card: Card, faults: str) -> None:
    done = card.run(faults, "freed", settings=Settings(strict=True))
    assert "freed device allocation" in done.stderr


def test_two_cards_see_each_other(card: Card) -> None:
    program = card.compile("peers")
    done = card.run(program, settings=Settings(devices=2))
    assert done.stdout == "passed\n", done.stderr


def test_two_processes_share_memory(card: Card) -> None:
    program = card.compile("ipc")
    done = card.run(program)
    assert done.stdout == "passed\n", done.stderr


def test_statistics_name_the_kernels(card: Card, basics: str) -> None:
    out = card.work / "stats.json"
    done = card.run(basics, "vector_add", settings=Settings(stats=str(out)))
    assert done.returncode == 0
    devices = json.loads(out.read_text(encoding="utf-8"))["devices"]
    assert len(devices) == 1
    assert "_Z3addPKfS0_Pfi" in json.dumps(devices)


def test_the_trace_holds_every_instruction_of_every_wave(card: Card, basics: str) -> None:
    trace, stats = card.work / "trace.txt", card.work / "traced.json"
    done = card.run(basics, "shuffle", settings=Settings(trace=str(trace), stats=str(stats)))
    assert (done.returncode, done.stdout) == (0, "passed\n"), done.stdout + done.stderr
    lines = [TRACED.fullmatch(line) for line in trace.read_text(encoding="utf-8").splitlines()]
    steps = [one for one in lines if one is not None]
    assert len(steps) == len(lines)
    kernels = {one["name"]: one for one in json.loads(stats.read_text("utf-8"))["devices"][0]["kernels"]}
    # What --stats counts beside it: HIP's own kernels, which copy, and the program's.
    assert len(steps) == sum(one["instructions"] for one in kernels.values())
    assert sum(one["text"].startswith("v_") for one in steps) == sum(one["valu"] for one in kernels.values())
    texts = [one["text"] for one in steps]
    assert texts.count("s_endpgm") == sum(one["waves"] for one in kernels.values())
    # The program's is one wave of 32 lanes.
    end = texts.index("s_endpgm", next(i for i, text in enumerate(texts) if text.startswith("ds_bpermute")))
    own = steps[end + 1 - kernels["_Z15reverse_in_wavePi"]["instructions"] : end + 1]
    assert {(one["where"], one["exec"]) for one in own} == {("0,0,0 wave 0", "00000000ffffffff")}
    # The data are 0 to 31: lane 0 loads 0 and is given 31.
    got = {one["text"].split()[0]: one["result"] for one in own}
    assert got["global_load_dword"] == "v 00000000"
    assert got["ds_bpermute_b32"] == "v 0000001f"


def test_a_trace_that_cannot_be_written_is_told(card: Card, basics: str) -> None:
    done = card.run(basics, "shuffle", env={"VGPU_TRACE": "/no/such/folder/trace"})
    assert done.stdout == "passed\n"
    assert "vgpu: cannot write the trace to /no/such/folder/trace: No such file or directory" in done.stderr


def test_the_log_tells_of_launches(card: Card, basics: str) -> None:
    done = card.run(basics, "vector_add", settings=Settings(log="1"))
    assert re.search(
        r"^vgpu: queue \d+: _Z3addPKfS0_Pfi grid 10240x1x1 workgroup 256x1x1$", done.stderr, re.MULTILINE
    )


def test_rocminfo_lists_the_card(card: Card) -> None:
    done = card.run("rocminfo")
    assert done.returncode == 0, done.stderr
    assert "AMD Radeon RX 5600 XT (virtual)" in done.stdout
    assert "amdgcn-amd-amdhsa--gfx1010:xnack-" in done.stdout
    assert re.search(r"Compute Unit: +36\b", done.stdout)


def test_rocm_agent_enumerator_lists_the_card(card: Card) -> None:
    done = card.run("rocm_agent_enumerator", settings=Settings(devices=2))
    assert done.stdout.split().count("gfx1010") == 2, done.stderr


def test_the_demonstration_is_right_and_counts_its_kernels(card: Card) -> None:
    heard: list[str] = []
    outcome = run_demo(card.root, card.library, Settings(), size=128, report=heard.append)
    assert outcome.text.endswith("all right\n")
    assert len(heard) == 2
    names = [one.name for one in outcome.kernels]
    assert any(name.startswith("Cijk_") for name in names)
    assert "_Z3addPKfS0_Pfi" in names
    assert all(one.instructions > 0 for one in outcome.kernels)
