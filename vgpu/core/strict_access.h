// What a memory instruction is about to touch, lane by lane. Works out addresses as the handlers do; touches nothing
// and judges nothing. A lane's private memory (scratch) is left out: no other lane sees it.
#pragma once

#include <vector>

#include "vgpu/core/bindings.h"

namespace vgpu::core {

struct Access {
    enum class Space : u8 { Lds, Memory };
    enum class Kind : u8 { Read, Write, Atomic };

    Space space = Space::Memory;
    Kind kind = Kind::Read;
    bool newest = false;  // a load that passes the near caches (glc): how atomic and volatile loads look
    bool known = false;   // `data` holds what will be stored
    u8 lane = 0;
    u32 size = 0;     // bytes, at most 16 for vector memory, 64 for scalar loads
    u64 address = 0;  // or offset in LDS
    u8 data[16] = {};
};

// Of the instruction that `u` runs, with the registers as they are before it. Lanes that the card drops (out of a
// buffer's bounds) are left out, as are those past the end of LDS, which the handlers report.
void accesses_of(const Wave& w, const MicroOp* u, const isa::Inst& inst, std::vector<Access>& out);

}  // namespace vgpu::core
