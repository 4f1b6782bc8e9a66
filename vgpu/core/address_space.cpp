// AddressSpace: an ordered map under a lock, with a small per-thread cache in front.
#include "vgpu/core/address_space.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace vgpu::core {
namespace {

// Epochs are unique over all spaces, so that a thread's cache can never be taken for
// that of another space which was made at the same address.
std::atomic<std::uint64_t> next_epoch{1};

struct Run {
    std::uint64_t base = 1, end = 0;  // empty
    bool writable = false;
};

struct ThreadCache {
    static constexpr unsigned kRuns = 8;
    std::uint64_t epoch = 0;
    unsigned next = 0;
    Run runs[kRuns];
};

thread_local ThreadCache cache;

bool touchable(std::uint32_t flags) { return (flags & (AddressSpace::RedZone | AddressSpace::Freed)) == 0; }

}  // namespace

AddressSpace::AddressSpace() : epoch_(next_epoch.fetch_add(1)) {}

void AddressSpace::add(std::uint64_t base, std::uint64_t size, std::uint32_t flags, std::string label,
                       std::string story) {
    if (size == 0) return;
    std::unique_lock lock(mutex_);
    const std::uint64_t end = base + size;
    auto it = ranges_.upper_bound(base);
    if (it != ranges_.begin()) --it;
    bool narrowed = false;
    while (it != ranges_.end() && it->first < end) {
        const Range old = it->second;
        const std::uint64_t old_end = old.base + old.size;
        if (old_end <= base) {
            ++it;
            continue;
        }
        narrowed = true;
        it = ranges_.erase(it);
        if (old.base < base) ranges_[old.base] = {old.base, base - old.base, old.flags, old.label, old.story};
        if (old_end > end) it = ranges_.emplace(end, Range{end, old_end - end, old.flags, old.label, old.story}).first;
    }
    ranges_[base] = {base, size, flags, std::move(label), std::move(story)};
    if (narrowed) epoch_.store(next_epoch.fetch_add(1), std::memory_order_release);
}

bool AddressSpace::remove(std::uint64_t base) {
    std::unique_lock lock(mutex_);
    if (ranges_.erase(base) == 0) return false;
    epoch_.store(next_epoch.fetch_add(1), std::memory_order_release);
    return true;
}

bool AddressSpace::set_flags(std::uint64_t base, std::uint32_t flags) {
    std::unique_lock lock(mutex_);
    const auto it = ranges_.find(base);
    if (it == ranges_.end()) return false;
    it->second.flags = flags;
    epoch_.store(next_epoch.fetch_add(1), std::memory_order_release);
    return true;
}

bool AddressSpace::contains(std::uint64_t addr, std::uint64_t size, bool write) const noexcept {
    const std::uint64_t end = addr + size;
    if (cache.epoch == epoch_.load(std::memory_order_acquire)) {
        for (const Run& run : cache.runs)
            if (addr >= run.base && end <= run.end && end >= addr && (run.writable || !write)) return true;
    }
    return lookup(addr, size, write);
}

bool AddressSpace::lookup(std::uint64_t addr, std::uint64_t size, bool write) const noexcept {
    std::shared_lock lock(mutex_);
    const std::uint64_t end = addr + size;
    if (end < addr) return false;
    auto it = ranges_.upper_bound(addr);
    if (it == ranges_.begin()) return false;
    --it;
    if (addr >= it->first + it->second.size || !touchable(it->second.flags)) return false;
    const bool writable = (it->second.flags & ReadOnly) == 0;
    if (write && !writable) return false;
    Run run{it->first, it->first + it->second.size, writable};
    while (run.end < end) {  // the access goes on into an adjacent range
        ++it;
        if (it == ranges_.end() || it->first != run.end || !touchable(it->second.flags)) return false;
        const bool next_writable = (it->second.flags & ReadOnly) == 0;
        if (write && !next_writable) return false;
        run.writable = run.writable && next_writable;
        run.end += it->second.size;
    }
    const std::uint64_t epoch = epoch_.load(std::memory_order_acquire);
    if (cache.epoch != epoch) {
        cache = ThreadCache{};
        cache.epoch = epoch;
    }
    cache.runs[cache.next] = run;
    cache.next = (cache.next + 1) % ThreadCache::kRuns;
    return true;
}

std::optional<AddressSpace::Range> AddressSpace::find(std::uint64_t addr) const {
    std::shared_lock lock(mutex_);
    auto it = ranges_.upper_bound(addr);
    if (it == ranges_.begin()) return std::nullopt;
    --it;
    if (addr >= it->first + it->second.size) return std::nullopt;
    return it->second;
}

std::optional<AddressSpace::Range> AddressSpace::nearest(std::uint64_t addr) const {
    std::shared_lock lock(mutex_);
    const auto guard = [](const auto& entry) { return (entry.second.flags & (RedZone | Tail)) != 0; };
    auto above = ranges_.upper_bound(addr);
    auto below = std::make_reverse_iterator(above);
    above = std::find_if_not(above, ranges_.end(), guard);
    below = std::find_if_not(below, ranges_.rend(), guard);
    if (below == ranges_.rend() && above == ranges_.end()) return std::nullopt;
    if (below == ranges_.rend()) return above->second;
    const std::uint64_t end = below->first + below->second.size;
    if (addr < end || above == ranges_.end()) return below->second;
    return addr - end < above->first - addr ? below->second : above->second;
}

}  // namespace vgpu::core
