// What the layer answers about its agents, its ISA and itself: tables of named values.
// Knows agents; nothing of what programs do with the answers.
#pragma once

#include <cstdint>
#include <span>

#include "vgpu/hsa/abi.h"
#include "vgpu/hsa/device.h"

namespace vgpu::hsa {

class Runtime;

struct AgentItem {
    std::uint32_t id;
    const char* name;
    void (*put)(const AgentObject& agent, const Runtime& runtime, void* out);
};

std::span<const AgentItem> agent_items() noexcept;

abi::Status agent_info(const Runtime& runtime, const AgentObject& agent, std::uint32_t id, void* out);
abi::Status system_info(const Runtime& runtime, std::uint32_t id, void* out);
abi::Status isa_info(abi::Isa isa, std::uint32_t id, void* out);
abi::Status pool_info(const Pool& pool, std::uint32_t id, void* out);
abi::Status agent_pool_info(const AgentObject& agent, const Pool& pool, std::uint32_t id, void* out);

abi::Isa gfx1010_isa() noexcept;

// "HSA_STATUS_ERROR...: what it means"; nullptr for a number that is no status.
const char* status_text(abi::Status status) noexcept;

}  // namespace vgpu::hsa
