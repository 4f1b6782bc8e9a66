#include "vgpu/hsa/pinned.h"

#include "vgpu/hsa/heap.h"

namespace vgpu::hsa {

std::map<std::uint64_t, int>::iterator PinnedPages::split(std::uint64_t at) {
    auto next = counts_.upper_bound(at);
    const int count = next == counts_.begin() ? 0 : std::prev(next)->second;
    return counts_.emplace(at, count).first;
}

void PinnedPages::shift(std::uint64_t begin, std::uint64_t end, int step, const Change& change) {
    auto first = split(begin);
    const auto last = split(end);
    std::uint64_t stretch = 0;
    std::uint64_t stretch_end = 0;
    auto flush = [&] {
        if (stretch_end > stretch) {
            change(stretch, stretch_end - stretch, step > 0);
        }
    };
    for (auto at = first; at != last; ++at) {
        const std::uint64_t next = std::next(at)->first;
        const bool crosses = step > 0 ? at->second == 0 : at->second == 1;
        at->second += step;
        if (!crosses) {
            continue;
        }
        if (at->first != stretch_end) {
            flush();
            stretch = at->first;
        }
        stretch_end = next;
    }
    flush();
    // Neighbours with equal counts are one stretch again; leading zeros carry nothing.
    for (auto at = first == counts_.begin() ? first : std::prev(first); at != counts_.end() && at->first <= end;) {
        const int before = at == counts_.begin() ? 0 : std::prev(at)->second;
        at = at->second == before ? counts_.erase(at) : std::next(at);
    }
}

void PinnedPages::pin(std::uint64_t base, std::uint64_t size, const Change& change) {
    shift(base / kPageBytes * kPageBytes, round_up(base + size, kPageBytes), 1, change);
}

void PinnedPages::unpin(std::uint64_t base, std::uint64_t size, const Change& change) {
    shift(base / kPageBytes * kPageBytes, round_up(base + size, kPageBytes), -1, change);
}

}  // namespace vgpu::hsa
