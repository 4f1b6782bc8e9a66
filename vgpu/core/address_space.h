// The memory that the virtual GPU may touch: a set of address ranges.
// A GPU address is a host address, so this class only answers "may it", never "where".
// It knows nothing of HSA, of kernels or of who owns a range.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

namespace vgpu::core {

class AddressSpace {
public:
    // What a range is for; combined with |.
    enum Flags : std::uint32_t {
        None = 0,
        ReadOnly = 1,  // a GPU store or atomic here is a fault (code, constant data)
        Code = 2,      // instructions may be fetched here
        RedZone = 4,   // strict mode: never touched by a right program
        Freed = 8,     // strict mode: quarantined after free, kept to name it in a fault
        Host = 16,     // host memory (pinned, kernarg); only for text
        Device = 32,   // device memory; only for text
        Tail = 64,     // strict mode: what is left of an allocation's last dword
    };

    struct Range {
        std::uint64_t base = 0;  // first byte
        std::uint64_t size = 0;  // bytes
        std::uint32_t flags = None;
        std::string label;  // for fault texts, e.g. "device allocation"
        std::string story;  // who made and freed it, where that is known
    };

    AddressSpace();
    AddressSpace(const AddressSpace&) = delete;
    AddressSpace& operator=(const AddressSpace&) = delete;

    // Adds [base, base+size). Any part that overlaps an older range replaces that
    // part. A size of zero adds nothing.
    void add(std::uint64_t base, std::uint64_t size, std::uint32_t flags, std::string label, std::string story = {});
    // Removes the range that begins at base; false where none does.
    bool remove(std::uint64_t base);
    // Changes the flags of the range that begins at base (allocation -> quarantine).
    bool set_flags(std::uint64_t base, std::uint32_t flags);

    // May the GPU read (or, with write, change) all of [addr, addr+size)? Adjacent
    // ranges join. The usual call hits a small per-thread cache and takes no lock.
    bool contains(std::uint64_t addr, std::uint64_t size, bool write = false) const noexcept;
    // The range that holds addr, whatever its flags.
    std::optional<Range> find(std::uint64_t addr) const;
    // The range that holds addr, else the one whose edge is closest to it; red zones are
    // passed over for what they guard.
    std::optional<Range> nearest(std::uint64_t addr) const;

private:
    bool lookup(std::uint64_t addr, std::uint64_t size, bool write) const noexcept;

    mutable std::shared_mutex mutex_;
    std::map<std::uint64_t, Range> ranges_;  // by base, never overlapping
    std::atomic<std::uint64_t> epoch_;       // unique over all spaces; new at every narrowing
};

}  // namespace vgpu::core
