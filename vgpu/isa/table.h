// Index of the instruction table by encoding and opcode. For the decoder alone; others use inst.h.
#pragma once

#include "inst.h"

namespace vgpu::isa {

inline constexpr std::size_t format_count = static_cast<std::size_t>(Fmt::EXP) + 1;

struct Index {
    std::array<std::array<Op, 256>, format_count> by_format;
    std::array<Op, 1024> vop3;  // both VOP3 and VOP3B, and the 64-bit forms of VOP1, VOP2 and VOPC
};

// The op with that opcode in an encoding other than VOP3 and VOP3B, or Op::invalid.
Op lookup(Fmt f, unsigned opcode);

// The op with that opcode in the 10-bit space of VOP3.
Op lookup_vop3(unsigned opcode);

}  // namespace vgpu::isa
