// Signals: 64-bit values in GPU-visible memory that the host waits on.
//
// A signal's handle is the address of its AmdSignal, so device code reads and writes
// it in place; our own slot data follow behind it. Knows nothing of queues or copies.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "vgpu/hsa/abi.h"

namespace vgpu::hsa {

// Wakes threads that watch for "something changed". No lost wake-ups: take key(),
// look at the state, then wait(key).
class EventCount {
public:
    std::uint32_t key() const noexcept { return sequence_.load(std::memory_order_acquire); }
    void notify() noexcept;
    // Returns when notified since key, or after the timeout in nanoseconds.
    void wait(std::uint32_t key, std::uint64_t timeout_ns) noexcept;

private:
    std::atomic<std::uint32_t> sequence_{0};
    std::atomic<std::uint32_t> waiters_{0};
};

struct alignas(128) SignalSlot {
    abi::AmdSignal amd;                   // first: its address is the handle
    std::atomic<std::uint32_t> magic;     // kLive while the signal exists
    std::atomic<std::uint32_t> waiters;   // threads in wait_signal()
    std::atomic<std::uint32_t> watchers;  // async handlers, copies and barriers that depend on it
    std::uint32_t shared;                 // it lies in memory that other processes may map
    SignalSlot* next_free;

    static constexpr std::uint32_t kLive = 0x5647'5349;
};
static_assert(sizeof(SignalSlot) == 128);

// Nanoseconds of the clock that signals' time stamps use.
std::uint64_t now_ns() noexcept;

// Called with each new block of memory that holds signals, so that it can be made
// visible to the GPUs. Set before the first signal is made.
void set_signal_memory_hook(std::function<void(void* base, std::size_t size)> hook);

// Makes a signal; nullptr where memory is short.
// A shared one can be handed to other processes; a fork does not copy it.
SignalSlot* create_signal(abi::SignalValue initial, abi::SignalKind kind = abi::SIGNAL_KIND_USER, bool shared = false);
void destroy_signal(SignalSlot* slot);
// The slot behind a handle; nullptr where the handle is null or no living signal.
SignalSlot* find_signal(abi::Signal signal) noexcept;

// A shared signal between processes: a handle for it, and the same signal from a handle
// (nullptr where its process cannot be reached). Changes made by another process are
// noticed like those of device code.
bool export_signal(const SignalSlot& slot, abi::IpcMemory& handle);
SignalSlot* attach_signal(const abi::IpcMemory& handle);

abi::SignalValue load_signal(const SignalSlot& slot) noexcept;
void store_signal(SignalSlot& slot, abi::SignalValue value) noexcept;
void store_signal_silently(SignalSlot& slot, abi::SignalValue value) noexcept;
// Each gives the value before.
abi::SignalValue exchange_signal(SignalSlot& slot, abi::SignalValue value) noexcept;
abi::SignalValue cas_signal(SignalSlot& slot, abi::SignalValue expected, abi::SignalValue value) noexcept;
abi::SignalValue add_signal(SignalSlot& slot, abi::SignalValue value) noexcept;
abi::SignalValue and_signal(SignalSlot& slot, abi::SignalValue value) noexcept;
abi::SignalValue or_signal(SignalSlot& slot, abi::SignalValue value) noexcept;
abi::SignalValue xor_signal(SignalSlot& slot, abi::SignalValue value) noexcept;

bool holds(abi::SignalValue value, abi::SignalCondition condition, abi::SignalValue compare) noexcept;

// Waits until the condition holds, `cancel` becomes true or the timeout (nanoseconds)
// is over; gives the last value seen. Values written through this layer are noticed at
// once, those written by device code (and `cancel`) after poll_ns at most.
inline constexpr std::uint64_t kDevicePollNs = 1'000'000;
abi::SignalValue wait_signal(SignalSlot& slot, abi::SignalCondition condition, abi::SignalValue compare,
                             std::uint64_t timeout_ns, const std::atomic<bool>* cancel = nullptr,
                             std::uint64_t poll_ns = kDevicePollNs) noexcept;

// Notified at each change of a signal that has watchers.
EventCount& signal_events() noexcept;

}  // namespace vgpu::hsa
