// Host memory that is pinned for the GPUs: pages counted, because pins may overlap.
// Tells an observer which pages become visible and which cease to be. Knows nothing of
// who pins, nor of address spaces.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

namespace vgpu::hsa {

class PinnedPages {
public:
    using Change = std::function<void(std::uint64_t base, std::uint64_t size, bool visible)>;

    // Counts [base, base+size) one up or one down; whole pages around it are meant.
    // `change` hears of each stretch whose count left or reached zero.
    void pin(std::uint64_t base, std::uint64_t size, const Change& change);
    void unpin(std::uint64_t base, std::uint64_t size, const Change& change);

private:
    void shift(std::uint64_t begin, std::uint64_t end, int step, const Change& change);
    std::map<std::uint64_t, int>::iterator split(std::uint64_t at);

    // From each key up to the next one, that many pins; empty means none anywhere.
    std::map<std::uint64_t, int> counts_;
};

}  // namespace vgpu::hsa
