#include "vgpu/hsa/signal.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <mutex>
#include <new>
#include <set>
#include <shared_mutex>

namespace vgpu::hsa {
namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;

void futex_wait(const void* word, std::uint32_t expected, std::uint64_t timeout_ns) noexcept {
    timespec limit{};
    limit.tv_sec = static_cast<time_t>(timeout_ns / 1'000'000'000);
    limit.tv_nsec = static_cast<long>(timeout_ns % 1'000'000'000);
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, &limit, nullptr, 0);
}

void futex_wake_all(const void* word) noexcept {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

// All signals of the process. Never destroyed: threads may still wait while it exits.
struct Pool {
    std::mutex mutex;
    SignalSlot* free_list = nullptr;
    std::function<void(void*, std::size_t)> hook;
    std::shared_mutex blocks_mutex;
    std::set<std::uintptr_t> blocks;
};

Pool& pool() {
    static Pool& instance = *new Pool;
    return instance;
}

bool grow(Pool& signals) {
    void* block = mmap(nullptr, kBlockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
        return false;
    }
    {
        const std::unique_lock lock(signals.blocks_mutex);
        signals.blocks.insert(reinterpret_cast<std::uintptr_t>(block));
    }
    if (signals.hook) {
        signals.hook(block, kBlockBytes);
    }
    auto* bytes = static_cast<std::byte*>(block);
    for (std::size_t at = kBlockBytes; at > 0; at -= sizeof(SignalSlot)) {
        auto* slot = new (bytes + at - sizeof(SignalSlot)) SignalSlot{};
        slot->next_free = signals.free_list;
        signals.free_list = slot;
    }
    return true;
}

std::atomic_ref<abi::SignalValue> value_of(SignalSlot& slot) noexcept {
    return std::atomic_ref<abi::SignalValue>(slot.amd.value);
}

void announce(SignalSlot& slot) noexcept {
    if (slot.waiters.load(std::memory_order_seq_cst) != 0) {
        futex_wake_all(&slot.amd.value);
    }
    if (slot.watchers.load(std::memory_order_seq_cst) != 0) {
        signal_events().notify();
    }
}

template <typename Change>
abi::SignalValue change(SignalSlot& slot, Change&& operation) noexcept {
    const abi::SignalValue before = operation(value_of(slot));
    announce(slot);
    return before;
}

}  // namespace

void EventCount::notify() noexcept {
    sequence_.fetch_add(1, std::memory_order_seq_cst);
    if (waiters_.load(std::memory_order_seq_cst) != 0) {
        futex_wake_all(&sequence_);
    }
}

void EventCount::wait(std::uint32_t key, std::uint64_t timeout_ns) noexcept {
    waiters_.fetch_add(1, std::memory_order_seq_cst);
    if (sequence_.load(std::memory_order_seq_cst) == key) {
        futex_wait(&sequence_, key, timeout_ns);
    }
    waiters_.fetch_sub(1, std::memory_order_seq_cst);
}

std::uint64_t now_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void set_signal_memory_hook(std::function<void(void* base, std::size_t size)> hook) {
    Pool& signals = pool();
    const std::lock_guard lock(signals.mutex);
    signals.hook = std::move(hook);
    // Blocks outlive a shut-down of the runtime; a new start must see them again.
    if (signals.hook) {
        for (const std::uintptr_t block : signals.blocks) {
            signals.hook(reinterpret_cast<void*>(block), kBlockBytes);
        }
    }
}

SignalSlot* create_signal(abi::SignalValue initial, abi::SignalKind kind) {
    Pool& signals = pool();
    SignalSlot* slot = nullptr;
    {
        const std::lock_guard lock(signals.mutex);
        if (signals.free_list == nullptr && !grow(signals)) {
            return nullptr;
        }
        slot = signals.free_list;
        signals.free_list = slot->next_free;
    }
    slot->amd = abi::AmdSignal{};
    slot->amd.kind = kind;
    value_of(*slot).store(initial, std::memory_order_seq_cst);
    slot->watchers.store(0, std::memory_order_relaxed);
    slot->magic.store(SignalSlot::kLive, std::memory_order_release);
    return slot;
}

void destroy_signal(SignalSlot* slot) {
    slot->magic.store(0, std::memory_order_release);
    slot->amd.kind = abi::SIGNAL_KIND_INVALID;
    Pool& signals = pool();
    const std::lock_guard lock(signals.mutex);
    slot->next_free = signals.free_list;
    signals.free_list = slot;
}

SignalSlot* find_signal(abi::Signal signal) noexcept {
    if (signal.handle == 0 || signal.handle % alignof(SignalSlot) != 0) {
        return nullptr;
    }
    Pool& signals = pool();
    {
        // A wrong handle must not be followed: it must lie in one of our blocks.
        const std::shared_lock lock(signals.blocks_mutex);
        auto above = signals.blocks.upper_bound(signal.handle);
        if (above == signals.blocks.begin() || signal.handle - *std::prev(above) >= kBlockBytes) {
            return nullptr;
        }
    }
    auto* slot = reinterpret_cast<SignalSlot*>(signal.handle);
    return slot->magic.load(std::memory_order_acquire) == SignalSlot::kLive ? slot : nullptr;
}

abi::SignalValue load_signal(const SignalSlot& slot) noexcept {
    return value_of(const_cast<SignalSlot&>(slot)).load(std::memory_order_seq_cst);
}

void store_signal(SignalSlot& slot, abi::SignalValue value) noexcept {
    value_of(slot).store(value, std::memory_order_seq_cst);
    announce(slot);
}

void store_signal_silently(SignalSlot& slot, abi::SignalValue value) noexcept {
    value_of(slot).store(value, std::memory_order_seq_cst);
}

abi::SignalValue exchange_signal(SignalSlot& slot, abi::SignalValue value) noexcept {
    return change(slot, [=](auto word) { return word.exchange(value); });
}

abi::SignalValue cas_signal(SignalSlot& slot, abi::SignalValue expected, abi::SignalValue value) noexcept {
    return change(slot, [=](auto word) {
        abi::SignalValue seen = expected;
        word.compare_exchange_strong(seen, value);
        return seen;
    });
}

abi::SignalValue add_signal(SignalSlot& slot, abi::SignalValue value) noexcept {
    return change(slot, [=](auto word) { return word.fetch_add(value); });
}

abi::SignalValue and_signal(SignalSlot& slot, abi::SignalValue value) noexcept {
    return change(slot, [=](auto word) { return word.fetch_and(value); });
}

abi::SignalValue or_signal(SignalSlot& slot, abi::SignalValue value) noexcept {
    return change(slot, [=](auto word) { return word.fetch_or(value); });
}

abi::SignalValue xor_signal(SignalSlot& slot, abi::SignalValue value) noexcept {
    return change(slot, [=](auto word) { return word.fetch_xor(value); });
}

bool holds(abi::SignalValue value, abi::SignalCondition condition, abi::SignalValue compare) noexcept {
    switch (condition) {
        case abi::SIGNAL_CONDITION_EQ: return value == compare;
        case abi::SIGNAL_CONDITION_NE: return value != compare;
        case abi::SIGNAL_CONDITION_LT: return value < compare;
        case abi::SIGNAL_CONDITION_GTE: return value >= compare;
    }
    return false;
}

abi::SignalValue wait_signal(SignalSlot& slot, abi::SignalCondition condition, abi::SignalValue compare,
                             std::uint64_t timeout_ns, const std::atomic<bool>* cancel,
                             std::uint64_t poll_ns) noexcept {
    abi::SignalValue value = load_signal(slot);
    if (holds(value, condition, compare) || timeout_ns == 0) {
        return value;
    }
    const std::uint64_t start = now_ns();
    slot.waiters.fetch_add(1, std::memory_order_seq_cst);
    for (;;) {
        value = load_signal(slot);
        if (holds(value, condition, compare) || (cancel != nullptr && cancel->load())) {
            break;
        }
        const std::uint64_t passed = now_ns() - start;
        if (passed >= timeout_ns) {
            break;
        }
        // Sleeps on the low half of the value; a change of the high half alone, or one
        // made by device code, is found at the next look.
        futex_wait(&slot.amd.value, static_cast<std::uint32_t>(value), std::min(timeout_ns - passed, poll_ns));
    }
    slot.waiters.fetch_sub(1, std::memory_order_seq_cst);
    return value;
}

EventCount& signal_events() noexcept {
    static EventCount& events = *new EventCount;
    return events;
}

}  // namespace vgpu::hsa
