// The agents of a running layer: one host agent, one or more virtual cards, and the
// memory pools of each. Plain objects; their addresses are the handles programs hold.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "vgpu/core/address_space.h"
#include "vgpu/core/engine.h"
#include "vgpu/hsa/abi.h"
#include "vgpu/hsa/card.h"
#include "vgpu/hsa/heap.h"

namespace vgpu::hsa {

struct AgentObject;

struct Pool {
    const AgentObject* agent = nullptr;
    abi::Segment segment = abi::SEGMENT_GLOBAL;
    std::uint32_t flags = 0;  // abi::PoolFlags
    std::uint64_t size = 0;   // bytes
    bool allocatable = true;

    abi::MemoryPool handle() const { return {reinterpret_cast<std::uint64_t>(this)}; }
};

struct Device {
    Device(unsigned number, const Card& kind, core::Options options)
        : index(number), card(kind), heap(kind.memory_bytes), engine(device_profile(kind), space, std::move(options)) {}

    const unsigned index;  // from 0; node index + 1 of the topology
    const Card& card;
    core::AddressSpace space;  // what this card may touch
    DeviceHeap heap;
    core::Engine engine;
    const Pool* pool = nullptr;  // its main memory; set by Runtime
};

struct AgentObject {
    Device* device = nullptr;  // nullptr: the host
    unsigned node = 0;
    std::vector<std::unique_ptr<Pool>> pools;

    bool is_gpu() const { return device != nullptr; }
    abi::Agent handle() const { return {reinterpret_cast<std::uint64_t>(this)}; }
};

// One bit per card; bit i is the device with index i.
using DeviceMask = std::uint64_t;
inline constexpr unsigned kMaxDevices = 16;

}  // namespace vgpu::hsa
