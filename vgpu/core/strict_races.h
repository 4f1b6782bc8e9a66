// Races between the waves of one workgroup, on LDS and on memory: two accesses to the same byte by different waves, one
// of them a write, that no barrier and no atomic puts in an order. A shadow of each dword remembers its last accesses;
// vector clocks carry the order that atomics make. Knows accesses; nothing of instructions' encodings.
//
// s_barrier orders everything before it with everything after it, so the shadow begins anew there. What atomics order:
// a wave's atomic sees all that others did before theirs on the same dword (whatever fences the code has or lacks), and
// so does a load that passes the near caches (glc), which is how atomic and volatile loads look. The ISA has no atomic
// store: a store to a dword that the workgroup uses atomically counts as one.
#pragma once

#include <array>
#include <optional>
#include <unordered_map>
#include <vector>

#include "vgpu/core/strict_access.h"

namespace vgpu::core {

class RaceShadow {
public:
    static constexpr unsigned kWaves = 32;  // of a workgroup: 1024 work-items

    // One remembered access of a dword.
    struct Cell {
        const Extra* where = nullptr;
        u32 clock = 0;
        u8 wave = 0, lane = 0;
        u8 bytes = 0;  // bit i: byte i of the dword; 0: no access
        bool write : 1 = false;
        bool read : 1 = false;
        bool atomic : 1 = false;
    };
    struct Race {
        Access now;
        Cell before;
    };

    // A new workgroup.
    void begin(unsigned waves, u32 lds_bytes);
    // All live waves have met.
    void barrier();
    // Checks what the instruction at `where` is about to touch, and remembers it. The first race found.
    std::optional<Race> check(const Wave& w, const Extra& where, const std::vector<Access>& accesses);

    // Two waves stored the same value to one place: no result depends on it, so it is counted and not reported.
    u64 same_value = 0;

private:
    struct Slot {
        u64 dword = 0;
        u64 age = 0;  // of the shadow when this was filled; older: empty
        std::array<Cell, 4> cells;
    };
    using Clocks = std::array<u32, kWaves>;

    Slot& lds_slot(u64 dword);
    Slot& memory_slot(u64 dword);
    Slot* free_place(u64 dword);
    Clocks* meeting_place(Access::Space space, u64 dword, bool make);
    void see(unsigned wave, const Clocks& other);
    std::optional<Cell> check_dword(const Wave& w, const Extra& where, const Access& access, u64 dword, unsigned bytes);
    bool same(const Wave& w, const Access& access, u64 dword, unsigned bytes) const;
    static void remember(Slot& slot, const Cell& cell, const Clocks& seen);

    unsigned waves_ = 0;
    u64 age_ = 1, memory_age_ = 1;
    std::vector<Slot> lds_;
    std::vector<Slot> memory_;  // open addressing; a power of two
    std::size_t memory_used_ = 0;
    std::array<Clocks, kWaves> seen_{};  // seen_[a][b]: up to which time of wave b wave a knows
    std::unordered_map<u64, Clocks> lds_meetings_, memory_meetings_;
};

}  // namespace vgpu::core
