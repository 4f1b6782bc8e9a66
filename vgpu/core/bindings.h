// Which handler runs an instruction. Each handler file lists its own rows, one per
// mnemonic; the mnemonic is an enumerator of the ISA table, so a wrong name does not
// compile. Memory instructions have no row each: their handler follows from the table.
#pragma once

#include <cstddef>
#include <memory>

#include "vgpu/core/wave.h"
#include "vgpu/isa/inst.h"

namespace vgpu::core {

struct StrictFacts;

struct Binding {
    isa::Op op;
    Fn fn;
    Fn quick = nullptr;  // for wave32 with plain operands; see Quick in operand.h
};

struct BindingList {
    const Binding* rows = nullptr;
    std::size_t count = 0;
};

// Everything about an instruction that its handler may need but seldom does.
struct Extra {
    u64 pc = 0;
    isa::Inst inst;
    MicroOp inner;  // what a wrapper (DPP, SDWA, checks) runs
    Fn atomic = nullptr;
    std::shared_ptr<const StrictFacts> strict;  // in strict mode
};

// The handlers of one host build.
struct HandlerSet {
    const char* host;                 // "portable", "avx2", "avx512"
    const BindingList* const* lists;  // VALU, SALU, control
    std::size_t count;
    Fn (*memory)(const isa::Inst&);                    // DS, FLAT, GLOBAL, SCRATCH, MUBUF, MTBUF, SMEM; or nullptr
    Fn dpp, sdwa, special_source, stuck_lane;          // wrappers around Extra::inner
    Fn illegal, no_handler, fetch_fault, go, no_room;  // pseudo-instructions
};

namespace portable {
const HandlerSet& handler_set();
}
namespace avx2 {
const HandlerSet& handler_set();
}
namespace avx512 {
const HandlerSet& handler_set();
}

}  // namespace vgpu::core
