// What a function's instructions are, by kind, and how much of its inner loops is fused multiply-add.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "vgpu/isa/audit/code.h"

namespace vgpu::isa::audit {

enum class Kind : std::uint8_t {
    fma,
    other_float,
    transcendental,
    integer,
    compare,
    move,
    lane,  // VALU
    salu,
    branch,
    wait,
    barrier,
    other_scalar,
    smem,
    vmem_load,
    vmem_store,
    vmem_atomic,
    lds_load,
    lds_store,
    lds_atomic,
    other,
    count,
};

inline constexpr std::size_t kind_count = static_cast<std::size_t>(Kind::count);

const char* name(Kind kind);
Kind kind_of(const Inst& inst);

struct Mix {
    std::array<std::uint32_t, kind_count> by_kind{};

    void add(const Inst& inst);
    std::uint32_t of(Kind k) const { return by_kind[static_cast<std::size_t>(k)]; }
    std::uint32_t total() const;
    std::uint32_t valu() const;  // the kinds fma to lane
};

// The lines between a backward branch and its target, both included.
struct Loop {
    std::uint32_t first, last;  // byte offsets
    bool inner;                 // holds no other loop
    Mix mix;
};

Mix mix_of(const Code& code);
std::vector<Loop> loops_of(const Code& code);

}  // namespace vgpu::isa::audit
