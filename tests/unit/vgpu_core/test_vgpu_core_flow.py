"""Program control, scalar constants, registers chosen by M0, modes: short programs on one wave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.vgpu_core.integers import M32, signed
from tests.unit.vgpu_core.machine import MachineFaultError
from tests.unit.vgpu_core.table import ROWS, buffer, ds, scalar, smem, sopk, sopp

if TYPE_CHECKING:
    from tests.unit.vgpu_core.machine import Machine

SCC, VCC, EXEC, M0, NULL = 128, 106, 126, 124, 125
ONE, TWO = 129, 130  # inline constants
#: (mnemonic, slots that make it jump, slots that do not)
BRANCHES: dict[str, tuple[dict[int, int] | None, dict[int, int] | None]] = {
    "s_branch": ({}, None),
    "s_cbranch_scc0": ({SCC: 0}, {SCC: 1}),
    "s_cbranch_scc1": ({SCC: 1}, {SCC: 0}),
    "s_cbranch_vccz": ({VCC: 0, VCC + 1: 4}, {VCC: 4}),
    "s_cbranch_vccnz": ({VCC: 4}, {VCC: 0, VCC + 1: 4}),
    "s_cbranch_execz": ({EXEC: 0}, {EXEC: 4}),
    "s_cbranch_execnz": ({EXEC: 4}, {EXEC: 0}),
    # No debugger is ever there.
    "s_cbranch_cdbgsys": (None, {}),
    "s_cbranch_cdbguser": (None, {}),
    "s_cbranch_cdbgsys_or_user": (None, {}),
    "s_cbranch_cdbgsys_and_user": (None, {}),
}
ENDS = ("s_endpgm", "s_endpgm_saved", "s_endpgm_ordered_ps_done")
#: Timing, caches, profiling: the next instruction runs, nothing else changes.
NOTHING = [
    "s_nop",
    "s_wakeup",
    "s_setkill",
    "s_waitcnt",
    "s_sethalt",
    "s_setprio",
    "s_sendmsg",
    "s_icache_inv",
    "s_incperflevel",
    "s_decperflevel",
    "s_ttracedata",
    "s_inst_prefetch",
    "s_clause",
    "s_wait_idle",
    "s_waitcnt_depctr",
    "s_ttracedata_imm",
    "s_barrier",
]
WAITS = [name for name in ROWS if name.startswith("s_waitcnt_") and ROWS[name].fmt == "SOPK"]
CACHES = [
    "s_dcache_inv",
    "s_dcache_wb",
    "s_gl1_inv",
    "s_dcache_discard",
    "s_dcache_discard_x2",
    "s_atc_probe",
    "s_atc_probe_buffer",
]
JUMPS = ("s_getpc_b64", "s_setpc_b64", "s_swappc_b64", "s_rfe_b64", "s_call_b64")
CONSTANTS = ("s_movk_i32", "s_cmovk_i32", "s_addk_i32", "s_mulk_i32")
MODES = ("s_getreg_b32", "s_setreg_b32", "s_setreg_imm32_b32", "s_round_mode", "s_denorm_mode")
WREXEC = [f"s_{op}_wrexec_b{bits}" for op in ("andn1", "andn2") for bits in (32, 64)]
BITS = [f"s_bit{op}_b{bits}" for op in ("set0", "set1", "cmp0", "cmp1") for bits in (32, 64)]
MOVES = ["s_cmov_b32", "s_cmov_b64", "s_movreld_b32", "s_movreld_b64", "s_movrels_b64", "s_movrelsd_2_b32"]
LOOPS = ("s_subvector_loop_begin", "s_subvector_loop_end")
OTHER = [
    "s_trap",
    "s_sleep",
    "s_sendmsghalt",
    "s_code_end",
    "s_version",
    "s_memtime",
    "s_memrealtime",
    "s_get_waveid_in_workgroup",
]
SCRATCH = [f"s_scratch_{op}_dword{n}" for op in ("load", "store") for n in ("", "x2", "x4")]
COVERED = {
    *BRANCHES,
    *ENDS,
    *NOTHING,
    *WAITS,
    *CACHES,
    *JUMPS,
    *CONSTANTS,
    *MODES,
    *WREXEC,
    *BITS,
    *MOVES,
    *LOOPS,
}
COVERED |= {*OTHER, *SCRATCH, "s_cmp_eq_u64", "s_cmp_lg_u64", "buffer_gl0_inv", "buffer_gl1_inv"}

GWS = sorted(name for name in ROWS if name.startswith("ds_gws_"))
COVERED |= {*GWS, "ds_ordered_count"}

MARK = scalar("s_mov_b32", 20, [ONE])  # s20 = 1: the instruction behind was reached


def reached(machine: Machine, words: list[int], slots: dict[int, int] | None = None) -> bool:
    """Play the words and then the mark; was it reached?"""
    answer = machine.step([*words, *MARK], scalars={20: 7, **(slots or {})}, read=["s 20"], play=True)
    return answer == [1]


@pytest.mark.parametrize("name", sorted(BRANCHES))
def test_branch(machine: Machine, name: str) -> None:
    """A jump over one instruction."""
    jump, stay = BRANCHES[name]
    if jump is not None:
        assert not reached(machine, sopp(name, 1), jump)
    if stay is not None:
        assert reached(machine, sopp(name, 1), stay)


def test_backward_branch(machine: Machine) -> None:
    loop = [
        *scalar("s_add_u32", 20, [20, ONE]),
        *scalar("s_cmp_lt_u32", 0, [20, 140]),
        *sopp("s_cbranch_scc1", -3),
    ]
    assert machine.step(loop, scalars={20: 0}, read=["s 20"], play=True) == [12]


@pytest.mark.parametrize("name", ENDS)
def test_end(machine: Machine, name: str) -> None:
    assert not reached(machine, sopp(name))


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_happens(machine: Machine, name: str) -> None:
    assert reached(machine, sopp(name, 0))


@pytest.mark.parametrize("name", [*WAITS, "s_version"])
def test_waits(machine: Machine, name: str) -> None:
    assert reached(machine, sopk(name, NULL, 0))


@pytest.mark.parametrize("name", CACHES)
def test_scalar_caches(machine: Machine, name: str) -> None:
    (base,) = machine.ask(["get base"])
    assert reached(machine, smem(name, 0, 4), {4: base & M32, 5: base >> 32})


@pytest.mark.parametrize("name", ["buffer_gl0_inv", "buffer_gl1_inv"])
def test_vector_caches(machine: Machine, name: str) -> None:
    assert reached(machine, buffer(name, 0, 0))


def test_jumps_to_registers(machine: Machine) -> None:
    """s_getpc gives the address behind itself; the jumps land where the register says."""
    for name in ("s_setpc_b64", "s_rfe_b64", "s_swappc_b64"):
        jump = scalar(name, 6, [4])
        words = [*scalar("s_getpc_b64", 4, [0]), *scalar("s_add_u32", 4, [4, 140]), *jump, *MARK]
        words += scalar("s_mov_b32", 21, [TWO])
        answer = machine.step(
            words, scalars={20: 7}, read=["s 20", "s 21", "s 4", "s 6", "s 5", "s 7"], play=True
        )
        assert answer[:2] == [7, 2]
        if name == "s_swappc_b64":  # the way back: behind the jump
            assert answer[3] | answer[5] << 32 == (answer[2] | answer[4] << 32) - 4


def test_call(machine: Machine) -> None:
    words = [*scalar("s_getpc_b64", 4, [0]), *sopk("s_call_b64", 6, 1), *MARK]
    answer = machine.step(words, scalars={20: 7}, read=["s 20", "s 4", "s 6"], play=True)
    assert answer[0] == 7
    assert answer[2] == answer[1] + 4


@pytest.mark.parametrize(("low", "high", "rounds"), [(5, 9, 2), (5, 0, 1), (0, 9, 1), (0, 0, 0)])
def test_loop_over_half_waves(machine: Machine, low: int, high: int, rounds: int) -> None:
    """wave64: the body runs once for each half that has a lane; exec is whole again behind it."""
    words = [*sopk("s_subvector_loop_begin", 8, 2), *scalar("s_add_u32", 20, [20, ONE])]
    words += sopk("s_subvector_loop_end", 8, -2)
    slots = {20: 0, EXEC: low, EXEC + 1: high}
    answer = machine.step(words, scalars=slots, read=["s 20", "s 126", "s 127"], wave=64, play=True)
    assert answer == [rounds, low, high]


@pytest.mark.parametrize("constant", [0, 5, 0x7FFF, 0x8000, 0xFFFF])
def test_constants(machine: Machine, constant: int) -> None:
    value = signed(constant, 16)
    assert machine.step(sopk("s_movk_i32", 20, constant), read=["s 20"]) == [value & M32]
    for scc in (0, 1):
        got = machine.step(sopk("s_cmovk_i32", 20, constant), scalars={20: 9, SCC: scc}, read=["s 20"])
        assert got == [value & M32 if scc else 9]
    for old in (0, 0x7FFFFFFF, 0x80000000, M32, 12345):
        total = signed(old) + value
        got = machine.step(sopk("s_addk_i32", 20, constant), scalars={20: old}, read=["s 20", "s 128"])
        assert got == [total & M32, int(not -(1 << 31) <= total < 1 << 31)]
        got = machine.step(
            sopk("s_mulk_i32", 20, constant), scalars={20: old, SCC: 1}, read=["s 20", "s 128"]
        )
        assert got == [signed(old) * value & M32, 1]


def hwreg(number: int, offset: int, size: int) -> int:
    """The constant that names bits of a hardware register."""
    return number | offset << 6 | (size - 1) << 11


def test_mode_register(machine: Machine) -> None:
    """Rounding in bits 3:0, denormals in 7:4; fields are read and written alone."""
    read = sopk("s_getreg_b32", 20, hwreg(1, 0, 32))
    assert machine.step(read, read=["s 20"], play=True) == [0x3F0]
    assert machine.step(sopk("s_getreg_b32", 20, hwreg(1, 4, 4)), read=["s 20"]) == [0xF]
    field = hwreg(1, 2, 2)
    for words, want in (
        ([*sopk("s_setreg_b32", 4, field), *read], 0x3F8),
        ([*sopk("s_setreg_imm32_b32", 0, field), 0xFFFFFFF3, *read], 0x3FC),
        ([*sopp("s_round_mode", 0x6), *read], 0x3F6),
        ([*sopp("s_denorm_mode", 0x3), *read], 0x330),
    ):
        assert machine.step(words, scalars={4: 2}, read=["s 20"], play=True) == [want]


@pytest.mark.parametrize("name", WREXEC)
def test_write_exec(machine: Machine, name: str) -> None:
    wide = name.endswith("64")
    source, old = 0x0F0F_1234_5678_9ABC, 0x3C3C_FFFF_0000_FFFF
    want = ~source & old if "andn1" in name else source & ~old
    slots = {4: source & M32, 5: source >> 32, EXEC: old & M32, EXEC + 1: old >> 32}
    answer = machine.step(
        scalar(name, 20, [4]),
        scalars=slots,
        read=["s 20", "s 126", "s 128", "s 21", "s 127"],
        wave=64 if wide else 32,
    )
    assert answer[:3] == [want & M32, want & M32, 1]
    if wide:
        assert answer[3:] == [want >> 32 & M32] * 2


@pytest.mark.parametrize("name", BITS)
def test_single_bits(machine: Machine, name: str) -> None:
    bits = 64 if name.endswith("64") else 32
    value = 0xA5A5_0FF0_5AA5_1234
    for position in (0, 5, 31, 32, 37, 63):
        at = position % bits
        low, high = value & M32, value >> 32
        is_set = value >> at & 1
        if "bitcmp" in name:
            answer = machine.step(
                scalar(name, 0, [4, 8]), scalars={4: low, 5: high, 8: position}, read=["s 128"]
            )
            assert answer == [int(is_set == int("cmp1" in name))]
            continue
        slots = {20: low, 21: high, 4: position}
        answer = machine.step(scalar(name, 20, [4]), scalars=slots, read=["s 20", "s 21"])
        changed = value | 1 << at if "set1" in name else value & ~(1 << at)
        assert answer == [changed & M32, changed >> 32 if bits == 64 else high]


def test_wide_compare(machine: Machine) -> None:
    for high, equal in ((7, True), (8, False)):
        slots = {4: 5, 5: 7, 8: 5, 9: high}
        assert machine.step(scalar("s_cmp_eq_u64", 0, [4, 8]), scalars=slots, read=["s 128"]) == [int(equal)]
        assert machine.step(scalar("s_cmp_lg_u64", 0, [4, 8]), scalars=slots, read=["s 128"]) == [
            int(not equal)
        ]


@pytest.mark.parametrize("scc", [0, 1])
def test_conditional_moves(machine: Machine, scc: int) -> None:
    slots = {4: 1, 5: 2, 20: 8, 21: 9, SCC: scc}
    narrow = machine.step(scalar("s_cmov_b32", 20, [4]), scalars=slots, read=["s 20", "s 21"])
    assert narrow == ([1, 9] if scc else [8, 9])
    wide = machine.step(scalar("s_cmov_b64", 20, [4]), scalars=slots, read=["s 20", "s 21"])
    assert wide == ([1, 2] if scc else [8, 9])


def test_registers_chosen_by_m0(machine: Machine) -> None:
    slots = {4: 1, 5: 2, 8: 3, 9: 4, M0: 4}
    assert machine.step(scalar("s_movreld_b32", 20, [4]), scalars=slots, read=["s 20", "s 24"]) == [0, 1]
    wide = machine.step(scalar("s_movreld_b64", 20, [4]), scalars=slots, read=["s 20", "s 24", "s 25"])
    assert wide == [0, 1, 2]
    assert machine.step(scalar("s_movrels_b64", 20, [4]), scalars=slots, read=["s 20", "s 21"]) == [3, 4]
    two = {**slots, M0: 2 << 16 | 4}  # source in 9:0, destination in 25:16
    assert machine.step(scalar("s_movrelsd_2_b32", 20, [4]), scalars=two, read=["s 20", "s 22"]) == [0, 3]


def test_stops_and_faults(machine: Machine) -> None:
    """llvm.trap faults, llvm.debugtrap goes on; padding behind a kernel is no instruction."""
    assert reached(machine, sopp("s_trap", 3))
    for words in (sopp("s_trap", 2), sopp("s_sendmsghalt"), sopp("s_code_end")):
        with pytest.raises(MachineFaultError):
            machine.step(words, read=["s 20"], play=True)
    # A sleeping wave lets others run: it stops here and would go on behind.
    assert not reached(machine, sopp("s_sleep", 1))


def test_clocks_go_forward(machine: Machine) -> None:
    for name in ("s_memtime", "s_memrealtime"):
        words = [*smem(name, 20, 0), *smem(name, 22, 0)]
        answer = machine.step(words, read=["s 20", "s 21", "s 22", "s 23"], play=True)
        assert 0 < answer[0] | answer[1] << 32 <= answer[2] | answer[3] << 32
    assert machine.step(smem("s_get_waveid_in_workgroup", 20, 0), scalars={20: 9}, read=["s 20"]) == [0]


@pytest.mark.parametrize("name", SCRATCH)
def test_scalar_private_memory(machine: Machine, name: str) -> None:
    """FLAT_SCRATCH plus base and offset; the scalar offset counts units of 64 bytes."""
    count = {"": 1, "x2": 2, "x4": 4}[name.rpartition("dword")[2]]
    words = smem(name, 16, 4, soffset=10, offset=8)
    at = 8 + 16 + 64
    slots = {4: 16, 5: 0, 10: 1, **{16 + k: 100 + k for k in range(4)}}
    if "load" in name:
        fill = ["scratch 64", f"mem {at} 1 2 3 4"]
        answer = machine.step(words, scalars=slots, read=[f"s {16 + k}" for k in range(4)], extra=fill)
        assert answer == [k + 1 if k < count else 100 + k for k in range(4)]
    else:
        answer = machine.step(words, scalars=slots, read=[f"mem {at} 4"], extra=["scratch 64"])
        assert answer == [100 + k if k < count else 0 for k in range(4)]


def gws(name: str, data: int = 0) -> list[int]:
    """A global wave sync instruction on resource 3; its value is in a VGPR's first active lane."""
    words = ds(name, 0, data, 0, offset=3)
    return [words[0] | 1 << 17, words[1]]


def test_global_wave_sync(machine: Machine) -> None:
    """A semaphore passes while it counts; a barrier passes when one more than its value has come."""

    def passes(value: int, *words: list[int]) -> bool:
        flat = [word for part in (gws("ds_gws_init", 1), *words, MARK) for word in part]
        vgprs = {1: [value], 2: [2]}
        return machine.step(flat, vgprs=vgprs, scalars={20: 7}, read=["s 20"], play=True) == [1]

    take, give = gws("ds_gws_sema_p"), gws("ds_gws_sema_v")
    assert passes(1, take)
    assert not passes(1, take, take)
    assert passes(1, give, take, take)
    assert not passes(0, take)
    assert passes(0, gws("ds_gws_sema_br", 2), take, take)
    assert not passes(0, gws("ds_gws_sema_br", 2), take, take, take)
    assert passes(0, gws("ds_gws_sema_release_all"), take, take, take)
    assert passes(0, gws("ds_gws_barrier", 1))
    assert not passes(1, gws("ds_gws_barrier", 1))
    # Who passes last says how many the next one waits for.
    assert passes(0, gws("ds_gws_barrier", 1), gws("ds_gws_barrier", 1))
    assert not passes(0, gws("ds_gws_barrier", 2), gws("ds_gws_barrier", 1))


def test_global_data_share_is_refused(machine: Machine) -> None:
    """ROCm gives no kernel any of it."""
    words = ds("ds_ordered_count", 4, 1, 0)
    with pytest.raises(MachineFaultError):
        machine.step([words[0] | 1 << 17, words[1]], read=["v 4"])
