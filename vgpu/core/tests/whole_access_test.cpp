// Two and four dwords of a lane are one access: one thread stores a value in all words of a
// place again and again, another loads it and must never see two values at once. Workgroups
// that wait on each other (rocPRIM's look-back scans) pass a flag and its value so.
#include <atomic>
#include <cstdio>
#include <thread>

#define VGPU_HOST whole_access
#include "vgpu/core/memory_ops.h"

namespace vgpu::core::VGPU_HOST {
namespace {

constexpr u32 kLanes = 32;
constexpr u32 kRounds = 3'000'000;

template <u32 N>
__attribute__((noinline)) void store(const u32* r, u8* p) {
    store_lane<Element::Words, N, Part::Whole>(r, kLanes, p);
}
template <u32 N>
__attribute__((noinline)) void load(u32* r, const u8* p) {
    load_lane<Element::Words, N, Part::Whole>(r, kLanes, p);
}

// The number of loads that saw a mixture.
template <u32 N>
u32 torn() {
    alignas(16) static u8 place[16];
    std::atomic<bool> stop{false};
    std::thread writer([&stop] {
        u32 r[4 * kLanes] = {};
        for (u32 n = 0; !stop.load(std::memory_order_relaxed); ++n) {
            for (u32 k = 0; k < N; ++k) r[k * kLanes] = n;
            store<N>(r, place);
        }
    });
    u32 found = 0;
    for (u32 n = 0; n < kRounds; ++n) {
        u32 r[4 * kLanes] = {};
        load<N>(r, place);
        for (u32 k = 1; k < N; ++k)
            if (r[k * kLanes] != r[0]) {
                ++found;
                break;
            }
    }
    stop = true;
    writer.join();
    return found;
}

}  // namespace
}  // namespace vgpu::core::VGPU_HOST

int main() {
    using namespace vgpu::core::VGPU_HOST;
    const auto two = torn<2>(), four = torn<4>();
    std::printf("of %u loads beside a writer, mixtures: %u of two dwords, %u of four\n", kRounds, two, four);
    return two == 0 && four == 0 ? 0 : 1;
}
