// StrictWave: pending loads, unset registers and LDS; what the hazard and race checks find, as text.
#include "vgpu/core/strict.h"

#include <cstdio>

#include "vgpu/core/launch.h"
#include "vgpu/isa/print.h"

namespace vgpu::core {
namespace {

using isa::Fmt;
using isa::Inst;
using isa::Kind;
using isa::Op;
using isa::Operand;

constexpr unsigned kAll = ~0u;  // "this counter is not waited for"

bool is_memory(const Inst& inst) {
    switch (inst.row().fmt) {
        case Fmt::FLAT:
        case Fmt::GLOBAL:
        case Fmt::SCRATCH:
        case Fmt::MUBUF:
        case Fmt::MTBUF: return true;
        default: return false;
    }
}

// Vector memory without LDS returns in order: a load may follow another into the same register with no wait between.
bool returns_in_order(const Inst& inst) {
    return is_memory(inst) && inst.row().fmt != Fmt::FLAT && inst.has(isa::LOAD);
}

// Copies and spills may carry a value that nobody set and nobody will use; a compiler
// emits them for undefined values. So do instructions that keep part of the destination.
// A mask of lanes means nothing where EXEC is 0: the first merge into one may take what was in the register.
bool may_carry_unset(const Inst& inst) {
    if (inst.has(isa::DSTSRC) || (inst.has(isa::STORE) && inst.row().fmt == Fmt::MUBUF)) return true;
    switch (inst.op) {
        case Op::s_or_b32:
        case Op::s_or_b64:
        case Op::s_andn2_b32:
        case Op::s_andn2_b64: return inst.src[1].is(Kind::exec);
        case Op::v_mov_b32:
        case Op::v_cndmask_b32:
        case Op::v_writelane_b32:
        case Op::v_readlane_b32:
        case Op::v_readfirstlane_b32:
        case Op::s_mov_b32:
        case Op::s_mov_b64:
        case Op::s_cselect_b32:
        case Op::s_cselect_b64: return true;
        default: return false;
    }
}

}  // namespace

std::shared_ptr<const StrictFacts> strict_facts(const Inst& inst, unsigned lanes) {
    auto facts = std::make_shared<StrictFacts>();
    facts->hazards = hazard_marks(inst, lanes);
    facts->memory = inst.has(isa::LOAD | isa::STORE | isa::ATOMIC);
    return facts;
}

void StrictGroup::begin(unsigned waves, u32 lds_bytes) {
    lds_written.reset();
    races.begin(waves, lds_bytes);
}

void StrictWave::begin(unsigned sgprs, unsigned vgprs, StrictGroup* group) {
    *this = StrictWave{};
    group_ = group;
    for (unsigned i = 0; i < vgprs; ++i) v_set_.set(i);
    for (unsigned i = 0; i < sgprs && i < 106; ++i) s_set_.set(i);
    for (unsigned i = 106; i < 128; ++i) s_set_.set(i);  // VCC, TTMP, M0, EXEC
}

std::string StrictWave::unready(const Operand& o, bool source, const Inst& inst) const {
    const bool vgpr = o.is(Kind::vgpr);
    if (!vgpr && !o.is(Kind::sgpr) && !o.is(Kind::vcc) && !o.is(Kind::m0)) return {};
    const unsigned first = vgpr ? static_cast<unsigned>(o.value) : o.raw;
    for (unsigned i = first; i < first + o.dwords && i < (vgpr ? 256u : 128u); ++i) {
        const std::string name = (vgpr ? "v" : "s") + std::to_string(i);
        if (vgpr && v_vm_[i] > vm_done_ && (source || !returns_in_order(inst)))
            return name + " is still being loaded: no s_waitcnt vmcnt covers it";
        if ((vgpr ? v_lgkm_[i] : s_lgkm_[i]) > lgkm_done_)
            return name + " is still being loaded: no s_waitcnt lgkmcnt covers it";
        // LLVM lets the high half of a 64-bit addend be anything where only the low result
        // is used, so a value counts as set when its first register is.
        if (source && i == first && !may_carry_unset(inst) && !(vgpr ? v_set_[i] : s_set_[i]))
            return name + " was never written";
    }
    return {};
}

std::string StrictWave::unset_lds(const Inst& inst) {
    if (!inst.has(isa::LOAD) && !inst.has(isa::ATOMIC)) return {};
    for (const Access& a : group_->accesses) {
        if (a.space != Access::Space::Lds || a.kind == Access::Kind::Write) continue;
        for (u64 dword = a.address / 4; dword <= (a.address + a.size - 1) / 4; ++dword) {
            if (group_->lds_written.test(dword)) continue;
            lane = a.lane;
            return "LDS offset " + std::to_string(4 * dword) + " was never written";
        }
    }
    return {};
}

std::string StrictWave::race(const Wave& w, const Extra& extra) {
    const auto found = group_->races.check(w, extra, group_->accesses);
    if (!found) return {};
    const Access& now = found->now;
    const RaceShadow::Cell& before = found->before;
    lane = now.lane;
    address = now.address;
    write = now.kind != Access::Kind::Read;
    const bool lds = now.space == Access::Space::Lds;
    const auto verb = [](bool reads, bool writes) { return reads && writes ? "atomic" : writes ? "write" : "read"; };
    char line[256];
    std::snprintf(line, sizeof line,
                  "race: %u-byte %s at %s0x%llx by wave %u lane %u; wave %u lane %u has its %s there, and neither a "
                  "barrier nor an atomic orders the two",
                  now.size, verb(now.kind != Access::Kind::Write, write), lds ? "LDS offset " : "",
                  static_cast<unsigned long long>(now.address), w.index, now.lane, before.wave, before.lane,
                  verb(before.read, before.write));
    std::string all = line;
    std::snprintf(line, sizeof line, "\nthe other access: pc 0x%llx (kernel entry + 0x%llx): ",
                  static_cast<unsigned long long>(before.where->pc),
                  static_cast<unsigned long long>(before.where->pc - w.group->launch->entry));
    all += line + isa::to_string(before.where->inst);
    if (!lds) all += "\n" + nearest_text(*w.memory, now.address, now.size);
    return all;
}

bool StrictWave::before(const Wave& w, const MicroOp* u) {
    const Extra& extra = *u->extra;
    const Inst& inst = extra.inst;
    lane = 0;
    address = 0;
    write = false;
    text.clear();
    for (const Operand& o : inst.src)
        if (text.empty()) text = unready(o, true, inst);
    if (text.empty()) text = unready(inst.dst, false, inst);
    if (text.empty()) text = unready(inst.sdst, false, inst);
    if (text.empty()) text = hazards_.check(extra, extra.strict->hazards, w.lanes, w.group->launch->entry);
    if (!text.empty()) return false;
    if (!extra.strict->memory) return true;
    accesses_of(w, &extra.inner, inst, group_->accesses);
    text = unset_lds(inst);
    if (text.empty()) text = race(w, extra);
    return text.empty();
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

void StrictWave::after(const Inst& inst, const Extra& extra) {
    const isa::Row& row = inst.row();
    hazards_.follow(extra, extra.strict->hazards);
    if (extra.strict->memory)
        for (const Access& a : group_->accesses)
            if (a.space == Access::Space::Lds && a.kind != Access::Kind::Read)
                for (u64 dword = a.address / 4; dword <= (a.address + a.size - 1) / 4; ++dword)
                    group_->lds_written.set(dword);
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
}

const MicroOp* run_strict(Wave& w, const MicroOp* u) {
    StrictWave& strict = *w.strict;
    const MicroOp& inner = u->extra->inner;
    if (!strict.before(w, u))
        return raise(w, u, Fault::Kind::Strict, strict.address, strict.lane, strict.write, 0, strict.text.c_str());
    const MicroOp* next = inner.fn(w, &inner);
    if (w.state == State::Faulted) return nullptr;
    if (next == nullptr) {
        if (w.next == &inner) {  // waits and will run again
            w.next = u;
            return nullptr;
        }
        if (w.next == &inner + 1) w.next = u + 1;
    }
    strict.after(u->extra->inst, *u->extra);
    return next == &inner + 1 ? u + 1 : next;
}

}  // namespace vgpu::core
