// The rules; see rules.h. One function a rule, in the terms of the LLVM function that it follows.
#include <array>
#include <cstdio>

#include "vgpu/isa/audit/rules.h"
#include "vgpu/isa/foreign.h"
#include "vgpu/isa/print.h"
#include "vgpu/isa/regs.h"

namespace vgpu::isa::audit {
namespace {

using Findings = std::vector<Finding>;

std::string at(const Line& line) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "+0x%x ", line.offset);
    return text.data() + to_string(line.inst);
}

bool ok(const Line& line) { return line.status == Status::ok; }

// Vector memory as the hazard recognizer counts it: plain FLAT may be LDS as well and is left out.
bool is_vmem_or_segment(const Inst& i) { return is_vmem(i) || i.fmt == Fmt::GLOBAL || i.fmt == Fmt::SCRATCH; }

bool waits_for_stores(const Inst& i) {
    return i.op == Op::s_waitcnt_vscnt && i.src[0].is(Kind::null) && i.simm == 0;
}

// Adds a finding for `line` completed by an earlier line, if there is one.
void pair(const Code& code, std::size_t i, std::ptrdiff_t earlier, const char* rule, const char* relation,
          Findings& out) {
    if (earlier >= 0) {
        const Line& line = code.lines()[i];
        out.push_back({rule, line.offset, at(line) + relation + at(code.lines()[static_cast<std::size_t>(earlier)])});
    }
}

constexpr const char* illegal_rule = "isa-illegal-instruction";

void illegal_instruction(const Code& code, Findings& out) {
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        const Line& line = code.lines()[i];
        if (line.status == Status::truncated) {
            out.push_back({illegal_rule, line.offset, "the code ends inside an instruction"});
        } else if (line.status == Status::illegal) {
            out.push_back({illegal_rule, line.offset, why_illegal(code.words_at(i), line.inst)});
        }
    }
}

constexpr const char* target_rule = "isa-branch-target";

void branch_target(const Code& code, Findings& out) {
    for (const Line& line : code.lines()) {
        if (!ok(line) || !is_branch(line.inst) || line.inst.fmt != Fmt::SOPP) {
            continue;
        }
        const std::int64_t to = std::int64_t{line.offset} + 4 + line.inst.branch_bytes();
        const std::int64_t end = code.lines().back().offset + code.lines().back().inst.length;
        if (to >= 0 && to < end && code.line_at(to) < 0) {
            out.push_back({target_rule, line.offset, at(line) + " leads into the middle of an instruction"});
        }
    }
}

constexpr const char* vmem_scalar_rule = "gfx10-vmem-to-scalar-write";

// A vector memory instruction still reads an SGPR, M0 or EXEC when a scalar instruction overwrites it.
void vmem_to_scalar_write(const Code& code, Findings& out) {
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        const Inst& inst = code.lines()[i].inst;
        if (!is_salu(inst) && inst.fmt != Fmt::SMEM) {
            continue;
        }
        const ScalarSet written = scalar_dst(inst);
        if (written.none()) {
            continue;
        }
        const auto hazard = [&](const Line& l, std::size_t) {
            const bool memory = is_vmem(l.inst) || is_flat(l.inst) || l.inst.fmt == Fmt::DS;
            return ok(l) && memory && (scalar_reads(l.inst, code.wave()) & written).any();
        };
        const auto expired = [](const Line& l, std::size_t) {
            const Inst& x = l.inst;
            return is_valu(x) || (x.op == Op::s_waitcnt && x.simm == 0) ||
                   (x.op == Op::s_waitcnt_depctr && (x.simm & 0x1cU) == 0);
        };
        pair(code, i, code.back(i, hazard, expired), vmem_scalar_rule, " overwrites a register that is read by ", out);
    }
}

constexpr const char* smem_vector_rule = "gfx10-smem-to-vector-write";

// A scalar load still reads an SGPR when a vector instruction overwrites it.
void smem_to_vector_write(const Code& code, Findings& out) {
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        const Inst& inst = code.lines()[i].inst;
        const ScalarSet written = is_valu(inst) ? scalar_writes(inst, code.wave()) : ScalarSet{};
        if (written.none()) {
            continue;
        }
        const auto hazard = [&](const Line& l, std::size_t) {
            return ok(l) && l.inst.fmt == Fmt::SMEM && (scalar_reads(l.inst, code.wave()) & written).any();
        };
        const auto expired = [](const Line& l, std::size_t) {
            const Inst& x = l.inst;
            switch (x.op) {
            case Op::s_version: case Op::s_waitcnt_vscnt: case Op::s_waitcnt_vmcnt: case Op::s_waitcnt_expcnt:
                return false;
            case Op::s_waitcnt_lgkmcnt: return x.simm == 0 && x.src[0].is(Kind::null);
            case Op::s_waitcnt: return (x.simm >> 8 & 63U) == 0;
            default: return is_salu(x) && x.fmt != Fmt::SOPP;
            }
        };
        pair(code, i, code.back(i, hazard, expired), smem_vector_rule, " overwrites a register that is read by ", out);
    }
}

constexpr const char* vcmpx_exec_rule = "gfx10-vcmpx-exec-war";

bool reads_exec(const Inst& inst, unsigned wave) {
    const ScalarSet set = scalar_reads(inst, wave);
    return set[reg_exec] || set[reg_exec + 1];
}

// v_cmpx writes EXEC while an earlier instruction that is no VALU still reads it.
void vcmpx_exec_war(const Code& code, Findings& out) {
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        const Inst& inst = code.lines()[i].inst;
        if (!is_valu(inst) || !inst.has(WREXEC)) {
            continue;
        }
        const auto hazard = [&](const Line& l, std::size_t) {
            return ok(l) && !is_valu(l.inst) && reads_exec(l.inst, code.wave());
        };
        const auto expired = [](const Line& l, std::size_t) {
            const Inst& x = l.inst;
            return (is_valu(x) && !x.has(SDST) && scalar_dst(x).any()) ||
                   (x.op == Op::s_waitcnt_depctr && (x.simm & 1U) == 0);
        };
        pair(code, i, code.back(i, hazard, expired), vcmpx_exec_rule, " writes EXEC, which is read by ", out);
    }
}

constexpr const char* vcmpx_permlane_rule = "gfx10-vcmpx-permlane";

// v_permlane16 and v_permlanex16 see the EXEC from before a v_cmpx with no VALU work between; v_nop is none.
void vcmpx_permlane(const Code& code, Findings& out) {
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        const Op op = code.lines()[i].inst.op;
        if (op != Op::v_permlane16_b32 && op != Op::v_permlanex16_b32) {
            continue;
        }
        const auto hazard = [](const Line& l, std::size_t) { return is_valu(l.inst) && l.inst.has(WREXEC); };
        const auto expired = [](const Line& l, std::size_t) { return is_valu(l.inst) && l.inst.op != Op::v_nop; };
        pair(code, i, code.back(i, hazard, expired), vcmpx_permlane_rule, " comes too soon after ", out);
    }
}

constexpr const char* lds_branch_rule = "gfx10-lds-branch-vmem-war";

int lds_or_vmem(const Line& l) { return l.inst.fmt == Fmt::DS ? 1 : is_vmem_or_segment(l.inst) ? 2 : 0; }

// LDS and vector memory instructions on both sides of a branch, with no wait for the store counter between.
void lds_branch_vmem_war(const Code& code, Findings& out) {
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        const int kind = lds_or_vmem(code.lines()[i]);
        if (kind == 0) {
            continue;
        }
        const auto other = [&](const Line& l, std::size_t) { return lds_or_vmem(l) != 0 && lds_or_vmem(l) != kind; };
        const auto other_expired = [&](const Line& l, std::size_t) {
            return lds_or_vmem(l) == kind || waits_for_stores(l.inst);
        };
        const auto hazard = [&](const Line& l, std::size_t j) {
            return is_branch(l.inst) && code.back(j, other, other_expired) >= 0;
        };
        const auto expired = [](const Line& l, std::size_t) { return lds_or_vmem(l) != 0 || waits_for_stores(l.inst); };
        pair(code, i, code.back(i, hazard, expired), lds_branch_rule,
             " has a counterpart before the branch and no s_waitcnt_vscnt null, 0 between: ", out);
    }
}

constexpr const char* nsa_vmem_rule = "gfx10-nsa-to-vmem";

// An image instruction of 16 bytes or more directly before a buffer access whose offset has bit 1 or 2.
void nsa_to_vmem(const Code& code, Findings& out) {
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        const Inst& inst = code.lines()[i].inst;
        if ((inst.fmt != Fmt::MUBUF && inst.fmt != Fmt::MTBUF) || (inst.offset & 6) == 0) {
            continue;
        }
        for (const std::uint32_t before : code.sources(i)) {
            const Inst& image = code.lines()[before].inst;
            if (image.fmt == Fmt::MIMG && image.length >= 16) {
                pair(code, i, before, nsa_vmem_rule, " directly follows ", out);
            }
        }
    }
}

constexpr const char* nsa_clause_rule = "gfx10-nsa-clause";

// An image instruction with scattered addresses inside s_clause.
void nsa_clause(const Code& code, Findings& out) {
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        if (code.lines()[i].inst.op != Op::s_clause) {
            continue;
        }
        const std::size_t last = i + 1 + (code.lines()[i].inst.simm & 63U);
        for (std::size_t j = i + 1; j <= last && j < code.lines().size(); ++j) {
            if (code.lines()[j].inst.fmt == Fmt::MIMG && code.lines()[j].inst.length > 8) {
                pair(code, j, static_cast<std::ptrdiff_t>(i), nsa_clause_rule, " stands in the clause of ", out);
            }
        }
    }
}

constexpr const char* prefetch_rule = "gfx10-inst-fwd-prefetch";

void inst_prefetch(const Code& code, Findings& out) {
    for (const Line& line : code.lines()) {
        if (line.inst.op == Op::s_inst_prefetch) {
            out.push_back({prefetch_rule, line.offset, at(line) + " can hang the wave"});
        }
    }
}

constexpr const char* branch_3f_rule = "gfx10-branch-offset-3f";

void branch_offset_3f(const Code& code, Findings& out) {
    for (const Line& line : code.lines()) {
        if (line.inst.fmt == Fmt::SOPP && is_branch(line.inst) && line.inst.simm == 0x3f) {
            out.push_back({branch_3f_rule, line.offset, at(line) + " has the offset 0x3f, which is executed wrongly"});
        }
    }
}

constexpr const char* flat_offset_rule = "gfx10-flat-segment-offset";

void flat_segment_offset(const Code& code, Findings& out) {
    for (const Line& line : code.lines()) {
        if (ok(line) && line.inst.fmt == Fmt::FLAT && line.inst.offset != 0) {
            out.push_back({flat_offset_rule, line.offset, at(line) + " has an offset that is ignored in global memory"});
        }
    }
}

constexpr std::array<Rule, 12> all = {{
    {illegal_rule, "AMDGPU.td, FeatureISAVersion10_1_0; RDNA 1.0 ISA manual",
     "an instruction or modifier that gfx1010 does not have", illegal_instruction},
    {target_rule, "RDNA 1.0 ISA manual, program control", "a branch into the middle of an instruction",
     branch_target},
    {vmem_scalar_rule, "GCNHazardRecognizer.cpp, fixVMEMtoScalarWriteHazards",
     "a scalar write to a register that vector memory still reads", vmem_to_scalar_write},
    {smem_vector_rule, "GCNHazardRecognizer.cpp, fixSMEMtoVectorWriteHazards",
     "a vector write to a register that scalar memory still reads", smem_to_vector_write},
    {vcmpx_exec_rule, "GCNHazardRecognizer.cpp, fixVcmpxExecWARHazard",
     "v_cmpx writes EXEC while another unit still reads it", vcmpx_exec_war},
    {vcmpx_permlane_rule, "GCNHazardRecognizer.cpp, fixVcmpxPermlaneHazards",
     "v_permlane16 too soon after v_cmpx", vcmpx_permlane},
    {lds_branch_rule, "GCNHazardRecognizer.cpp, fixLdsBranchVmemWARHazard",
     "LDS and vector memory around a branch without s_waitcnt_vscnt", lds_branch_vmem_war},
    {nsa_vmem_rule, "GCNHazardRecognizer.cpp, checkNSAtoVMEMHazard", "a buffer access right after a long image access",
     nsa_to_vmem},
    {nsa_clause_rule, "AMDGPU.td, FeatureNSAClauseBug", "an image access with scattered addresses in a clause",
     nsa_clause},
    {prefetch_rule, "AMDGPU.td, FeatureInstFwdPrefetchBug; SITargetLowering::getPrefLoopAlignment",
     "s_inst_prefetch, which can hang the wave", inst_prefetch},
    {branch_3f_rule, "AMDGPU.td, FeatureOffset3fBug; MCTargetDesc/AMDGPUAsmBackend.cpp, fixupNeedsRelaxation",
     "a branch with the offset 0x3f", branch_offset_3f},
    {flat_offset_rule, "AMDGPU.td, FeatureFlatSegmentOffsetBug; SIInstrInfo::isLegalFLATOffset",
     "a flat access with an offset", flat_segment_offset},
}};

}  // namespace

std::span<const Rule> rules() { return all; }

std::vector<Finding> check(const Code& code) {
    Findings out;
    for (const Rule& rule : all) {
        rule.check(code, out);
    }
    return out;
}

}  // namespace vgpu::isa::audit
