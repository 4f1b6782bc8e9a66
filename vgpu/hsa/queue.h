// AQL queues: a ring of packets in GPU-visible memory and a thread that works it off.
// Knows packets, signals and the engine of its card; nothing of how programs reach it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "vgpu/hsa/abi.h"
#include "vgpu/hsa/device.h"
#include "vgpu/hsa/fault.h"
#include "vgpu/hsa/signal.h"

namespace vgpu::hsa {

// What a queue needs of the layer around it.
struct QueueServices {
    FaultDesk* desk = nullptr;
    std::function<std::string(std::uint64_t descriptor)> kernel_name;
    std::function<void()> before_callback;  // a fault may end the process: last words
};

class QueueObject {
public:
    // `amd` and `ring` are zeroed, GPU-visible memory that outlives the queue; `size` is
    // the number of packets, a power of two.
    QueueObject(const AgentObject& agent, abi::AmdQueue* amd, void* ring, std::uint32_t size, abi::QueueType type,
                abi::QueueCallback callback, void* data, SignalSlot* doorbell, std::uint64_t id,
                QueueServices services);
    // Waits for the packet in work, then ends the thread.
    ~QueueObject();
    QueueObject(const QueueObject&) = delete;
    QueueObject& operator=(const QueueObject&) = delete;

    abi::AmdQueue* amd() const { return amd_; }
    void* ring() const { return ring_; }
    SignalSlot* doorbell() const { return doorbell_; }
    const AgentObject& agent() const { return agent_; }
    bool on_own_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

    // Takes no further packet.
    void halt();

    std::vector<std::uint32_t> cu_mask;
    abi::QueuePriority priority = abi::QUEUE_PRIORITY_NORMAL;

private:
    enum class Outcome { Done, Stopped, Failed };

    void run();
    Outcome process(std::uint64_t index);
    Outcome dispatch(const abi::KernelDispatchPacket& packet, std::uint64_t address, std::uint64_t index);
    Outcome barrier(const abi::BarrierPacket& packet, bool all);
    Outcome barrier_value(const abi::BarrierValuePacket& packet);
    Outcome refuse(abi::Status status, const char* why);
    void complete(abi::Signal signal, std::uint64_t start);

    const AgentObject& agent_;
    abi::AmdQueue* const amd_;
    void* const ring_;
    const abi::QueueCallback callback_;
    void* const data_;
    SignalSlot* const doorbell_;
    const QueueServices services_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

// The indices of a queue, as host code sees and moves them.
inline std::atomic_ref<std::uint64_t> write_index(abi::AmdQueue& queue) {
    return std::atomic_ref<std::uint64_t>(queue.write_dispatch_id);
}
inline std::atomic_ref<std::uint64_t> read_index(abi::AmdQueue& queue) {
    return std::atomic_ref<std::uint64_t>(queue.read_dispatch_id);
}

}  // namespace vgpu::hsa
