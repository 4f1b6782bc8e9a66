// The memory of one virtual card: a sparse shared file, mapped once into a wide window.
//
// The window is many times larger than the card's memory, so that freed addresses come
// back late and a stale pointer meets a fault instead of somebody else's data; how much
// may be in use at once is counted. A shared file, so that another process can map a
// piece of it (IPC) and one piece can appear at several addresses (virtual memory
// management). Knows nothing of who may access what.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

namespace vgpu::hsa {

inline constexpr std::uint64_t kPageBytes = 4096;
inline constexpr std::uint64_t kLargePageBytes = 2 * 1024 * 1024;

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }

class DeviceHeap {
public:
    // Reserves addresses for a card with so many bytes; commits nothing.
    // valid() tells whether the system gave them.
    explicit DeviceHeap(std::uint64_t capacity);
    ~DeviceHeap();
    DeviceHeap(const DeviceHeap&) = delete;
    DeviceHeap& operator=(const DeviceHeap&) = delete;

    bool valid() const { return base_ != 0; }
    std::uint64_t base() const { return base_; }
    std::uint64_t window() const { return window_; }
    std::uint64_t capacity() const { return capacity_; }
    std::uint64_t used() const;
    int file() const { return file_; }

    // Takes `size` bytes (rounded up to pages) plus `guard` bytes behind them that stay
    // inaccessible and are not counted. Gives the offset in the file, which is also the
    // distance from base(); nothing where the card's memory does not suffice. With
    // `map` the bytes become readable and writable at base() + offset.
    std::optional<std::uint64_t> take(std::uint64_t size, std::uint64_t guard, bool map);
    // Gives back what take() gave; its contents are gone.
    void give(std::uint64_t offset);

private:
    struct Piece {
        std::uint64_t size;
        std::uint64_t guard;
    };

    const std::uint64_t capacity_;
    std::uint64_t window_ = 0;
    std::uint64_t base_ = 0;
    int file_ = -1;
    mutable std::mutex mutex_;
    std::uint64_t used_ = 0;
    std::uint64_t cursor_ = 0;                     // where the last search ended
    std::map<std::uint64_t, std::uint64_t> free_;  // offset -> size
    std::map<std::uint64_t, Piece> taken_;
};

}  // namespace vgpu::hsa
