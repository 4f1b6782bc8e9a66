#include "vgpu/hsa/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "vgpu/hsa/log.h"
#include "vgpu/hsa/origin.h"

namespace vgpu::hsa {
namespace {

using Space = core::AddressSpace;

// Strict mode: how many bytes behind an allocation no right program touches. A wrong stride leaps farther in a large
// allocation than in a small one.
constexpr std::uint64_t guard_bytes(std::uint64_t size) {
    constexpr std::uint64_t kMost = 1 << 20;
    return std::clamp(round_up(size / 8, kPageBytes), kPageBytes, kMost);
}

// Strict mode: addresses of freed host memory that stay out of use. Those of the cards come back late by themselves.
constexpr std::uint64_t kQuarantineBytes = 16ULL << 30;

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

}  // namespace

Memory::Memory(std::vector<Device*> devices, bool strict) : devices_(std::move(devices)), strict_(strict) {}

Memory::~Memory() {
    for (const auto& [base, allocation] : allocations_) {
        if (allocation.kind == Allocation::Kind::Host || allocation.kind == Allocation::Kind::Shared) {
            munmap(reinterpret_cast<void*>(base - allocation.guard), allocation.mapped + 2 * allocation.guard);
        }
    }
    for (const Quarantined& gone : quarantine_) {
        munmap(reinterpret_cast<void*>(gone.base), gone.size);
    }
}

std::string Memory::place_and_time(const Device* owner) const {
    const Device* device = owner != nullptr ? owner : devices_.front();
    return call_site() + " after " + std::to_string(device->engine.launches()) + " dispatches";
}

std::map<std::uint64_t, Allocation>::iterator Memory::holder(std::uint64_t address) {
    auto above = allocations_.upper_bound(address);
    if (above == allocations_.begin()) {
        return allocations_.end();
    }
    auto found = std::prev(above);
    return address - found->first < found->second.mapped ? found : allocations_.end();
}

std::map<std::uint64_t, Allocation>::const_iterator Memory::holder(std::uint64_t address) const {
    return const_cast<Memory*>(this)->holder(address);
}

void Memory::reveal(const Allocation& allocation, DeviceMask mask) {
    // The card protects whole pages. In strict mode a guarded range ends at the last byte asked for; loads may go on
    // to the end of its dword, as compilers widen them so far.
    const bool exact = allocation.guard != 0;
    const std::uint64_t size = exact ? allocation.size : allocation.mapped;
    const std::uint64_t padded = exact ? round_up(size, 4) : size;
    const std::uint32_t whose = allocation.access & (Space::Host | Space::Device);
    for (Device* device : devices_) {
        if ((mask >> device->index & 1) == 0) {
            continue;
        }
        device->space.add(allocation.base, size, allocation.access, allocation.label, allocation.story);
        device->space.add(allocation.base + size, padded - size, Space::ReadOnly | Space::Tail | whose,
                          "tail of " + allocation.label);
        device->space.add(allocation.base + padded, allocation.mapped - padded + allocation.guard,
                          Space::RedZone | whose, "red zone behind " + allocation.label);
    }
}

void Memory::conceal(const Allocation& allocation, DeviceMask mask, bool freed) {
    const bool remember = strict_ && freed;
    const std::uint32_t flags = Space::Freed | (allocation.access & (Space::Host | Space::Device));
    const std::string label = "freed " + allocation.label;
    for (Device* device : devices_) {
        if ((mask >> device->index & 1) == 0) {
            continue;
        }
        // Laid over whatever pieces there are, then lifted as one.
        device->space.add(allocation.base, allocation.mapped + allocation.guard, flags, label);
        device->space.remove(allocation.base);
        if (remember) {
            device->space.add(allocation.base, allocation.size, flags, label, allocation.story);
            device->space.add(allocation.base + allocation.size, allocation.mapped - allocation.size + allocation.guard,
                              flags | Space::RedZone, "red zone behind " + label);
        }
        if ((allocation.access & Space::Code) != 0) {
            device->engine.invalidate_code(allocation.base, allocation.mapped);
        }
    }
}

// Keeps the addresses of freed host memory from coming back, for as long as there is room.
void Memory::quarantine(const Allocation& gone) {
    const std::uint64_t base = gone.base - gone.guard;
    const std::uint64_t size = gone.mapped + 2 * gone.guard;
    mmap(reinterpret_cast<void*>(base), size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
         0);
    const std::lock_guard lock(mutex_);
    quarantine_.push_back({base, size, gone.base});
    quarantined_ += size;
    while (quarantined_ > kQuarantineBytes && quarantine_.size() > 1) {
        const Quarantined oldest = quarantine_.front();
        quarantine_.pop_front();
        quarantined_ -= oldest.size;
        for (Device* device : devices_) {
            device->space.add(oldest.freed, oldest.base + oldest.size - oldest.freed, Space::Freed, "freed");
            device->space.remove(oldest.freed);
        }
        munmap(reinterpret_cast<void*>(oldest.base), oldest.size);
    }
}

abi::Status Memory::allocate(const Pool& pool, std::uint64_t size, std::string label, void** out) {
    if (size == 0 || !pool.allocatable || size > pool.size) {
        log_line("allocation of %llu bytes refused: the pool has %llu", static_cast<unsigned long long>(size),
                 static_cast<unsigned long long>(pool.allocatable ? pool.size : 0));
        return abi::STATUS_ERROR_INVALID_ALLOCATION;
    }
    Allocation made;
    made.size = size;
    made.mapped = round_up(size, kPageBytes);
    if (made.mapped < size) {
        return abi::STATUS_ERROR_INVALID_ALLOCATION;
    }
    made.pool = &pool;
    made.label = std::move(label);
    made.guard = strict_ ? guard_bytes(size) : 0;
    if (Device* device = pool.agent->device; device != nullptr) {
        const auto offset = device->heap.take(size, made.guard, true);
        if (!offset) {
            log_line("out of device memory: %llu bytes asked, %llu of %llu in use",
                     static_cast<unsigned long long>(size), static_cast<unsigned long long>(device->heap.used()),
                     static_cast<unsigned long long>(device->heap.capacity()));
            return abi::STATUS_ERROR_OUT_OF_RESOURCES;
        }
        made.kind = Allocation::Kind::Device;
        made.owner = device;
        made.offset = *offset;
        made.base = device->heap.base() + *offset;
        made.access = Space::Device;
        made.visible = DeviceMask{1} << device->index;
    } else {
        void* base = mmap(nullptr, made.mapped + 2 * made.guard, made.guard != 0 ? PROT_NONE : PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (base == MAP_FAILED) {
            return abi::STATUS_ERROR_OUT_OF_RESOURCES;
        }
        made.kind = Allocation::Kind::Host;
        made.base = address_of(base) + made.guard;
        if (made.guard != 0) {
            mprotect(reinterpret_cast<void*>(made.base), made.mapped, PROT_READ | PROT_WRITE);
        }
        made.access = Space::Host;
        made.visible = all();
    }
    if (strict_) {
        made.story = "allocated by " + place_and_time(made.owner);
    }
    *out = reinterpret_cast<void*>(made.base);
    adopt(std::move(made));
    return abi::STATUS_SUCCESS;
}

void Memory::adopt(Allocation allocation) {
    const std::lock_guard lock(mutex_);
    reveal(allocation, allocation.visible);
    allocations_[allocation.base] = std::move(allocation);
}

std::optional<Allocation> Memory::abandon(const void* base, Allocation::Kind kind) {
    const std::lock_guard lock(mutex_);
    const auto found = allocations_.find(address_of(base));
    if (found == allocations_.end() || found->second.kind != kind) {
        return std::nullopt;
    }
    Allocation gone = std::move(found->second);
    allocations_.erase(found);
    conceal(gone, gone.visible, false);
    return gone;
}

abi::Status Memory::release(const void* base) {
    Allocation gone;
    {
        const std::lock_guard lock(mutex_);
        const auto found = allocations_.find(address_of(base));
        if (found == allocations_.end() ||
            (found->second.kind != Allocation::Kind::Device && found->second.kind != Allocation::Kind::Host)) {
            log_line("free of %p, which is no allocation", base);
            return abi::STATUS_ERROR_INVALID_ALLOCATION;
        }
        gone = std::move(found->second);
        allocations_.erase(found);
        if (strict_) {
            gone.story += "; freed by " + place_and_time(gone.owner);
        }
        conceal(gone, gone.visible, true);
    }
    for (const Allocation::Notice& notice : gone.on_release) {
        notice.callback(notice.ptr, notice.data);
    }
    if (gone.owner != nullptr) {
        gone.owner->heap.give(gone.offset);
    } else if (strict_) {
        quarantine(gone);
    } else {
        munmap(reinterpret_cast<void*>(gone.base), gone.mapped);
    }
    return abi::STATUS_SUCCESS;
}

abi::Status Memory::allow(const void* ptr, DeviceMask mask) {
    const std::lock_guard lock(mutex_);
    const auto found = holder(address_of(ptr));
    if (found == allocations_.end()) {
        log_line("access granted to %p, which is no allocation", ptr);
        return abi::STATUS_ERROR_INVALID_ALLOCATION;
    }
    Allocation& allocation = found->second;
    const DeviceMask wanted = allocation.owner != nullptr ? mask | DeviceMask{1} << allocation.owner->index : all();
    conceal(allocation, allocation.visible & ~wanted, false);
    reveal(allocation, wanted & ~allocation.visible);
    allocation.visible = wanted;
    return abi::STATUS_SUCCESS;
}

void Memory::make_code(const void* base) {
    const std::lock_guard lock(mutex_);
    const auto found = allocations_.find(address_of(base));
    if (found != allocations_.end()) {
        found->second.access |= Space::Code;
        reveal(found->second, found->second.visible);
    }
}

void Memory::show(const Allocation& allocation, DeviceMask mask, std::uint32_t access) {
    const std::lock_guard lock(mutex_);
    const auto found = allocations_.find(allocation.base);
    if (found == allocations_.end()) {
        return;
    }
    conceal(found->second, found->second.visible, false);
    found->second.access = access;
    found->second.visible = mask;
    reveal(found->second, mask);
}

abi::Status Memory::pin(void* base, std::uint64_t size) {
    if (base == nullptr || size == 0) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    const std::lock_guard lock(mutex_);
    const bool counted = holder(address_of(base)) == allocations_.end();
    pins_.emplace(address_of(base), Pin{size, counted});
    if (!counted) {
        return abi::STATUS_SUCCESS;
    }
    pages_.pin(address_of(base), size, [&](std::uint64_t at, std::uint64_t length, bool) {
        for (Device* device : devices_) {
            device->space.add(at, length, Space::Host, "pinned host memory");
        }
    });
    return abi::STATUS_SUCCESS;
}

abi::Status Memory::unpin(const void* base) {
    const std::lock_guard lock(mutex_);
    const auto found = pins_.find(address_of(base));
    if (found == pins_.end()) {
        // The real runtime says nothing either, and programs rely on it.
        log_line("unlock of %p, which is not locked", base);
        return abi::STATUS_SUCCESS;
    }
    const Pin pin = found->second;
    pins_.erase(found);
    if (!pin.counted) {
        return abi::STATUS_SUCCESS;
    }
    pages_.unpin(address_of(base), pin.size, [&](std::uint64_t at, std::uint64_t length, bool) {
        for (Device* device : devices_) {
            device->space.add(at, length, Space::Freed | Space::Host, "unpinned host memory");
            device->space.remove(at);
        }
    });
    return abi::STATUS_SUCCESS;
}

std::optional<PointerView> Memory::view(const void* ptr) const {
    const std::lock_guard lock(mutex_);
    const std::uint64_t address = address_of(ptr);
    if (const auto found = holder(address); found != allocations_.end()) {
        const Allocation& allocation = found->second;
        PointerView seen;
        seen.type = allocation.kind == Allocation::Kind::Shared ? abi::POINTER_TYPE_IPC : abi::POINTER_TYPE_HSA;
        seen.base = allocation.base;
        seen.size = allocation.size;
        seen.user_data = allocation.user_data;
        seen.owner = allocation.owner;
        seen.global_flags = allocation.pool != nullptr ? allocation.pool->flags : abi::POOL_FLAG_COARSE_GRAINED;
        seen.visible = allocation.visible;
        return seen;
    }
    // Pins may nest: the nearest start that still reaches the address is the tightest.
    for (auto at = pins_.upper_bound(address); at != pins_.begin();) {
        --at;
        if (address - at->first < at->second.size) {
            PointerView seen;
            seen.type = abi::POINTER_TYPE_LOCKED;
            seen.base = at->first;
            seen.size = at->second.size;
            seen.global_flags = abi::POOL_FLAG_FINE_GRAINED;
            seen.visible = all();
            return seen;
        }
    }
    return std::nullopt;
}

std::optional<Allocation> Memory::find(const void* ptr) const {
    const std::lock_guard lock(mutex_);
    const auto found = holder(address_of(ptr));
    return found == allocations_.end() ? std::nullopt : std::optional(found->second);
}

abi::Status Memory::set_user_data(const void* ptr, void* data) {
    const std::lock_guard lock(mutex_);
    const auto found = holder(address_of(ptr));
    if (found == allocations_.end()) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    found->second.user_data = data;
    return abi::STATUS_SUCCESS;
}

abi::Status Memory::on_release(const void* ptr, abi::DeallocationCallback callback, void* data) {
    const std::lock_guard lock(mutex_);
    const auto found = holder(address_of(ptr));
    if (found == allocations_.end()) {
        return abi::STATUS_ERROR_INVALID_ALLOCATION;
    }
    found->second.on_release.push_back({callback, const_cast<void*>(ptr), data});
    return abi::STATUS_SUCCESS;
}

abi::Status Memory::forget_release(const void* ptr, abi::DeallocationCallback callback) {
    const std::lock_guard lock(mutex_);
    const auto found = holder(address_of(ptr));
    if (found == allocations_.end()) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    auto& callbacks = found->second.on_release;
    const auto wanted = std::find_if(callbacks.begin(), callbacks.end(), [&](const auto& notice) {
        return notice.callback == callback && notice.ptr == ptr;
    });
    if (wanted == callbacks.end()) {
        return abi::STATUS_ERROR_INVALID_ARGUMENT;
    }
    callbacks.erase(wanted);
    return abi::STATUS_SUCCESS;
}

bool Memory::reachable(const void* ptr, std::uint64_t size, bool write) const {
    return std::any_of(devices_.begin(), devices_.end(),
                       [&](const Device* device) { return device->space.contains(address_of(ptr), size, write); });
}

bool Memory::plausible(const void* ptr, std::uint64_t size) const {
    return std::all_of(devices_.begin(), devices_.end(), [&](const Device* device) {
        const bool window = address_of(ptr) - device->heap.base() < device->heap.window();
        return !window || size == 0 || device->space.contains(address_of(ptr), size);
    });
}

void Memory::expose(void* base, std::uint64_t size, const char* label) {
    for (Device* device : devices_) {
        device->space.add(address_of(base), size, Space::Host, label);
    }
}

}  // namespace vgpu::hsa
