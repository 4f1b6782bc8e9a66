#include "vgpu/hsa/signal.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <string>

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

struct Block {
    int file = -1;         // of a shared block
    bool foreign = false;  // mapped from another process, for one signal
};

// All signals of the process. Never destroyed: threads may still wait while it exits.
struct Pool {
    std::mutex mutex;
    SignalSlot* free_list[2] = {nullptr, nullptr};  // own, shared
    std::function<void(void*, std::size_t)> hook;
    std::shared_mutex blocks_mutex;
    std::map<std::uintptr_t, Block> blocks;
};

// How another process finds a shared signal.
struct Ticket {
    std::uint32_t magic;
    std::int32_t process;
    std::int32_t file;
    std::uint32_t offset;
    std::uint64_t unused[2];
};
static_assert(sizeof(Ticket) == sizeof(abi::IpcMemory));
constexpr std::uint32_t kTicketMagic = 0x5647'4953;

Pool& pool() {
    static Pool& instance = *new Pool;
    return instance;
}

// Makes a mapping known, to find_signal() and to the cards.
void admit(Pool& signals, void* base, Block block) {
    {
        const std::unique_lock lock(signals.blocks_mutex);
        signals.blocks[reinterpret_cast<std::uintptr_t>(base)] = block;
    }
    if (signals.hook) {
        signals.hook(base, kBlockBytes);
    }
}

bool grow(Pool& signals, bool shared) {
    int file = -1;
    if (shared) {
        file = memfd_create("vgpu-signals", MFD_CLOEXEC);
        if (file < 0 || ftruncate(file, kBlockBytes) != 0) {
            return false;
        }
    }
    const int flags = shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    void* base = mmap(nullptr, kBlockBytes, PROT_READ | PROT_WRITE, flags, file, 0);
    if (base == MAP_FAILED) {
        return false;
    }
    admit(signals, base, {file, false});
    auto* bytes = static_cast<std::byte*>(base);
    for (std::size_t at = kBlockBytes; at > 0; at -= sizeof(SignalSlot)) {
        auto* slot = new (bytes + at - sizeof(SignalSlot)) SignalSlot{};
        slot->shared = shared ? 1 : 0;
        slot->next_free = signals.free_list[shared];
        signals.free_list[shared] = slot;
    }
    return true;
}

// The block that holds an address, and its base; nullptr for none. The lock must be held.
const Block* block_of(const Pool& signals, std::uintptr_t address, std::uintptr_t& base) {
    auto above = signals.blocks.upper_bound(address);
    if (above == signals.blocks.begin() || address - std::prev(above)->first >= kBlockBytes) {
        return nullptr;
    }
    base = std::prev(above)->first;
    return &std::prev(above)->second;
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
        for (const auto& [base, block] : signals.blocks) {
            signals.hook(reinterpret_cast<void*>(base), kBlockBytes);
        }
    }
}

SignalSlot* create_signal(abi::SignalValue initial, abi::SignalKind kind, bool shared) {
    Pool& signals = pool();
    SignalSlot* slot = nullptr;
    {
        const std::lock_guard lock(signals.mutex);
        if (signals.free_list[shared] == nullptr && !grow(signals, shared)) {
            return nullptr;
        }
        slot = signals.free_list[shared];
        signals.free_list[shared] = slot->next_free;
    }
    slot->amd = abi::AmdSignal{};
    slot->amd.kind = kind;
    value_of(*slot).store(initial, std::memory_order_seq_cst);
    // Not so `waiters` and `watchers`: who still counts on a destroyed signal takes that back himself.
    slot->magic.store(SignalSlot::kLive, std::memory_order_release);
    return slot;
}

void destroy_signal(SignalSlot* slot) {
    Pool& signals = pool();
    const std::lock_guard lock(signals.mutex);
    {
        const std::unique_lock blocks_lock(signals.blocks_mutex);
        std::uintptr_t base = 0;
        const Block* block = block_of(signals, reinterpret_cast<std::uintptr_t>(slot), base);
        if (block != nullptr && block->foreign) {
            signals.blocks.erase(base);  // the signal itself belongs to the other process
            munmap(reinterpret_cast<void*>(base), kBlockBytes);
            return;
        }
    }
    slot->magic.store(0, std::memory_order_release);
    slot->amd.kind = abi::SIGNAL_KIND_INVALID;
    slot->next_free = signals.free_list[slot->shared];
    signals.free_list[slot->shared] = slot;
}

bool export_signal(const SignalSlot& slot, abi::IpcMemory& handle) {
    Pool& signals = pool();
    const std::shared_lock lock(signals.blocks_mutex);
    const auto address = reinterpret_cast<std::uintptr_t>(&slot);
    std::uintptr_t base = 0;
    const Block* block = block_of(signals, address, base);
    if (block == nullptr || block->file < 0) {
        return false;
    }
    const Ticket ticket{kTicketMagic, getpid(), block->file, static_cast<std::uint32_t>(address - base), {}};
    std::memcpy(&handle, &ticket, sizeof(ticket));
    return true;
}

SignalSlot* attach_signal(const abi::IpcMemory& handle) {
    Ticket ticket{};
    std::memcpy(&ticket, &handle, sizeof(ticket));
    if (ticket.magic != kTicketMagic || ticket.offset % sizeof(SignalSlot) != 0 || ticket.offset >= kBlockBytes) {
        return nullptr;
    }
    const std::string path = "/proc/" + std::to_string(ticket.process) + "/fd/" + std::to_string(ticket.file);
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return nullptr;
    }
    void* base = mmap(nullptr, kBlockBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (base == MAP_FAILED) {
        return nullptr;
    }
    Pool& signals = pool();
    const std::lock_guard lock(signals.mutex);
    admit(signals, base, {-1, true});
    return reinterpret_cast<SignalSlot*>(static_cast<std::byte*>(base) + ticket.offset);
}

SignalSlot* find_signal(abi::Signal signal) noexcept {
    if (signal.handle == 0 || signal.handle % alignof(SignalSlot) != 0) {
        return nullptr;
    }
    Pool& signals = pool();
    {
        // A wrong handle must not be followed: it must lie in one of our blocks.
        const std::shared_lock lock(signals.blocks_mutex);
        std::uintptr_t base = 0;
        if (block_of(signals, signal.handle, base) == nullptr) {
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
