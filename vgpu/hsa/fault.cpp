#include "vgpu/hsa/fault.h"

#include <cinttypes>
#include <cstdio>

#include "vgpu/hsa/heap.h"
#include "vgpu/hsa/log.h"

namespace vgpu::hsa {

abi::Status queue_status(core::Fault::Kind kind) noexcept {
    using Kind = core::Fault::Kind;
    switch (kind) {
        case Kind::Memory:
        case Kind::Strict: return abi::STATUS_ERROR_MEMORY_FAULT;
        case Kind::Misaligned:
        case Kind::LdsOutOfRange:
        case Kind::ScratchOutOfRange: return abi::STATUS_ERROR_MEMORY_APERTURE_VIOLATION;
        case Kind::IllegalInstruction: return abi::STATUS_ERROR_ILLEGAL_INSTRUCTION;
        case Kind::Trap:
        case Kind::NoProgress: return abi::STATUS_ERROR_EXCEPTION;
        case Kind::BadLaunch: return abi::STATUS_ERROR_INVALID_PACKET_FORMAT;
    }
    return abi::STATUS_ERROR;
}

std::string fault_text(const AgentObject& agent, const core::Fault& fault) {
    using Kind = core::Fault::Kind;
    char head[256] = "";
    const std::uint64_t handle = agent.handle().handle;
    switch (fault.kind) {
        case Kind::Memory:
            std::snprintf(head, sizeof(head),
                          "Memory access fault by GPU node-%u (Agent handle: 0x%" PRIx64 ") on address 0x%" PRIx64
                          ". Reason: %s.\n",
                          agent.node, handle, fault.address / kPageBytes * kPageBytes,
                          "Page not present or supervisor privilege");
            break;
        case Kind::NoProgress:
            std::snprintf(head, sizeof(head),
                          "HW Exception by GPU node-%u (Agent handle: 0x%" PRIx64 ") reason :GPU Hang\n", agent.node,
                          handle);
            break;
        default:
            std::snprintf(head, sizeof(head), "Queue error on GPU node-%u (Agent handle: 0x%" PRIx64 "): %s\n",
                          agent.node, handle, core::to_string(fault.kind));
            break;
    }
    std::string text = head;
    for (const std::string& line : fault.lines) {
        text += "  ";
        text += line;
        text += '\n';
    }
    return text;
}

void FaultDesk::subscribe(abi::SystemEventCallback callback, void* data) {
    const std::lock_guard lock(mutex_);
    subscribers_.emplace_back(callback, data);
}

bool FaultDesk::report(const AgentObject& agent, const core::Fault& fault) {
    print_stderr(fault_text(agent, fault));
    abi::Event event{};
    switch (fault.kind) {
        case core::Fault::Kind::Memory:
        case core::Fault::Kind::Strict:
            event.event_type = abi::GPU_MEMORY_FAULT_EVENT;
            event.memory_fault = {agent.handle(), fault.address / kPageBytes * kPageBytes,
                                  abi::MEMORY_FAULT_PAGE_NOT_PRESENT};
            break;
        case core::Fault::Kind::NoProgress:
            event.event_type = abi::GPU_HW_EXCEPTION_EVENT;
            event.hw_exception = {agent.handle(), 1, 1};
            break;
        default: return false;  // such faults concern their queue only
    }
    std::vector<std::pair<abi::SystemEventCallback, void*>> told;
    {
        const std::lock_guard lock(mutex_);
        told = subscribers_;
    }
    bool handled = false;
    for (const auto& [callback, data] : told) {
        handled = callback(&event, data) == abi::STATUS_SUCCESS || handled;
    }
    return handled;
}

}  // namespace vgpu::hsa
