// The rows; see hazards.h. The conditions are in the terms of the LLVM function that each row names.
#include "hazards.h"

#include <array>

#include "regs.h"

namespace vgpu::isa {
namespace {

using Shape = Hazard::Shape;

bool never(const Inst&, unsigned) { return false; }
bool always(const Inst&, unsigned) { return true; }
bool any_two(const Inst&, const Inst&, unsigned) { return true; }

// ---- a scalar write to a register that vector memory still reads

bool scalar_write(const Inst& i, unsigned) { return (is_salu(i) || i.fmt == Fmt::SMEM) && scalar_dst(i).any(); }
bool vector_memory(const Inst& i, unsigned) { return is_vmem(i) || is_flat(i) || i.fmt == Fmt::DS; }

bool overwrites_read(const Inst& earlier, const Inst& later, unsigned wave) {
    const ScalarSet written = is_valu(later) ? scalar_writes(later, wave) : scalar_dst(later);
    return (scalar_reads(earlier, wave) & written).any();
}

bool vmem_has_read(const Inst& i, unsigned) {
    return is_valu(i) || (i.op == Op::s_waitcnt && i.simm == 0) ||
           (i.op == Op::s_waitcnt_depctr && (i.simm & 0x1cU) == 0);
}

// ---- a vector write to a register that scalar memory still reads

bool vector_writes_scalar(const Inst& i, unsigned wave) { return is_valu(i) && scalar_writes(i, wave).any(); }
bool scalar_memory(const Inst& i, unsigned) { return i.fmt == Fmt::SMEM; }

bool smem_has_read(const Inst& i, unsigned) {
    switch (i.op) {
        case Op::s_version:
        case Op::s_waitcnt_vscnt:
        case Op::s_waitcnt_vmcnt:
        case Op::s_waitcnt_expcnt: return false;
        case Op::s_waitcnt_lgkmcnt: return i.simm == 0 && i.src[0].is(Kind::null);
        case Op::s_waitcnt: return (i.simm >> 8 & 63U) == 0;
        default: return is_salu(i) && i.fmt != Fmt::SOPP;
    }
}

// ---- v_cmpx writes EXEC while an earlier instruction that is no VALU still reads it

bool vcmpx(const Inst& i, unsigned) { return is_valu(i) && i.has(WREXEC); }

bool other_reads_exec(const Inst& i, unsigned wave) {
    if (is_valu(i)) {
        return false;
    }
    const ScalarSet set = scalar_reads(i, wave);
    return set[reg_exec] || set[reg_exec + 1];
}

bool exec_has_been_read(const Inst& i, unsigned) {
    return (is_valu(i) && !i.has(SDST) && scalar_dst(i).any()) || (i.op == Op::s_waitcnt_depctr && (i.simm & 1U) == 0);
}

// ---- v_permlane16 and v_permlanex16 see the EXEC from before a v_cmpx with no VALU work between; v_nop is none

bool permlane(const Inst& i, unsigned) { return i.op == Op::v_permlane16_b32 || i.op == Op::v_permlanex16_b32; }
bool valu_work(const Inst& i, unsigned) { return is_valu(i) && i.op != Op::v_nop; }

// ---- LDS and vector memory on both sides of a branch, with no wait for the store counter between

// Vector memory as the hazard recognizer counts it: plain FLAT may be LDS as well and is left out.
int lds_or_vmem(const Inst& i) {
    const bool memory = is_vmem(i) || i.fmt == Fmt::GLOBAL || i.fmt == Fmt::SCRATCH;
    return i.fmt == Fmt::DS ? 1 : memory ? 2 : 0;
}
bool is_lds_or_vmem(const Inst& i, unsigned) { return lds_or_vmem(i) != 0; }
bool differ(const Inst& a, const Inst& b, unsigned) { return lds_or_vmem(a) != lds_or_vmem(b); }

bool waits_for_stores(const Inst& i, unsigned) {
    return i.op == Op::s_waitcnt_vscnt && i.src[0].is(Kind::null) && i.simm == 0;
}

// ---- image instructions with scattered addresses

bool buffer_at_odd_offset(const Inst& i, unsigned) {
    return (i.fmt == Fmt::MUBUF || i.fmt == Fmt::MTBUF) && (i.offset & 6) != 0;
}
bool long_image(const Inst& i, unsigned) { return i.fmt == Fmt::MIMG && i.length >= 16; }
bool scattered_image(const Inst& i, unsigned) { return i.fmt == Fmt::MIMG && i.length > 8; }
bool s_clause(const Inst& i, unsigned) { return i.op == Op::s_clause; }

// ---- single instructions

bool s_inst_prefetch(const Inst& i, unsigned) { return i.op == Op::s_inst_prefetch; }
bool branch_by_3f(const Inst& i, unsigned) { return i.fmt == Fmt::SOPP && is_branch(i) && i.simm == 0x3f; }
bool flat_with_offset(const Inst& i, unsigned) { return i.fmt == Fmt::FLAT && i.offset != 0; }

constexpr std::array<Hazard, 10> all = {{
    {"gfx10-vmem-to-scalar-write", "GCNHazardRecognizer.cpp, fixVMEMtoScalarWriteHazards",
     "a scalar write to a register that vector memory still reads", " overwrites a register that is read by ",
     Shape::pair, scalar_write, vector_memory, overwrites_read, vmem_has_read},
    {"gfx10-smem-to-vector-write", "GCNHazardRecognizer.cpp, fixSMEMtoVectorWriteHazards",
     "a vector write to a register that scalar memory still reads", " overwrites a register that is read by ",
     Shape::pair, vector_writes_scalar, scalar_memory, overwrites_read, smem_has_read},
    {"gfx10-vcmpx-exec-war", "GCNHazardRecognizer.cpp, fixVcmpxExecWARHazard",
     "v_cmpx writes EXEC while another unit still reads it", " writes EXEC, which is read by ", Shape::pair, vcmpx,
     other_reads_exec, any_two, exec_has_been_read},
    {"gfx10-vcmpx-permlane", "GCNHazardRecognizer.cpp, fixVcmpxPermlaneHazards", "v_permlane16 too soon after v_cmpx",
     " comes too soon after ", Shape::pair, permlane, vcmpx, any_two, valu_work},
    {"gfx10-lds-branch-vmem-war", "GCNHazardRecognizer.cpp, fixLdsBranchVmemWARHazard",
     "LDS and vector memory around a branch without s_waitcnt_vscnt",
     " has a counterpart before the branch and no s_waitcnt_vscnt null, 0 between: ", Shape::across_branch,
     is_lds_or_vmem, is_lds_or_vmem, differ, waits_for_stores},
    {"gfx10-nsa-to-vmem", "GCNHazardRecognizer.cpp, checkNSAtoVMEMHazard",
     "a buffer access right after a long image access", " directly follows ", Shape::pair, buffer_at_odd_offset,
     long_image, any_two, always},
    {"gfx10-nsa-clause", "AMDGPU.td, FeatureNSAClauseBug", "an image access with scattered addresses in a clause",
     " stands in the clause of ", Shape::clause, scattered_image, s_clause, any_two, never},
    {"gfx10-inst-fwd-prefetch", "AMDGPU.td, FeatureInstFwdPrefetchBug; SITargetLowering::getPrefLoopAlignment",
     "s_inst_prefetch, which can hang the wave", " can hang the wave", Shape::alone, s_inst_prefetch, never, any_two,
     never},
    {"gfx10-branch-offset-3f", "AMDGPU.td, FeatureOffset3fBug; MCTargetDesc/AMDGPUAsmBackend.cpp, fixupNeedsRelaxation",
     "a branch with the offset 0x3f", " has the offset 0x3f, which is executed wrongly", Shape::alone, branch_by_3f,
     never, any_two, never},
    {"gfx10-flat-segment-offset", "AMDGPU.td, FeatureFlatSegmentOffsetBug; SIInstrInfo::isLegalFLATOffset",
     "a flat access with an offset", " has an offset that is ignored in global memory", Shape::alone, flat_with_offset,
     never, any_two, never},
}};
static_assert(all.size() <= 16);

}  // namespace

std::span<const Hazard> hazards() { return all; }

}  // namespace vgpu::isa
