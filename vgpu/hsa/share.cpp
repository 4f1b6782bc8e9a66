// Device memory between processes: a handle names the file of the exporting process's
// card and the piece of it; the importing process maps that piece. Part of Memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "vgpu/hsa/log.h"
#include "vgpu/hsa/memory.h"

namespace vgpu::hsa {
namespace {

struct Ticket {
    std::uint32_t magic;
    std::int32_t process;
    std::int32_t file;
    std::uint32_t device;
    std::uint64_t offset;
    std::uint64_t size;
};
static_assert(sizeof(Ticket) == sizeof(abi::IpcMemory));
constexpr std::uint32_t kTicketMagic = 0x5647'4950;

}  // namespace

abi::Status Memory::share(const void* ptr, std::uint64_t size, abi::IpcMemory* handle) {
    const auto allocation = find(ptr);
    if (!allocation || allocation->kind != Allocation::Kind::Device) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const std::uint64_t skip = reinterpret_cast<std::uint64_t>(ptr) - allocation->base;
    if (skip % kPageBytes != 0 || size == 0 || size > allocation->mapped - skip) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const Ticket ticket{
        kTicketMagic, getpid(), allocation->owner->heap.file(), allocation->owner->index, allocation->offset + skip,
        size};
    std::memcpy(handle, &ticket, sizeof(ticket));
    return abi::STATUS_SUCCESS;
}

abi::Status Memory::attach(const abi::IpcMemory& handle, std::uint64_t size, DeviceMask mask, void** out) {
    Ticket ticket{};
    std::memcpy(&ticket, &handle, sizeof(ticket));
    if (ticket.magic != kTicketMagic || size == 0 || size > ticket.size || ticket.device >= devices_.size()) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const std::string path = "/proc/" + std::to_string(ticket.process) + "/fd/" + std::to_string(ticket.file);
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) {
        log_line("IPC: the exporting process %d cannot be reached", ticket.process);
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const std::uint64_t mapped = round_up(size, kPageBytes);
    void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file,
                      static_cast<off_t>(ticket.offset));
    close(file);
    if (base == MAP_FAILED) {
        return abi::STATUS_ERROR_OUT_OF_RESOURCES;
    }
    Allocation made;
    made.base = reinterpret_cast<std::uint64_t>(base);
    made.size = size;
    made.mapped = mapped;
    made.kind = Allocation::Kind::Shared;
    made.owner = devices_[ticket.device];
    made.access = core::AddressSpace::Device;
    made.visible = mask | DeviceMask{1} << ticket.device;
    made.label = "device allocation of another process";
    *out = base;
    adopt(std::move(made));
    return abi::STATUS_SUCCESS;
}

abi::Status Memory::detach(const void* base) {
    const auto gone = abandon(base, Allocation::Kind::Shared);
    if (!gone) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    munmap(reinterpret_cast<void*>(gone->base), gone->mapped);
    return abi::STATUS_SUCCESS;
}

}  // namespace vgpu::hsa
