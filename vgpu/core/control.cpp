// Program control (SOPP and the like): branches, calls, barriers, waits, messages, traps,
// hardware registers; and the pseudo-instructions of the translator.
#include "vgpu/core/handlers.h"
#include "vgpu/core/operand.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;

// MicroOp::imm is the absolute target of a branch.
VGPU_INLINE const MicroOp* jump(Wave& w, const MicroOp* u) {
    const MicroOp* t = u->target.load(std::memory_order_acquire);
    if (t == nullptr) [[unlikely]] {
        t = micro_op_at(w, static_cast<u64>(u->imm));
        u->target.store(t, std::memory_order_release);
    }
    return t;
}

template <class Test>
const MicroOp* branch_if(Wave& w, const MicroOp* u) {
    return Test{}(w) ? jump(w, u) : u + 1;
}
template <Op O, class Test>
constexpr Binding branch(Test) {
    return {O, &branch_if<Test>};
}

const MicroOp* nothing(Wave&, const MicroOp* u) { return u + 1; }

const MicroOp* stop(Wave& w, const MicroOp* resume, State state) {
    w.next = resume;
    w.state = state;
    return nullptr;
}

const MicroOp* setpc(Wave& w, const MicroOp* u) { return micro_op_at(w, rs64(w, u->src[0]) & ~u64{3}); }
const MicroOp* swappc(Wave& w, const MicroOp* u) {
    const u64 to = rs64(w, u->src[0]) & ~u64{3};
    ws64(w, u->dst, pc_of(u) + u->extra->inst.length);
    return micro_op_at(w, to);
}
const MicroOp* getpc(Wave& w, const MicroOp* u) {
    ws64(w, u->dst, pc_of(u) + u->extra->inst.length);
    return u + 1;
}
const MicroOp* call(Wave& w, const MicroOp* u) {
    ws64(w, u->dst, pc_of(u) + u->extra->inst.length);
    return jump(w, u);
}

// s_trap 2 is llvm.trap; 3 is llvm.debugtrap, which goes on when no debugger is there.
const MicroOp* trap(Wave& w, const MicroOp* u) {
    const u32 id = u->extra->inst.simm & 0xff;
    if (id == 3) return u + 1;
    return raise(w, u, Fault::Kind::Trap, pc_of(u), 0, false, id,
                 "trap (llvm.trap: an assertion or abort in the kernel)");
}

// Messages: 1 is an interrupt to the host, which has no waiter here.
const MicroOp* sendmsg(Wave&, const MicroOp* u) { return u + 1; }
const MicroOp* sendmsghalt(Wave& w, const MicroOp* u) {
    return raise(w, u, Fault::Kind::Trap, pc_of(u), 0, false, 0, "s_sendmsghalt stops the wave for good");
}

VGPU_INLINE u32 field_mask(u32 simm) {
    const u32 width = (simm >> 11 & 31) + 1;
    return width == 32 ? 0xffffffffu : (1u << width) - 1;
}
const MicroOp* getreg(Wave& w, const MicroOp* u) {
    const u32 simm = u->extra->inst.simm;
    w.s[u->dst] = hardware_register(w, simm & 63) >> (simm >> 6 & 31) & field_mask(simm);
    return u + 1;
}
const MicroOp* setreg_value(Wave& w, const MicroOp* u, u32 value) {
    const u32 simm = u->extra->inst.simm, offset = simm >> 6 & 31;
    set_hardware_register(w, simm & 63, value << offset, field_mask(simm) << offset);
    return u + 1;
}
const MicroOp* setreg(Wave& w, const MicroOp* u) { return setreg_value(w, u, rs32(w, u->src[0])); }
const MicroOp* setreg_imm(Wave& w, const MicroOp* u) { return setreg_value(w, u, u->extra->inst.literal); }

const MicroOp* round_mode(Wave& w, const MicroOp* u) {
    set_mode(w, (w.mode & ~0xfu) | (u->extra->inst.simm & 0xf));
    return u + 1;
}
const MicroOp* denorm_mode(Wave& w, const MicroOp* u) {
    set_mode(w, (w.mode & ~0xf0u) | (u->extra->inst.simm & 0xf) << 4);
    return u + 1;
}

// wave64: a loop runs once for each half of exec. The SGPR keeps the other half.
const MicroOp* subvector_begin(Wave& w, const MicroOp* u) {
    u32& lo = w.s[kExecLo];
    u32& hi = w.s[kExecHi];
    if (lo == 0 && hi == 0) return jump(w, u);
    if (lo == 0) {
        w.s[u->dst] = 0;
    } else {
        w.s[u->dst] = hi;
        hi = 0;
    }
    return u + 1;
}
const MicroOp* subvector_end(Wave& w, const MicroOp* u) {
    u32& lo = w.s[kExecLo];
    u32& hi = w.s[kExecHi];
    if (hi != 0) {
        lo = w.s[u->dst];
        return u + 1;
    }
    if (w.s[u->dst] == 0) return u + 1;
    hi = w.s[u->dst];
    w.s[u->dst] = lo;
    lo = 0;
    return jump(w, u);
}

constexpr Binding kRows[] = {
    branch<Op::s_branch>([](Wave&) { return true; }),
    branch<Op::s_cbranch_scc0>([](Wave& w) { return w.s[kScc] == 0; }),
    branch<Op::s_cbranch_scc1>([](Wave& w) { return w.s[kScc] != 0; }),
    branch<Op::s_cbranch_vccz>([](Wave& w) { return w.vcc() == 0; }),
    branch<Op::s_cbranch_vccnz>([](Wave& w) { return w.vcc() != 0; }),
    branch<Op::s_cbranch_execz>([](Wave& w) { return w.exec() == 0; }),
    branch<Op::s_cbranch_execnz>([](Wave& w) { return w.exec() != 0; }),
    // No debugger is ever attached.
    {Op::s_cbranch_cdbgsys, &nothing},
    {Op::s_cbranch_cdbguser, &nothing},
    {Op::s_cbranch_cdbgsys_or_user, &nothing},
    {Op::s_cbranch_cdbgsys_and_user, &nothing},
    {Op::s_setpc_b64, &setpc},
    {Op::s_rfe_b64, &setpc},
    {Op::s_swappc_b64, &swappc},
    {Op::s_getpc_b64, &getpc},
    {Op::s_call_b64, &call},
    {Op::s_subvector_loop_begin, &subvector_begin},
    {Op::s_subvector_loop_end, &subvector_end},
    {Op::s_endpgm, [](Wave& w, const MicroOp* u) { return stop(w, u, State::Ended); }},
    {Op::s_endpgm_saved, [](Wave& w, const MicroOp* u) { return stop(w, u, State::Ended); }},
    {Op::s_endpgm_ordered_ps_done, [](Wave& w, const MicroOp* u) { return stop(w, u, State::Ended); }},
    {Op::s_barrier,
     [](Wave& w, const MicroOp* u) { return w.group->waves == 1 ? u + 1 : stop(w, u + 1, State::Barrier); }},
    {Op::s_sleep, [](Wave& w, const MicroOp* u) { return stop(w, u + 1, State::Yield); }},
    {Op::s_trap, &trap},
    {Op::s_sendmsg, &sendmsg},
    {Op::s_sendmsghalt, &sendmsghalt},
    {Op::s_getreg_b32, &getreg},
    {Op::s_setreg_b32, &setreg},
    {Op::s_setreg_imm32_b32, &setreg_imm},
    {Op::s_round_mode, &round_mode},
    {Op::s_denorm_mode, &denorm_mode},
    // Timing, caches and profiling that do not exist here.
    {Op::s_nop, &nothing},
    {Op::s_version, &nothing},
    {Op::s_wakeup, &nothing},
    {Op::s_setkill, &nothing},
    {Op::s_sethalt, &nothing},
    {Op::s_setprio, &nothing},
    {Op::s_icache_inv, &nothing},
    {Op::s_incperflevel, &nothing},
    {Op::s_decperflevel, &nothing},
    {Op::s_ttracedata, &nothing},
    {Op::s_ttracedata_imm, &nothing},
    {Op::s_inst_prefetch, &nothing},
    {Op::s_clause, &nothing},
    {Op::s_wait_idle, &nothing},
    {Op::s_waitcnt, &nothing},
    {Op::s_waitcnt_depctr, &nothing},
    {Op::s_waitcnt_vscnt, &nothing},
    {Op::s_waitcnt_vmcnt, &nothing},
    {Op::s_waitcnt_expcnt, &nothing},
    {Op::s_waitcnt_lgkmcnt, &nothing},
};

}  // namespace

extern const BindingList kControlRows{kRows, std::size(kRows)};

const MicroOp* run_special_source(Wave& w, const MicroOp* u) {
    w.s[kVccz] = w.vcc() == 0;
    w.s[kExecz] = w.exec() == 0;
    const MicroOp& inner = u->extra->inner;
    const MicroOp* next = inner.fn(w, &inner);
    return next == &inner + 1 ? u + 1 : next;
}

const MicroOp* run_illegal(Wave& w, const MicroOp* u) { return raise(w, u, Fault::Kind::IllegalInstruction, pc_of(u)); }
const MicroOp* run_fetch_fault(Wave& w, const MicroOp* u) {
    return raise(w, u, Fault::Kind::Memory, pc_of(u), 0, false, 4, "instruction fetch");
}
const MicroOp* run_go(Wave& w, const MicroOp* u) { return jump(w, u); }
const MicroOp* run_no_handler(Wave& w, const MicroOp* u) {
    const bool image = u->extra->inst.row().fmt == isa::Fmt::MIMG;
    return raise(w, u, Fault::Kind::IllegalInstruction, pc_of(u), 0, false, 0,
                 image ? "image instruction not modelled: gfx1010's texture unit is not part of this virtual GPU"
                       : "gfx1010 has it, this virtual GPU does not");
}

const MicroOp* run_no_room(Wave& w, const MicroOp* u) {
    return raise(w, u, Fault::Kind::IllegalInstruction, pc_of(u), 0, false, 0,
                 "a limit of this virtual GPU: the kernels that run now hold more than 262144 different constants");
}

}  // namespace vgpu::core::VGPU_HOST
