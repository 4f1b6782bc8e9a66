#include "vgpu/hsa/heap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "vgpu/hsa/log.h"

namespace vgpu::hsa {
namespace {

constexpr std::uint64_t kWindowFactor = 16;

}  // namespace

DeviceHeap::DeviceHeap(std::uint64_t capacity) : capacity_(capacity) {
    file_ = memfd_create("vgpu-memory", MFD_CLOEXEC);
    if (file_ < 0) {
        return;
    }
    // Fewer spare addresses are better than none where the address space is limited.
    for (std::uint64_t factor = kWindowFactor; factor >= 1; factor /= 2) {
        window_ = round_up(capacity * factor, kLargePageBytes);
        if (ftruncate(file_, static_cast<off_t>(window_)) != 0) {
            continue;
        }
        void* base = mmap(nullptr, window_, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file_, 0);
        if (base != MAP_FAILED) {
            base_ = reinterpret_cast<std::uint64_t>(base);
            madvise(base, window_, MADV_DONTDUMP);
            free_[0] = window_;
            return;
        }
    }
}

DeviceHeap::~DeviceHeap() {
    if (base_ != 0) {
        munmap(reinterpret_cast<void*>(base_), window_);
    }
    if (file_ >= 0) {
        close(file_);
    }
}

std::uint64_t DeviceHeap::used() const {
    const std::lock_guard lock(mutex_);
    return used_;
}

std::optional<std::uint64_t> DeviceHeap::take(std::uint64_t size, std::uint64_t guard, bool map) {
    if (size == 0 || size > capacity_) {
        return std::nullopt;
    }
    const std::uint64_t wanted = round_up(size, kPageBytes);
    const std::uint64_t whole = wanted + round_up(guard, kPageBytes);
    const std::uint64_t align = wanted >= kLargePageBytes ? kLargePageBytes : kPageBytes;
    const std::lock_guard lock(mutex_);
    if (wanted > capacity_ - used_) {
        return std::nullopt;
    }
    // Next fit: freed addresses are used again only once the whole window has been.
    auto fits = [&](const auto& hole, std::uint64_t from) -> std::optional<std::uint64_t> {
        const std::uint64_t start = round_up(std::max(hole->first, from), align);
        const std::uint64_t end = hole->first + hole->second;
        return start + whole <= end ? std::optional(start) : std::nullopt;
    };
    auto found = free_.end();
    std::optional<std::uint64_t> offset;
    for (const std::uint64_t from : {cursor_, std::uint64_t{0}}) {
        auto hole = free_.upper_bound(from);
        hole = hole == free_.begin() ? hole : std::prev(hole);  // it may reach past `from`
        for (; hole != free_.end() && !offset; ++hole) {
            offset = fits(hole, from);
            found = hole;
        }
    }
    if (!offset) {
        log_line("no hole of %llu bytes in the address window", static_cast<unsigned long long>(whole));
        return std::nullopt;
    }
    if (map && mprotect(reinterpret_cast<void*>(base_ + *offset), wanted, PROT_READ | PROT_WRITE) != 0) {
        return std::nullopt;
    }
    const std::uint64_t hole_start = found->first;
    const std::uint64_t hole_end = hole_start + found->second;
    free_.erase(found);
    if (*offset > hole_start) {
        free_[hole_start] = *offset - hole_start;
    }
    if (*offset + whole < hole_end) {
        free_[*offset + whole] = hole_end - *offset - whole;
    }
    cursor_ = *offset + whole;
    used_ += wanted;
    taken_[*offset] = {wanted, whole - wanted};
    return offset;
}

void DeviceHeap::give(std::uint64_t offset) {
    const std::lock_guard lock(mutex_);
    const auto piece = taken_.find(offset);
    if (piece == taken_.end()) {
        return;
    }
    const std::uint64_t size = piece->second.size;
    const std::uint64_t whole = size + piece->second.guard;
    taken_.erase(piece);
    mprotect(reinterpret_cast<void*>(base_ + offset), size, PROT_NONE);
    if (fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                  static_cast<off_t>(size)) != 0) {
        log_line("the system did not take back %llu bytes", static_cast<unsigned long long>(size));
    }
    used_ -= size;
    auto hole = free_.emplace(offset, whole).first;
    if (auto next = std::next(hole); next != free_.end() && hole->first + hole->second == next->first) {
        hole->second += next->second;
        free_.erase(next);
    }
    if (hole != free_.begin()) {
        if (auto before = std::prev(hole); before->first + before->second == hole->first) {
            before->second += hole->second;
            free_.erase(hole);
        }
    }
}

}  // namespace vgpu::hsa
