// RaceShadow alone: which pairs of accesses race, and what orders them. No kernel runs here; strict_test.cpp has those.
#include <cstdio>
#include <cstring>
#include <vector>

#include "vgpu/core/address_space.h"
#include "vgpu/core/strict_races.h"

using namespace vgpu::core;

namespace {

using Kind = Access::Kind;
using Space = Access::Space;

int failures = 0;

void check(bool good, const char* what) {
    if (good) return;
    ++failures;
    std::printf("FAILED: %s\n", what);
}

// A workgroup of eight waves that have LDS and one page of memory.
class Group {
public:
    Group() : waves_(8), lds_(4096), memory_(1024) {
        space_.add(reinterpret_cast<u64>(memory_.data()), 4096, AddressSpace::Device, "page");
        for (u32 i = 0; i < waves_.size(); ++i) {
            waves_[i].index = i;
            waves_[i].lds = lds_.data();
            waves_[i].memory = &space_;
        }
        shadow.begin(static_cast<unsigned>(waves_.size()), 4096);
    }

    u64 base() const { return reinterpret_cast<u64>(memory_.data()); }

    // Does this access race? A store of a known value changes the memory afterwards, as the handler would.
    bool races(unsigned wave, Kind kind, Space space, u64 address, u32 size = 4, bool newest = false, int value = -1) {
        Access a;
        a.space = space;
        a.kind = kind;
        a.newest = newest;
        a.lane = 3;
        a.size = size;
        a.address = address;
        if (value >= 0) {
            a.known = true;
            std::memset(a.data, value, sizeof a.data);
        }
        const auto found = shadow.check(waves_[wave], extra_, {a});
        if (found) last = found->before;
        if (value >= 0)
            std::memset(space == Space::Lds ? lds_.data() + address : reinterpret_cast<u8*>(address), value, size);
        return found.has_value();
    }
    bool lds(unsigned wave, Kind kind, u64 at, u32 size = 4, int value = -1) {
        return races(wave, kind, Space::Lds, at, size, false, value);
    }
    bool mem(unsigned wave, Kind kind, u64 at, bool newest = false) {
        return races(wave, kind, Space::Memory, base() + at, 4, newest);
    }

    RaceShadow shadow;
    RaceShadow::Cell last;

private:
    AddressSpace space_;
    std::vector<Wave> waves_;
    std::vector<u8> lds_;
    std::vector<u32> memory_;
    Extra extra_;
};

void pairs() {
    Group g;
    check(!g.lds(0, Kind::Write, 0) && !g.lds(0, Kind::Read, 0), "one wave with itself");
    check(g.lds(1, Kind::Read, 0), "a read after another wave's write");
    check(g.last.wave == 0 && g.last.lane == 3 && g.last.write, "the report names the write");
    check(!g.lds(0, Kind::Read, 8) && !g.lds(1, Kind::Read, 8), "two reads");
    check(g.lds(2, Kind::Write, 8), "a write after reads");
    g.shadow.barrier();
    check(!g.lds(1, Kind::Read, 0) && !g.lds(2, Kind::Write, 8), "a barrier orders");
    check(g.lds(3, Kind::Write, 0), "but only what is before it");
}

void bytes() {
    Group g;
    check(!g.lds(0, Kind::Write, 0, 1) && !g.lds(1, Kind::Write, 1, 1) && !g.lds(2, Kind::Write, 2, 2),
          "parts of one dword");
    check(g.lds(3, Kind::Read, 1, 1) && g.last.wave == 1, "the byte that was written");
    check(!g.lds(4, Kind::Write, 14, 4) && g.lds(5, Kind::Read, 16, 1), "an access across two dwords");
    check(!g.lds(5, Kind::Read, 18, 2), "ends where it ends");
    check(!g.lds(6, Kind::Write, 64, 16) && g.lds(7, Kind::Read, 76), "sixteen bytes are four dwords");
}

void same_values() {
    Group g;
    check(!g.lds(0, Kind::Write, 0, 4, 7) && !g.lds(1, Kind::Write, 0, 4, 7), "the same value twice");
    check(g.shadow.same_value == 1, "is counted");
    check(g.lds(2, Kind::Write, 0, 4, 8), "another value is a race");
    check(!g.lds(3, Kind::Read, 32, 4) && g.lds(4, Kind::Write, 32, 4, 0), "a read beside a write, whatever it writes");
}

void atomics() {
    Group g;
    check(!g.lds(0, Kind::Atomic, 0) && !g.lds(1, Kind::Atomic, 0), "two atomics");
    check(g.lds(2, Kind::Read, 0), "a plain read against an atomic");
    Group h;
    check(!h.lds(0, Kind::Write, 0) && h.lds(1, Kind::Atomic, 0),
          "an atomic against the write that should come before");
    Group j;  // the same where the first wave went on to its own atomic
    check(!j.lds(0, Kind::Write, 0) && !j.lds(0, Kind::Atomic, 0) && j.lds(1, Kind::Atomic, 0),
          "zeroed beside the additions");
    Group i;  // a lock around data
    check(!i.mem(0, Kind::Atomic, 0) && !i.mem(0, Kind::Write, 64) && !i.mem(0, Kind::Atomic, 0), "a wave that locks");
    check(!i.mem(1, Kind::Atomic, 0) && !i.mem(1, Kind::Read, 64) && !i.mem(1, Kind::Write, 64),
          "another that locks later");
    check(i.mem(2, Kind::Read, 64), "one that does not");
    Group k;  // the lock is freed by a plain store, as atomic stores are
    check(!k.mem(0, Kind::Atomic, 0) && !k.mem(0, Kind::Write, 64) && !k.mem(0, Kind::Write, 0),
          "a store frees the lock");
    check(!k.mem(1, Kind::Atomic, 0) && !k.mem(1, Kind::Write, 64), "who locks comes after");
}

void flags() {
    Group g;
    check(!g.mem(0, Kind::Write, 64) && !g.mem(0, Kind::Write, 0), "data, then a flag");
    check(!g.mem(1, Kind::Read, 0, true) && !g.mem(1, Kind::Read, 64), "who polled the flag may read the data");
    check(g.mem(2, Kind::Read, 64), "who did not may not");
    Group h;
    check(!h.mem(1, Kind::Read, 0, true), "polled before it is set");
    check(!h.mem(0, Kind::Write, 64) && !h.mem(0, Kind::Write, 0), "set");
    check(!h.mem(1, Kind::Read, 0, true) && !h.mem(1, Kind::Read, 64), "polled again");
    check(!h.mem(1, Kind::Write, 68) && h.mem(0, Kind::Read, 68), "nothing flows back");
}

void many() {
    Group g;
    for (u64 at = 0; at < 4096; at += 4) check(!g.mem(0, Kind::Write, at), "a write");
    bool all = true;
    for (u64 at = 0; at < 4096; at += 4) all = all && g.mem(1, Kind::Read, at);
    check(all, "the table grows and forgets nothing");
    for (unsigned wave = 0; wave < 8; ++wave) check(!g.lds(wave, Kind::Read, 0), "eight readers");
    check(g.lds(0, Kind::Write, 0), "one of them writes");
    // More dwords than are remembered: nothing is made up.
    Group h;
    for (u64 dword = 0; dword < 200'000; ++dword)
        check(!h.races(0, Kind::Read, Space::Memory, 4 * dword), "reads of much memory");
    check(!h.races(1, Kind::Read, Space::Memory, 0), "and one more");
    h.shadow.begin(1, 4096);
    check(!h.lds(0, Kind::Write, 0) && !h.lds(1, Kind::Write, 0), "one wave alone is not watched");
}

}  // namespace

int main() {
    pairs();
    bytes();
    same_values();
    atomics();
    flags();
    many();
    std::printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
