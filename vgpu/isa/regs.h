// Which scalar registers an instruction reads and writes, implicit ones included.
//
// Registers are numbered as in encodings: SGPR n is n, VCC 106-107, TTMP n 108+n, M0 124, EXEC 126-127. NULL is
// left out: it is no storage. SCC is in the table's flags. Knows the table alone.
#pragma once

#include <bitset>

#include "inst.h"

namespace vgpu::isa {

using ScalarSet = std::bitset<128>;

inline constexpr unsigned reg_vcc = 106, reg_m0 = 124, reg_exec = 126;

// Vector ALU: all VOP encodings.
bool is_valu(const Inst& inst);
// Scalar ALU and program control (SOP1, SOP2, SOPC, SOPK, SOPP).
bool is_salu(const Inst& inst);
// Buffer and image memory.
bool is_vmem(const Inst& inst);
bool is_flat(const Inst& inst);  // FLAT, GLOBAL and SCRATCH
bool is_branch(const Inst& inst);

// Explicit and implicit reads; every vector instruction reads EXEC.
ScalarSet scalar_reads(const Inst& inst, unsigned wave = 32);

// The registers named as destinations (VCC of an e32 comparison included).
ScalarSet scalar_dst(const Inst& inst);

// scalar_dst() and what is written besides: EXEC by v_cmpx and s_*_saveexec.
ScalarSet scalar_writes(const Inst& inst, unsigned wave = 32);

}  // namespace vgpu::isa
