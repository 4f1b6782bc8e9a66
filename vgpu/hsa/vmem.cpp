#include "vgpu/hsa/vmem.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "vgpu/hsa/log.h"

namespace vgpu::hsa {
namespace {

using Space = core::AddressSpace;

// What an exported descriptor holds: where the piece can be opened.
struct Passport {
    std::uint64_t magic;
    std::int64_t process;
    std::int64_t file;
    std::uint64_t offset;
    std::uint64_t size;
    std::uint64_t device;  // index; kHost for host memory
};
constexpr std::uint64_t kPassportMagic = 0x5647'5055'5f56'4d4d;
constexpr std::uint64_t kHost = ~0ULL;

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }
bool aligned(std::uint64_t value) { return value % kPageBytes == 0; }

}  // namespace

VirtualMemory::Piece::~Piece() {
    if (device != nullptr) {
        device->heap.give(offset);
    } else if (file >= 0) {
        close(file);
    }
}

VirtualMemory::~VirtualMemory() {
    mappings_.clear();
    for (const auto& [base, size] : ranges_) {
        munmap(reinterpret_cast<void*>(base), size);
    }
}

abi::Status VirtualMemory::reserve(std::uint64_t size, std::uint64_t wanted, std::uint64_t alignment, void** out) {
    alignment = std::max(alignment, kPageBytes);
    if (size == 0 || !aligned(size) || (alignment & (alignment - 1)) != 0) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const std::uint64_t spare = alignment > kPageBytes ? alignment : 0;
    void* raw = mmap(reinterpret_cast<void*>(wanted), size + spare, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) {
        return abi::STATUS_ERROR_OUT_OF_RESOURCES;
    }
    const std::uint64_t begin = address_of(raw);
    const std::uint64_t base = round_up(begin, alignment);
    if (base > begin) {
        munmap(raw, base - begin);
    }
    if (begin + size + spare > base + size) {
        munmap(reinterpret_cast<void*>(base + size), begin + spare - base);
    }
    const std::lock_guard lock(mutex_);
    ranges_[base] = size;
    *out = reinterpret_cast<void*>(base);
    return abi::STATUS_SUCCESS;
}

abi::Status VirtualMemory::unreserve(void* base, std::uint64_t size) {
    const std::lock_guard lock(mutex_);
    const auto range = ranges_.find(address_of(base));
    if (range == ranges_.end() || range->second != size) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const auto mapping = mappings_.lower_bound(range->first);
    if (mapping != mappings_.end() && mapping->first < range->first + size) {
        return abi::STATUS_ERROR_RESOURCE_FREE;
    }
    munmap(base, size);
    ranges_.erase(range);
    return abi::STATUS_SUCCESS;
}

bool VirtualMemory::reserved(const void* address, std::uint64_t* base, std::uint64_t* size) const {
    const std::lock_guard lock(mutex_);
    const auto above = ranges_.upper_bound(address_of(address));
    if (above == ranges_.begin()) {
        return false;
    }
    const auto range = std::prev(above);
    *base = range->first;
    *size = range->second;
    return address_of(address) - range->first < range->second;
}

bool VirtualMemory::covered(std::uint64_t begin, std::uint64_t end) const {
    const auto above = ranges_.upper_bound(begin);
    return above != ranges_.begin() && end > begin && end <= std::prev(above)->first + std::prev(above)->second;
}

abi::Status VirtualMemory::create(const Pool& pool, std::uint64_t size, std::uint32_t type, abi::VmemHandle* out) {
    if (size == 0 || !aligned(size)) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    auto piece = std::make_shared<Piece>();
    piece->pool = &pool;
    piece->size = size;
    piece->type = type;
    if (Device* device = pool.agent->device; device != nullptr) {
        const auto offset = device->heap.take(size, 0, false);
        if (!offset) {
            return abi::STATUS_ERROR_OUT_OF_RESOURCES;
        }
        piece->device = device;
        piece->file = device->heap.file();
        piece->offset = *offset;
    } else {
        piece->file = memfd_create("vgpu-host-memory", MFD_CLOEXEC);
        if (piece->file < 0 || ftruncate(piece->file, static_cast<off_t>(size)) != 0) {
            return abi::STATUS_ERROR_OUT_OF_RESOURCES;
        }
    }
    const std::lock_guard lock(mutex_);
    out->handle = next_id_++;
    pieces_[out->handle] = std::move(piece);
    return abi::STATUS_SUCCESS;
}

abi::Status VirtualMemory::release(abi::VmemHandle handle) {
    const std::lock_guard lock(mutex_);
    const auto found = pieces_.find(handle.handle);
    if (found == pieces_.end()) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    if (--found->second->holds == 0) {
        pieces_.erase(found);  // mappings keep the memory itself
    }
    return abi::STATUS_SUCCESS;
}

abi::Status VirtualMemory::retain(const void* address, abi::VmemHandle* out) {
    const std::lock_guard lock(mutex_);
    const auto above = mappings_.upper_bound(address_of(address));
    if (above == mappings_.begin()) {
        return abi::STATUS_ERROR_INVALID_ALLOCATION;
    }
    const auto& [base, mapping] = *std::prev(above);
    if (address_of(address) - base >= mapping.size) {
        return abi::STATUS_ERROR_INVALID_ALLOCATION;
    }
    if (pieces_.contains(mapping.id)) {
        ++mapping.piece->holds;
    } else {
        mapping.piece->holds = 1;
        pieces_[mapping.id] = mapping.piece;
    }
    out->handle = mapping.id;
    return abi::STATUS_SUCCESS;
}

const Pool* VirtualMemory::pool_of(abi::VmemHandle handle, std::uint32_t* type) const {
    const std::lock_guard lock(mutex_);
    const auto found = pieces_.find(handle.handle);
    if (found == pieces_.end()) {
        return nullptr;
    }
    *type = found->second->type;
    return found->second->pool;
}

abi::Status VirtualMemory::map(void* base, std::uint64_t size, std::uint64_t skip, abi::VmemHandle handle) {
    const std::uint64_t begin = address_of(base);
    const std::lock_guard lock(mutex_);
    const auto found = pieces_.find(handle.handle);
    if (found == pieces_.end() || !aligned(begin) || !aligned(size) || !aligned(skip) ||
        !covered(begin, begin + size) || skip > found->second->size || size > found->second->size - skip) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const auto next = mappings_.lower_bound(begin);
    if ((next != mappings_.end() && next->first < begin + size) ||
        (next != mappings_.begin() && std::prev(next)->first + std::prev(next)->second.size > begin)) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const auto& piece = found->second;
    if (mmap(base, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, piece->file,
             static_cast<off_t>(piece->offset + skip)) == MAP_FAILED) {
        return abi::STATUS_ERROR_OUT_OF_RESOURCES;
    }
    Mapping mapping;
    mapping.size = size;
    mapping.skip = skip;
    mapping.id = handle.handle;
    mapping.piece = piece;
    Allocation made;
    made.base = begin;
    made.size = made.mapped = size;
    made.kind = Allocation::Kind::Virtual;
    made.pool = piece->pool;
    made.owner = piece->pool->agent->device;
    made.label = "mapped device memory";
    memory_.adopt(std::move(made));
    mappings_[begin] = std::move(mapping);
    return abi::STATUS_SUCCESS;
}

abi::Status VirtualMemory::unmap(void* base, std::uint64_t size) {
    const std::lock_guard lock(mutex_);
    const auto found = mappings_.find(address_of(base));
    if (found == mappings_.end() || found->second.size != size) {
        return abi::STATUS_ERROR_INVALID_ALLOCATION;
    }
    memory_.abandon(base, Allocation::Kind::Virtual);
    mmap(base, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    mappings_.erase(found);
    return abi::STATUS_SUCCESS;
}

void VirtualMemory::publish(std::uint64_t base, const Mapping& mapping) {
    DeviceMask mask = 0;
    std::uint32_t access = mapping.piece->pool->agent->is_gpu() ? Space::Device : Space::Host;
    for (const auto& [index, permission] : mapping.cards) {
        if (permission != abi::ACCESS_PERMISSION_NONE) {
            mask |= DeviceMask{1} << index;
        }
        if (permission == abi::ACCESS_PERMISSION_RO) {
            access |= Space::ReadOnly;
        }
    }
    Allocation made;
    made.base = base;
    memory_.show(made, mask, access);
}

abi::Status VirtualMemory::set_access(void* base, std::uint64_t size, const Device* device,
                                      abi::AccessPermission permission) {
    const std::uint64_t begin = address_of(base);
    const std::lock_guard lock(mutex_);
    bool any = false;
    for (auto at = mappings_.lower_bound(begin); at != mappings_.end() && at->first < begin + size; ++at) {
        any = true;
        if (device == nullptr) {
            at->second.host = permission;
        } else {
            at->second.cards[device->index] = permission;
            publish(at->first, at->second);
        }
    }
    return any ? abi::STATUS_SUCCESS : abi::STATUS_ERROR_INVALID_ALLOCATION;
}

abi::Status VirtualMemory::get_access(const void* base, const Device* device, abi::AccessPermission* out) const {
    const std::lock_guard lock(mutex_);
    const auto above = mappings_.upper_bound(address_of(base));
    if (above == mappings_.begin() || address_of(base) - std::prev(above)->first >= std::prev(above)->second.size) {
        return abi::STATUS_ERROR_INVALID_ALLOCATION;
    }
    const Mapping& mapping = std::prev(above)->second;
    if (device == nullptr) {
        *out = mapping.host;
    } else {
        const auto card = mapping.cards.find(device->index);
        *out = card == mapping.cards.end() ? abi::ACCESS_PERMISSION_NONE : card->second;
    }
    return abi::STATUS_SUCCESS;
}

abi::Status VirtualMemory::export_file(abi::VmemHandle handle, int* out) const {
    const std::lock_guard lock(mutex_);
    const auto found = pieces_.find(handle.handle);
    if (found == pieces_.end()) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const Piece& piece = *found->second;
    const int file = memfd_create("vgpu-shared-handle", MFD_CLOEXEC);
    if (file < 0) {
        return abi::STATUS_ERROR_OUT_OF_RESOURCES;
    }
    const Device* device = piece.pool->agent->device;
    const Passport passport{kPassportMagic, getpid(),   piece.file,
                            piece.offset,   piece.size, device != nullptr ? device->index : kHost};
    if (pwrite(file, &passport, sizeof(passport), 0) != sizeof(passport)) {
        close(file);
        return abi::STATUS_ERROR_OUT_OF_RESOURCES;
    }
    *out = file;
    return abi::STATUS_SUCCESS;
}

abi::Status VirtualMemory::import_file(int file, abi::VmemHandle* out) {
    Passport passport{};
    if (pread(file, &passport, sizeof(passport), 0) != sizeof(passport) || passport.magic != kPassportMagic ||
        (passport.device != kHost && passport.device >= memory_.devices().size())) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const std::string path = "/proc/" + std::to_string(passport.process) + "/fd/" + std::to_string(passport.file);
    const int opened = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (opened < 0) {
        log_line("virtual memory: the exporting process %lld cannot be reached",
                 static_cast<long long>(passport.process));
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    auto piece = std::make_shared<Piece>();
    piece->file = opened;
    piece->offset = passport.offset;
    piece->size = passport.size;
    piece->pool = passport.device == kHost ? &host_pool_ : memory_.devices()[passport.device]->pool;
    const std::lock_guard lock(mutex_);
    out->handle = next_id_++;
    pieces_[out->handle] = std::move(piece);
    return abi::STATUS_SUCCESS;
}

}  // namespace vgpu::hsa
