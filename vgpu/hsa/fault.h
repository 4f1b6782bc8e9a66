// What happens when a kernel or a copy goes wrong: the text a ROCm user knows, the
// system event, the queue's error callback. Knows no queue's inside.
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "vgpu/core/engine.h"
#include "vgpu/hsa/abi.h"
#include "vgpu/hsa/device.h"

namespace vgpu::hsa {

class FaultDesk {
public:
    // Programs that asked to hear of faults (hsa_amd_register_system_event_handler).
    void subscribe(abi::SystemEventCallback callback, void* data);

    // Prints the fault and tells subscribers. True where one of them took charge;
    // where none did, the caller tells its queue, and ends the process if it has none.
    bool report(const AgentObject& agent, const core::Fault& fault);

private:
    std::mutex mutex_;
    std::vector<std::pair<abi::SystemEventCallback, void*>> subscribers_;
};

// What the queue's error callback is told.
abi::Status queue_status(core::Fault::Kind kind) noexcept;

// The whole message: first the line of the ROCm runtime, then what the engine knows.
std::string fault_text(const AgentObject& agent, const core::Fault& fault);

}  // namespace vgpu::hsa
