// Virtual memory management: address ranges, pieces of memory, and mappings between.
// Knows the cards' heaps and tells Memory which mappings exist and who sees them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "vgpu/hsa/abi.h"
#include "vgpu/hsa/device.h"
#include "vgpu/hsa/memory.h"

namespace vgpu::hsa {

class VirtualMemory {
public:
    // `host_pool` is where imported host memory counts as coming from.
    VirtualMemory(Memory& memory, const Pool& host_pool) : memory_(memory), host_pool_(host_pool) {}
    ~VirtualMemory();
    VirtualMemory(const VirtualMemory&) = delete;
    VirtualMemory& operator=(const VirtualMemory&) = delete;

    // `wanted` is a hint (0: anywhere); `alignment` a power of two, 0 for pages.
    abi::Status reserve(std::uint64_t size, std::uint64_t wanted, std::uint64_t alignment, void** out);
    abi::Status unreserve(void* base, std::uint64_t size);

    abi::Status create(const Pool& pool, std::uint64_t size, std::uint32_t type, abi::VmemHandle* out);
    abi::Status release(abi::VmemHandle handle);
    abi::Status retain(const void* address, abi::VmemHandle* out);
    // The pool and type that a handle was created with; nullptr for no living handle.
    const Pool* pool_of(abi::VmemHandle handle, std::uint32_t* type) const;

    abi::Status map(void* base, std::uint64_t size, std::uint64_t skip, abi::VmemHandle handle);
    abi::Status unmap(void* base, std::uint64_t size);
    // `device` nullptr: the host.
    abi::Status set_access(void* base, std::uint64_t size, const Device* device, abi::AccessPermission permission);
    abi::Status get_access(const void* base, const Device* device, abi::AccessPermission* out) const;

    // A descriptor that another process (or this one) can import; the exporting
    // process must still live when it does.
    abi::Status export_file(abi::VmemHandle handle, int* out) const;
    abi::Status import_file(int file, abi::VmemHandle* out);

    bool reserved(const void* address, std::uint64_t* base, std::uint64_t* size) const;

private:
    // A piece of memory. Lives while its handle or a mapping holds it.
    struct Piece {
        Piece() = default;
        ~Piece();
        Piece(const Piece&) = delete;
        Piece& operator=(const Piece&) = delete;

        const Pool* pool = nullptr;
        Device* device = nullptr;  // set where the piece is of this process's heap
        int file = -1;             // owned where device is nullptr
        std::uint64_t offset = 0;
        std::uint64_t size = 0;
        std::uint32_t type = 1;   // pinned or not, as asked for: all memory stays here
        std::uint32_t holds = 1;  // of the handle: create, import and each retain
    };
    struct Mapping {
        std::uint64_t size = 0;
        std::uint64_t skip = 0;
        std::uint64_t id = 0;  // of the handle it was mapped from
        std::shared_ptr<Piece> piece;
        std::map<unsigned, abi::AccessPermission> cards;  // by device index
        abi::AccessPermission host = abi::ACCESS_PERMISSION_NONE;
    };

    void publish(std::uint64_t base, const Mapping& mapping);
    bool covered(std::uint64_t begin, std::uint64_t end) const;

    Memory& memory_;
    const Pool& host_pool_;
    mutable std::mutex mutex_;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, std::uint64_t> ranges_;           // base -> size
    std::map<std::uint64_t, std::shared_ptr<Piece>> pieces_;  // by handle
    std::map<std::uint64_t, Mapping> mappings_;               // by base
};

}  // namespace vgpu::hsa
