// Text of decoded instructions in LLVM's syntax, for fault messages, traces and the audit.
//
// The spelling is that of LLVM 21's `llvm-mc --disassemble -mcpu=gfx1010`; tools/compare checks it over whole
// packages.
#pragma once

#include <string>

#include "inst.h"

namespace vgpu::isa {

// One line without newline, e.g. "v_add_f32_e32 v1, s2, v3". For an illegal instruction the text says so.
std::string to_string(const Inst& inst);

// Symbolic operands of the scalar instructions that carry one in simm16, and of others that need a table.
std::string hwreg_text(unsigned simm16);
std::string sendmsg_text(unsigned simm16);
std::string waitcnt_text(unsigned simm16);
std::string depctr_text(unsigned simm16);
std::string swizzle_text(unsigned offset);  // with the leading space; empty for 0
std::string buffer_format_text(unsigned format);
std::string export_target_text(unsigned target);

}  // namespace vgpu::isa
