// Copies that wait for signals: what a card's DMA engines do, on one thread.
// Knows memory and signals; nothing of kernels.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "vgpu/hsa/fault.h"
#include "vgpu/hsa/memory.h"
#include "vgpu/hsa/signal.h"

namespace vgpu::hsa {

// Rows of rows of bytes; a plain copy is one row. Pitches in bytes.
struct CopyShape {
    std::byte* to = nullptr;
    const std::byte* from = nullptr;
    std::uint64_t width = 0, rows = 1, slices = 1;
    std::uint64_t to_pitch = 0, to_slice = 0, from_pitch = 0, from_slice = 0;
};

class CopyEngine {
public:
    CopyEngine(const Memory& memory, FaultDesk& desk) : memory_(memory), desk_(desk) {}
    ~CopyEngine() { stop(); }
    CopyEngine(const CopyEngine&) = delete;
    CopyEngine& operator=(const CopyEngine&) = delete;

    // Copies once all `after` are zero, then counts `done` (may be null) down by one.
    // `agent` is the card that faults where an address is wrong.
    abi::Status copy(const CopyShape& shape, std::vector<SignalSlot*> after, SignalSlot* done,
                     const AgentObject& agent);
    // Ends the thread; copies that have not begun are dropped.
    void stop();
    // Should copies note their times in their signals?
    void profile(bool enable) { profile_ = enable; }

private:
    struct Job {
        CopyShape shape;
        std::vector<SignalSlot*> after;
        SignalSlot* done;
        const AgentObject* agent;
    };

    void run();
    void perform(const Job& job);
    static bool ready(const Job& job) noexcept;

    const Memory& memory_;
    FaultDesk& desk_;
    std::mutex mutex_;
    std::deque<Job> jobs_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> profile_{true};
    std::thread thread_;
};

}  // namespace vgpu::hsa
