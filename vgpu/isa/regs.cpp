// Scalar registers read and written; see regs.h.
#include "regs.h"

namespace vgpu::isa {
namespace {

void add(ScalarSet& set, const Operand& o) {
    if (o.raw >= 128 || o.is(Kind::null) || o.is(Kind::off) || o.is(Kind::none)) {
        return;
    }
    // A pair that begins at EXEC_HI decodes (the disassembler prints it) though it runs past the registers.
    for (unsigned i = 0; i < o.dwords && o.raw + i < set.size(); ++i) {
        set.set(o.raw + i);
    }
}

void add_pair(ScalarSet& set, unsigned first, unsigned wave) {
    set.set(first);
    if (wave == 64) {
        set.set(first + 1);
    }
}

bool is_ds(const Inst& inst) { return inst.fmt == Fmt::DS; }

}  // namespace

bool is_valu(const Inst& inst) {
    switch (inst.fmt) {
        case Fmt::VOP1:
        case Fmt::VOP2:
        case Fmt::VOPC:
        case Fmt::VOP3:
        case Fmt::VOP3B:
        case Fmt::VOP3P: return true;
        default: return false;
    }
}

bool is_salu(const Inst& inst) {
    switch (inst.fmt) {
        case Fmt::SOP1:
        case Fmt::SOP2:
        case Fmt::SOPC:
        case Fmt::SOPK:
        case Fmt::SOPP: return true;
        default: return false;
    }
}

bool is_vmem(const Inst& inst) { return inst.fmt == Fmt::MUBUF || inst.fmt == Fmt::MTBUF || inst.fmt == Fmt::MIMG; }

bool is_flat(const Inst& inst) { return inst.fmt == Fmt::FLAT || inst.fmt == Fmt::GLOBAL || inst.fmt == Fmt::SCRATCH; }

bool is_branch(const Inst& inst) { return inst.has(BRANCH) && !inst.has(CALL); }

ScalarSet scalar_reads(const Inst& inst, unsigned wave) {
    ScalarSet set;
    for (const Operand& o : inst.src) {
        add(set, o);
    }
    if (inst.has(DSTSRC)) {
        add(set, inst.dst);
    }
    if (is_valu(inst) || is_vmem(inst) || is_flat(inst) || is_ds(inst) || inst.fmt == Fmt::EXP || inst.has(RDEXEC)) {
        add_pair(set, reg_exec, wave);
    }
    if (inst.has(RDVCC)) {
        add_pair(set, reg_vcc, wave);
    }
    if (inst.has(RDM0) || inst.has(GWS) || inst.lds) {
        set.set(reg_m0);
    }
    return set;
}

ScalarSet scalar_dst(const Inst& inst) {
    ScalarSet set;
    add(set, inst.dst);
    add(set, inst.sdst);
    return set;
}

ScalarSet scalar_writes(const Inst& inst, unsigned wave) {
    ScalarSet set = scalar_dst(inst);
    if (inst.has(WREXEC)) {
        add_pair(set, reg_exec, wave);
    }
    return set;
}

}  // namespace vgpu::isa
