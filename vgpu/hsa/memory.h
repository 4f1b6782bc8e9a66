// Allocations: which memory exists, whose it is, and which card may touch it.
// Knows pools and address spaces; nothing of kernels, queues or signals.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vgpu/hsa/abi.h"
#include "vgpu/hsa/device.h"
#include "vgpu/hsa/pinned.h"

namespace vgpu::hsa {

struct Allocation {
    enum class Kind { Device, Host, Shared, Virtual };
    struct Notice {
        abi::DeallocationCallback callback;
        void* ptr;  // as it was registered: anywhere in the allocation
        void* data;
    };

    std::uint64_t base = 0;
    std::uint64_t size = 0;    // as asked for
    std::uint64_t mapped = 0;  // in whole pages
    std::uint64_t guard = 0;   // strict mode: bytes behind it (host: before it too) that nobody may touch
    Kind kind = Kind::Host;
    const Pool* pool = nullptr;
    Device* owner = nullptr;   // whose memory it is; nullptr: the host's
    std::uint64_t offset = 0;  // in the owner's heap file
    DeviceMask visible = 0;
    std::uint32_t access = 0;  // core::AddressSpace::Flags for those that see it
    std::string label;
    std::string story;  // strict mode: who made and freed it
    void* user_data = nullptr;
    std::vector<Notice> on_release;
};

// What hsa_amd_pointer_info tells of an address.
struct PointerView {
    abi::PointerType type = abi::POINTER_TYPE_UNKNOWN;
    std::uint64_t base = 0;
    std::uint64_t size = 0;
    void* user_data = nullptr;
    const Device* owner = nullptr;
    std::uint32_t global_flags = 0;
    DeviceMask visible = 0;
};

class Memory {
public:
    Memory(std::vector<Device*> devices, bool strict);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    // Allocates from a pool. Device memory becomes visible to its card only, host
    // memory to all cards. `label` names it in fault texts.
    abi::Status allocate(const Pool& pool, std::uint64_t size, std::string label, void** out);
    abi::Status release(const void* base);
    // Gives the cards of the mask access to the allocation that holds ptr, and takes it
    // from the others but the owner.
    abi::Status allow(const void* ptr, DeviceMask mask);
    // Marks an allocation as code: stores by kernels are faults, instructions may be fetched.
    void make_code(const void* base);

    abi::Status pin(void* base, std::uint64_t size);
    abi::Status unpin(const void* base);

    std::optional<PointerView> view(const void* ptr) const;
    std::optional<Allocation> find(const void* ptr) const;
    abi::Status set_user_data(const void* ptr, void* data);

    // Calls `callback` when the allocation that holds ptr is released, before its memory goes.
    abi::Status on_release(const void* ptr, abi::DeallocationCallback callback, void* data);
    abi::Status forget_release(const void* ptr, abi::DeallocationCallback callback);

    // May the copy engines of any card touch all these bytes?
    bool reachable(const void* ptr, std::uint64_t size, bool write) const;
    // False for an address in a card's window that belongs to no allocation: touching it
    // would end the process.
    bool plausible(const void* ptr, std::uint64_t size) const;
    // Memory that belongs to the layer (signals), visible to all cards for good.
    void expose(void* base, std::uint64_t size, const char* label);

    // Adds a mapping made elsewhere (virtual memory, another process) and drops it again.
    void adopt(Allocation allocation);
    std::optional<Allocation> abandon(const void* base, Allocation::Kind kind);
    // Changes who sees a part of the address space that belongs to an adopted mapping.
    void show(const Allocation& allocation, DeviceMask mask, std::uint32_t access);

    abi::Status share(const void* ptr, std::uint64_t size, abi::IpcMemory* handle);
    abi::Status attach(const abi::IpcMemory& handle, std::uint64_t size, DeviceMask mask, void** out);
    abi::Status detach(const void* base);

    const std::vector<Device*>& devices() const { return devices_; }
    DeviceMask all() const { return devices_.size() >= 64 ? ~0ULL : (1ULL << devices_.size()) - 1; }

private:
    struct Pin {
        std::uint64_t size;
        bool counted;  // false: it lies in an allocation, which is visible anyway
    };

    struct Quarantined {
        std::uint64_t base, size;  // with the guards
        std::uint64_t freed;       // where its range in the cards' spaces begins
    };

    std::string place_and_time(const Device* owner) const;
    void quarantine(const Allocation& gone);
    void reveal(const Allocation& allocation, DeviceMask mask);
    void conceal(const Allocation& allocation, DeviceMask mask, bool freed);
    std::map<std::uint64_t, Allocation>::iterator holder(std::uint64_t address);
    std::map<std::uint64_t, Allocation>::const_iterator holder(std::uint64_t address) const;

    const std::vector<Device*> devices_;
    const bool strict_;
    mutable std::mutex mutex_;
    std::map<std::uint64_t, Allocation> allocations_;
    std::multimap<std::uint64_t, Pin> pins_;
    PinnedPages pages_;
    std::deque<Quarantined> quarantine_;  // freed host memory, the oldest first
    std::uint64_t quarantined_ = 0;
};

}  // namespace vgpu::hsa
