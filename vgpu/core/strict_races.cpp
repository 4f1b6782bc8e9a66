// RaceShadow: shadow cells and vector clocks.
#include "vgpu/core/strict_races.h"

#include <algorithm>

namespace vgpu::core {
namespace {

// Dwords of memory remembered between two barriers. Beyond that the oldest knowledge goes: races may be missed then,
// none is made up.
constexpr std::size_t kMemoryDwords = 65536;
constexpr std::size_t kSmallTable = 1024, kKeptTable = 16384;
constexpr std::size_t kMeetings = 65536;

std::size_t hash(u64 dword) { return static_cast<std::size_t>(dword * 0x9e37'79b9'7f4a'7c15ull >> 20); }

}  // namespace

void RaceShadow::begin(unsigned waves, u32 lds_bytes) {
    waves_ = waves;
    if (waves_ < 2) return;
    lds_.resize(std::max<std::size_t>(lds_.size(), (lds_bytes + 3) / 4));
    if (memory_.empty() || memory_.size() > kKeptTable) memory_ = std::vector<Slot>(kSmallTable);
    for (unsigned a = 0; a < waves_; ++a) {
        seen_[a].fill(0);
        seen_[a][a] = 1;
    }
    lds_meetings_.clear();
    memory_meetings_.clear();
    same_value = 0;
    barrier();
}

void RaceShadow::barrier() {
    ++age_;
    ++memory_age_;
    memory_used_ = 0;
    lds_meetings_.clear();
}

RaceShadow::Slot& RaceShadow::lds_slot(u64 dword) {
    Slot& slot = lds_[dword];
    if (slot.age != age_) slot = Slot{dword, age_, {}};
    return slot;
}

// The slot of a dword, or the one where it belongs.
RaceShadow::Slot* RaceShadow::free_place(u64 dword) {
    std::size_t at = hash(dword) & (memory_.size() - 1);
    while (memory_[at].age == memory_age_ && memory_[at].dword != dword) at = (at + 1) & (memory_.size() - 1);
    return &memory_[at];
}

RaceShadow::Slot& RaceShadow::memory_slot(u64 dword) {
    if (memory_used_ >= kMemoryDwords) {
        ++memory_age_;
        memory_used_ = 0;
    } else if (2 * memory_used_ >= memory_.size()) {
        std::vector<Slot> old(memory_.size() * 2);
        old.swap(memory_);
        for (const Slot& slot : old)
            if (slot.age == memory_age_) *free_place(slot.dword) = slot;
    }
    Slot& slot = *free_place(dword);
    if (slot.age != memory_age_) {
        slot = Slot{dword, memory_age_, {}};
        ++memory_used_;
    }
    return slot;
}

// What is known at a dword that waves use to order themselves; null where it is none.
RaceShadow::Clocks* RaceShadow::meeting_place(Access::Space space, u64 dword, bool make) {
    auto& places = space == Access::Space::Lds ? lds_meetings_ : memory_meetings_;
    const auto found = places.find(dword);
    if (found != places.end()) return &found->second;
    if (!make) return nullptr;
    if (places.size() >= kMeetings) places.clear();
    return &places[dword];
}

void RaceShadow::see(unsigned wave, const Clocks& other) {
    for (unsigned i = 0; i < waves_; ++i) seen_[wave][i] = std::max(seen_[wave][i], other[i]);
}

// Do these bytes hold already what is about to be stored?
bool RaceShadow::same(const Wave& w, const Access& access, u64 dword, unsigned bytes) const {
    if (!access.known) return false;
    if (access.space == Access::Space::Memory && !w.memory->contains(access.address, access.size)) return false;
    for (unsigned i = 0; i < 4; ++i) {
        if ((bytes >> i & 1) == 0) continue;
        const u64 address = 4 * dword + i;
        const u8* place = access.space == Access::Space::Lds ? w.lds + address : reinterpret_cast<const u8*>(address);
        if (*place != access.data[address - access.address]) return false;
    }
    return true;
}

void RaceShadow::remember(Slot& slot, const Cell& cell, const Clocks& seen) {
    Cell* best = nullptr;
    for (Cell& old : slot.cells) {
        const bool twin =
            old.wave == cell.wave && old.bytes == cell.bytes && old.write == cell.write && old.atomic == cell.atomic;
        if (old.bytes == 0 || twin) {
            best = &old;
            break;
        }
        // An older access that this one comes after, and that cannot tell more than this one does.
        const bool covered =
            seen[old.wave] >= old.clock && (old.bytes & ~cell.bytes) == 0 && (cell.write || !old.write);
        if (best == nullptr && covered) best = &old;
    }
    if (best == nullptr) {
        // Full: a read goes before a write does.
        best = &slot.cells[cell.clock % slot.cells.size()];
        for (Cell& old : slot.cells)
            if (!old.write) best = &old;
    }
    *best = cell;
}

std::optional<RaceShadow::Cell> RaceShadow::check_dword(const Wave& w, const Extra& where, const Access& access,
                                                        u64 dword, unsigned bytes) {
    const unsigned me = w.index;
    Slot& slot = access.space == Access::Space::Lds ? lds_slot(dword) : memory_slot(dword);
    const bool rmw = access.kind == Access::Kind::Atomic;
    Clocks* meeting = meeting_place(access.space, dword, rmw || access.newest);
    if (access.newest) {  // it reads from the last stores there, so it comes after them
        see(me, *meeting);
        for (const Cell& old : slot.cells)
            if (old.bytes != 0 && old.write && old.wave != me && !old.atomic) {
                Clocks known = seen_[old.wave];
                known[old.wave] = old.clock;
                see(me, known);
            }
    }
    Cell cell;
    cell.where = &where;
    cell.clock = seen_[me][me];
    cell.wave = static_cast<u8>(me);
    cell.lane = access.lane;
    cell.bytes = static_cast<u8>(bytes);
    cell.read = access.kind != Access::Kind::Write;
    cell.write = access.kind != Access::Kind::Read;
    cell.atomic = rmw || access.newest || (cell.write && meeting != nullptr);
    for (const Cell& old : slot.cells) {
        const unsigned shared = old.bytes & bytes;
        if (shared == 0 || old.wave == me || (!old.write && !cell.write) || (old.atomic && cell.atomic)) continue;
        if (seen_[me][old.wave] >= old.clock) continue;
        if (old.write && !old.read && access.kind == Access::Kind::Write && same(w, access, dword, shared)) {
            ++same_value;
            continue;
        }
        return old;
    }
    // Only now: what it learns here orders what comes later. Its own dword must have been in order before, else a
    // counter that is set to zero beside the first additions would look right whenever it went well.
    if (rmw) see(me, *meeting);
    remember(slot, cell, seen_[me]);
    if (cell.write && cell.atomic) {
        for (unsigned i = 0; i < waves_; ++i) (*meeting)[i] = std::max((*meeting)[i], seen_[me][i]);
        ++seen_[me][me];
    }
    return std::nullopt;
}

std::optional<RaceShadow::Race> RaceShadow::check(const Wave& w, const Extra& where,
                                                  const std::vector<Access>& accesses) {
    if (waves_ < 2) return std::nullopt;
    for (const Access& access : accesses) {
        const u64 end = access.address + access.size;
        for (u64 dword = access.address / 4; 4 * dword < end; ++dword) {
            unsigned bytes = 0xf;
            if (4 * dword < access.address) bytes &= 0xfu << (access.address - 4 * dword);
            if (4 * dword + 4 > end) bytes &= 0xfu >> (4 * dword + 4 - end);
            if (const auto before = check_dword(w, where, access, dword, bytes & 0xf)) return Race{access, *before};
        }
    }
    return std::nullopt;
}

}  // namespace vgpu::core
