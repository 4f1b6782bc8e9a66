// Instruction kinds and loops; see mix.h.
#include "vgpu/isa/audit/mix.h"

#include <algorithm>
#include <numeric>

#include "vgpu/isa/regs.h"

namespace vgpu::isa::audit {
namespace {

Kind valu_kind(const Inst& inst) {
    const Row& r = inst.row();
    if (r.has(FMA)) {
        return Kind::fma;
    }
    if (r.has(TRANS)) {
        return Kind::transcendental;
    }
    if (r.has(LANE)) {
        return Kind::lane;
    }
    if (r.fmt == Fmt::VOPC) {
        return Kind::compare;
    }
    const bool moves = r.name == "v_mov_b32" || r.name == "v_swap_b32" || r.name == "v_cndmask_b32" ||
                       r.name.starts_with("v_movrel") || r.name.starts_with("v_swaprel");
    if (moves) {
        return Kind::move;
    }
    return is_float(r.dst) || is_float(r.src[0]) ? Kind::other_float : Kind::integer;
}

Kind salu_kind(const Inst& inst) {
    if (inst.has(BRANCH)) {
        return Kind::branch;
    }
    if (inst.has(WAIT)) {
        return Kind::wait;
    }
    if (inst.op == Op::s_barrier) {
        return Kind::barrier;
    }
    return inst.fmt == Fmt::SOPP ? Kind::other_scalar : Kind::salu;
}

Kind memory_kind(const Inst& inst, Kind load, Kind store, Kind atomic) {
    return inst.has(LOAD) ? load : inst.has(STORE) ? store : inst.has(ATOMIC) ? atomic : Kind::other;
}

}  // namespace

const char* name(Kind kind) {
    static constexpr std::array<const char*, kind_count> names = {
        "fma",        "float",       "transcendental", "integer",   "compare",      "move", "lane",
        "salu",       "branch",      "wait",           "barrier",   "other-scalar", "smem", "vmem-load",
        "vmem-store", "vmem-atomic", "lds-load",       "lds-store", "lds-atomic",   "other"};
    return names[static_cast<std::size_t>(kind)];
}

Kind kind_of(const Inst& inst) {
    if (inst.op == Op::invalid) {
        return Kind::other;
    }
    if (is_valu(inst)) {
        return valu_kind(inst);
    }
    if (is_salu(inst)) {
        return salu_kind(inst);
    }
    if (inst.fmt == Fmt::SMEM) {
        return Kind::smem;
    }
    if (inst.fmt == Fmt::DS) {
        return inst.has(LANE) ? Kind::lane : memory_kind(inst, Kind::lds_load, Kind::lds_store, Kind::lds_atomic);
    }
    return memory_kind(inst, Kind::vmem_load, Kind::vmem_store, Kind::vmem_atomic);
}

void Mix::add(const Inst& inst) { ++by_kind[static_cast<std::size_t>(kind_of(inst))]; }

std::uint32_t Mix::total() const { return std::accumulate(by_kind.begin(), by_kind.end(), 0U); }

std::uint32_t Mix::valu() const {
    return std::accumulate(by_kind.begin(), by_kind.begin() + static_cast<std::ptrdiff_t>(Kind::lane) + 1, 0U);
}

Mix mix_of(const Code& code) {
    Mix mix;
    for (const Line& line : code.lines()) {
        mix.add(line.inst);
    }
    return mix;
}

std::vector<Loop> loops_of(const Code& code) {
    struct Range {
        std::size_t first, last;
    };
    std::vector<Range> ranges;
    for (std::size_t i = 0; i < code.lines().size(); ++i) {
        const std::ptrdiff_t to = code.target(i);
        if (to >= 0 && static_cast<std::size_t>(to) <= i) {
            ranges.push_back({static_cast<std::size_t>(to), i});
        }
    }
    std::vector<Loop> loops;
    for (const Range& r : ranges) {
        const bool inner = std::none_of(ranges.begin(), ranges.end(), [&](const Range& o) {
            return o.first >= r.first && o.last <= r.last && o.last - o.first < r.last - r.first;
        });
        Loop loop{code.lines()[r.first].offset, code.lines()[r.last].offset, inner, {}};
        for (std::size_t i = r.first; i <= r.last; ++i) {
            loop.mix.add(code.lines()[i].inst);
        }
        loops.push_back(loop);
    }
    return loops;
}

}  // namespace vgpu::isa::audit
