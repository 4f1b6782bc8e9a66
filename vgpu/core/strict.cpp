// StrictWave: pending loads, unset registers, unset LDS.
#include "vgpu/core/strict.h"

#include <bit>

namespace vgpu::core {
namespace {

using isa::Fmt;
using isa::Inst;
using isa::Kind;
using isa::Op;
using isa::Operand;

constexpr unsigned kAll = ~0u;   // "this counter is not waited for"

bool is_memory(const Inst& inst) {
    switch (inst.row().fmt) {
        case Fmt::FLAT: case Fmt::GLOBAL: case Fmt::SCRATCH: case Fmt::MUBUF: case Fmt::MTBUF: return true;
        default: return false;
    }
}

// Copies and spills may carry a value that nobody set and nobody will use; a compiler
// emits them for undefined values. So do instructions that keep part of the destination.
bool may_carry_unset(const Inst& inst) {
    if (inst.has(isa::DSTSRC) || (inst.has(isa::STORE) && inst.row().fmt == Fmt::MUBUF)) return true;
    switch (inst.op) {
        case Op::v_mov_b32: case Op::v_cndmask_b32: case Op::v_writelane_b32: case Op::v_readlane_b32:
        case Op::v_readfirstlane_b32: case Op::s_mov_b32: case Op::s_mov_b64: case Op::s_cselect_b32: case Op::s_cselect_b64:
            return true;
        default: return false;
    }
}

}  // namespace

void StrictWave::begin(unsigned sgprs, unsigned vgprs, LdsWritten* lds) {
    *this = StrictWave{};
    lds_ = lds;
    for (unsigned i = 0; i < vgprs; ++i) v_set_.set(i);
    for (unsigned i = 0; i < sgprs && i < 106; ++i) s_set_.set(i);
    for (unsigned i = 106; i < 128; ++i) s_set_.set(i);   // VCC, TTMP, M0, EXEC
}

std::string StrictWave::unready(const Operand& o, bool source, const Inst& inst) const {
    const bool vgpr = o.is(Kind::vgpr);
    if (!vgpr && !o.is(Kind::sgpr) && !o.is(Kind::vcc) && !o.is(Kind::m0)) return {};
    const unsigned first = vgpr ? static_cast<unsigned>(o.value) : o.raw;
    for (unsigned i = first; i < first + o.dwords && i < (vgpr ? 256u : 128u); ++i) {
        const std::string name = (vgpr ? "v" : "s") + std::to_string(i);
        if (vgpr && v_vm_[i] > vm_done_) return name + " is still being loaded: no s_waitcnt vmcnt covers it";
        if ((vgpr ? v_lgkm_[i] : s_lgkm_[i]) > lgkm_done_) return name + " is still being loaded: no s_waitcnt lgkmcnt covers it";
        // LLVM lets the high half of a 64-bit addend be anything where only the low result
        // is used, so a value counts as set when its first register is.
        if (source && i == first && !may_carry_unset(inst) && !(vgpr ? v_set_[i] : s_set_[i])) return name + " was never written";
    }
    return {};
}

template <class F>
void StrictWave::each_lds_dword(const Wave& w, const Inst& inst, F f) const {
    const isa::Row& row = inst.row();
    const unsigned size = isa::bytes(row.mem);
    if (row.fmt != Fmt::DS || size == 0 || inst.gds || !inst.src[0].is(Kind::vgpr)) return;
    const u32 unit = row.has(isa::TWO) ? size * (row.has(isa::ST64) ? 64 : 1) : 1;
    const u32 offsets[2] = {row.has(isa::TWO) ? inst.offset0() * unit : static_cast<u32>(inst.offset), inst.offset1() * unit};
    for (u64 m = w.exec(); m != 0; m &= m - 1) {
        const u32 lane = static_cast<u32>(std::countr_zero(m));
        const u32 base = w.v[(kHidden + static_cast<u32>(inst.src[0].value)) * w.lanes + lane];
        for (unsigned k = 0; k < (row.has(isa::TWO) ? 2u : 1u); ++k) {
            const u32 at = base + offsets[k];
            if (u64{at} + size > w.lds_size) continue;
            for (u32 dword = at / 4; dword <= (at + size - 1) / 4; ++dword) f(dword);
        }
    }
}

std::string StrictWave::before(const Wave& w, const Inst& inst) const {
    std::string found;
    for (const Operand& o : inst.src)
        if (found.empty()) found = unready(o, true, inst);
    if (found.empty()) found = unready(inst.dst, false, inst);
    if (found.empty()) found = unready(inst.sdst, false, inst);
    if (found.empty() && (inst.has(isa::LOAD) || inst.has(isa::ATOMIC)))
        each_lds_dword(w, inst, [&](u32 dword) {
            if (found.empty() && !lds_->test(dword)) found = "LDS offset " + std::to_string(4 * dword) + " was never written";
        });
    return found;
}

void StrictWave::wait(unsigned vm, unsigned lgkm) {
    if (vm != kAll && vm_issued_ > vm && vm_issued_ - vm > vm_done_) vm_done_ = vm_issued_ - vm;
    if (lgkm == 0) {
        lgkm_done_ = lgkm_issued_;
        smem_pending_ = false;
    } else if (lgkm != kAll && !smem_pending_ && lgkm_issued_ > lgkm && lgkm_issued_ - lgkm > lgkm_done_) {
        lgkm_done_ = lgkm_issued_ - lgkm;
    }
}

void StrictWave::after(const Wave& w, const Inst& inst) {
    const isa::Row& row = inst.row();
    switch (inst.op) {
        case Op::s_waitcnt: {
            // vmcnt is simm[15:14] and [3:0], lgkmcnt simm[13:8]; all ones do not wait.
            const unsigned vm = (inst.simm & 15u) | (inst.simm >> 14 & 3u) << 4, lgkm = inst.simm >> 8 & 63u;
            wait(vm == 63 ? kAll : vm, lgkm == 63 ? kAll : lgkm);
            return;
        }
        case Op::s_waitcnt_vmcnt: wait(inst.simm, kAll); return;
        case Op::s_waitcnt_lgkmcnt: wait(kAll, inst.simm); return;
        default: break;
    }
    const bool loads = inst.has(isa::LOAD) || inst.has(isa::ATOMIC);
    unsigned vm = 0, lgkm = 0;
    if (is_memory(inst) && loads && inst.dst) vm = ++vm_issued_;
    if (row.fmt == Fmt::FLAT && (inst.dst || inst.has(isa::STORE))) lgkm = ++lgkm_issued_;
    if (row.fmt == Fmt::DS) lgkm = ++lgkm_issued_;
    if (row.fmt == Fmt::SMEM && inst.dst) {
        lgkm = ++lgkm_issued_;
        smem_pending_ = true;
    }
    for (const Operand* o : {&inst.dst, &inst.sdst}) {
        if (!*o) continue;
        for (unsigned k = 0; k < o->dwords; ++k) {
            if (o->is(Kind::vgpr)) {
                const unsigned r = static_cast<unsigned>(o->value) + k;
                if (r >= 256) break;
                v_set_.set(r);
                if (vm != 0) v_vm_[r] = vm;
                if (lgkm != 0) v_lgkm_[r] = lgkm;
            } else if (o->raw + k < 128u) {
                s_set_.set(o->raw + k);
                if (lgkm != 0) s_lgkm_[o->raw + k] = lgkm;
            }
        }
    }
    if (inst.op == Op::v_swap_b32 && inst.src[0].is(Kind::vgpr)) v_set_.set(static_cast<unsigned>(inst.src[0].value));
    if (inst.has(isa::STORE) || inst.has(isa::ATOMIC)) each_lds_dword(w, inst, [&](u32 dword) { lds_->set(dword); });
}

const MicroOp* run_strict(Wave& w, const MicroOp* u) {
    StrictWave& strict = *w.strict;
    const Inst& inst = u->extra->inst;
    const MicroOp& inner = u->extra->inner;
    strict.text = strict.before(w, inst);
    if (!strict.text.empty()) return raise(w, u, Fault::Kind::Strict, 0, 0, false, 0, strict.text.c_str());
    const MicroOp* next = inner.fn(w, &inner);
    if (w.state == State::Faulted) return nullptr;
    if (next == nullptr) {
        if (w.next == &inner) {   // waits and will run again
            w.next = u;
            return nullptr;
        }
        if (w.next == &inner + 1) w.next = u + 1;
    }
    strict.after(w, inst);
    return next == &inner + 1 ? u + 1 : next;
}

}  // namespace vgpu::core
