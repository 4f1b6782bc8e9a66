// The running layer: agents, pools, queues, and the services behind the hsa_ functions.
// One per process, from the first hsa_init to the last hsa_shut_down.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vgpu/hsa/abi.h"
#include "vgpu/hsa/copy.h"
#include "vgpu/hsa/device.h"
#include "vgpu/hsa/events.h"
#include "vgpu/hsa/executable.h"
#include "vgpu/hsa/fault.h"
#include "vgpu/hsa/memory.h"
#include "vgpu/hsa/queue.h"
#include "vgpu/hsa/vmem.h"

namespace vgpu::hsa {

// What VGPU_PROFILE and VGPU_DEVICES ask for.
struct Config {
    const Card* card = nullptr;
    unsigned devices = 1;
    core::Options engine;
    std::string problem;  // why the environment cannot be followed; empty: it can

    static Config from_environment();
};

class Runtime {
public:
    // The layer, if hsa_init has been called more often than hsa_shut_down.
    static Runtime* current() noexcept;
    static abi::Status start();
    static abi::Status stop();

    explicit Runtime(Config config);
    ~Runtime();
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    const AgentObject& host() const { return *agents_.front(); }
    const std::vector<std::unique_ptr<AgentObject>>& agents() const { return agents_; }
    // nullptr where the handle is no agent or pool of ours.
    const AgentObject* find(abi::Agent handle) const noexcept;
    const Pool* find(abi::MemoryPool handle) const noexcept;
    const AgentObject& agent_of(const Device* device) const;  // nullptr: the host
    // The cards among some agents; false where one of them is no agent.
    bool mask_of(const abi::Agent* agents, std::uint64_t count, DeviceMask& mask) const noexcept;

    Memory& memory() { return *memory_; }
    VirtualMemory& virtual_memory() { return *virtual_memory_; }
    Executables& executables() { return *executables_; }
    CopyEngine& copies() { return *copies_; }
    EventThread& events() { return events_; }
    FaultDesk& faults() { return faults_; }

    abi::Status create_queue(const AgentObject& agent, std::uint32_t size, abi::QueueType type,
                             abi::QueueCallback callback, void* data, abi::Queue** out);
    abi::Status destroy_queue(abi::Queue* queue);
    QueueObject* find_queue(const abi::Queue* queue);

    // Prints or writes what VGPU_STATS asks for; once per process.
    void write_statistics();

private:
    void add_host();
    void add_card(unsigned index);

    const Config config_;
    std::vector<std::unique_ptr<Device>> devices_;
    std::vector<std::unique_ptr<AgentObject>> agents_;  // the host first
    std::unique_ptr<Memory> memory_;
    std::unique_ptr<VirtualMemory> virtual_memory_;
    std::unique_ptr<Executables> executables_;
    FaultDesk faults_;
    std::unique_ptr<CopyEngine> copies_;
    EventThread events_;
    std::mutex queues_mutex_;
    std::uint64_t next_queue_ = 0;
    std::map<const abi::Queue*, std::unique_ptr<QueueObject>> queues_;
};

}  // namespace vgpu::hsa
