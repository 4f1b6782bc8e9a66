// Exported: pools, allocations, pinning, copies, pointer information, sharing.
#include <algorithm>
#include <cstring>

#include "vgpu/hsa/api.h"
#include "vgpu/hsa/info.h"

using namespace vgpu::hsa;
using namespace vgpu::hsa::abi;

namespace {

// The signals that a copy waits for; false where one is no signal.
bool collect(std::uint32_t count, const Signal* signals, std::vector<SignalSlot*>& out) {
    for (std::uint32_t i = 0; i < count; ++i) {
        SignalSlot* slot = signals == nullptr ? nullptr : find_signal(signals[i]);
        if (slot == nullptr) {
            return false;
        }
        out.push_back(slot);
    }
    return true;
}

Status copy(Runtime& runtime, const CopyShape& shape, const AgentObject& agent, std::uint32_t count,
            const Signal* signals, Signal done) {
    std::vector<SignalSlot*> after;
    SignalSlot* last = find_signal(done);
    if (!collect(count, signals, after) || (last == nullptr && done.handle != 0)) {
        return STATUS_ERROR_INVALID_SIGNAL;
    }
    return runtime.copies().copy(shape, std::move(after), last, agent);
}

Status linear_copy(void* to, Agent to_agent, const void* from, Agent from_agent, std::size_t size, std::uint32_t count,
                   const Signal* signals, Signal done) {
    return with_runtime([&](Runtime& runtime) {
        const AgentObject* target = runtime.find(to_agent);
        const AgentObject* source = runtime.find(from_agent);
        if (target == nullptr || source == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        if (to == nullptr || from == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        CopyShape shape;
        shape.to = static_cast<std::byte*>(to);
        shape.from = static_cast<const std::byte*>(from);
        shape.width = size;
        return copy(runtime, shape, target->is_gpu() ? *target : *source, count, signals, done);
    });
}

}  // namespace

VGPU_API Status hsa_amd_agent_iterate_memory_pools(Agent handle, Status (*callback)(MemoryPool, void*), void* data) {
    return with_runtime([&](Runtime& runtime) {
        const AgentObject* agent = runtime.find(handle);
        if (agent == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        if (callback == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        for (const auto& pool : agent->pools) {
            if (const Status status = callback(pool->handle(), data); status != STATUS_SUCCESS) {
                return status;
            }
        }
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_memory_pool_get_info(MemoryPool handle, std::uint32_t attribute, void* value) {
    return with_runtime([&](Runtime& runtime) {
        const Pool* pool = runtime.find(handle);
        if (pool == nullptr) {
            return STATUS_ERROR_INVALID_MEMORY_POOL;
        }
        return value == nullptr ? STATUS_ERROR_INVALID_ARGUMENT : pool_info(*pool, attribute, value);
    });
}

VGPU_API Status hsa_amd_agent_memory_pool_get_info(Agent agent_handle, MemoryPool pool_handle, std::uint32_t attribute,
                                                   void* value) {
    return with_runtime([&](Runtime& runtime) {
        const AgentObject* agent = runtime.find(agent_handle);
        const Pool* pool = runtime.find(pool_handle);
        if (agent == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        if (pool == nullptr) {
            return STATUS_ERROR_INVALID_MEMORY_POOL;
        }
        return value == nullptr ? STATUS_ERROR_INVALID_ARGUMENT : agent_pool_info(*agent, *pool, attribute, value);
    });
}

VGPU_API Status hsa_amd_memory_pool_allocate(MemoryPool handle, std::size_t size, std::uint32_t flags, void** out) {
    return with_runtime([&](Runtime& runtime) {
        const Pool* pool = runtime.find(handle);
        if (pool == nullptr) {
            return STATUS_ERROR_INVALID_MEMORY_POOL;
        }
        if (out == nullptr || size == 0) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        const char* label = pool->agent->is_gpu() ? "device allocation" : "host allocation";
        const Status status = runtime.memory().allocate(*pool, size, label, out);
        if (status == STATUS_SUCCESS && (flags & POOL_ALLOC_EXECUTABLE) != 0) {
            runtime.memory().make_code(*out);
        }
        return status;
    });
}

VGPU_API Status hsa_amd_memory_pool_free(void* ptr) {
    return with_runtime(
        [&](Runtime& runtime) { return ptr == nullptr ? STATUS_SUCCESS : runtime.memory().release(ptr); });
}

VGPU_API Status hsa_memory_free(void* ptr) { return hsa_amd_memory_pool_free(ptr); }

VGPU_API Status hsa_amd_memory_pool_can_migrate(MemoryPool from, MemoryPool to, bool* result) {
    return with_runtime([&](Runtime& runtime) {
        if (runtime.find(from) == nullptr || runtime.find(to) == nullptr) {
            return STATUS_ERROR_INVALID_MEMORY_POOL;
        }
        if (result == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        *result = false;
        return STATUS_ERROR_OUT_OF_RESOURCES;
    });
}

VGPU_API Status hsa_amd_agents_allow_access(std::uint32_t count, const Agent* agents, const std::uint32_t*,
                                            const void* ptr) {
    return with_runtime([&](Runtime& runtime) {
        DeviceMask mask = 0;
        if (ptr == nullptr || count == 0 || agents == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        if (!runtime.mask_of(agents, count, mask)) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        return runtime.memory().allow(ptr, mask);
    });
}

VGPU_API Status hsa_memory_register(void* ptr, std::size_t size) {
    return with_runtime(
        [&](Runtime&) { return ptr == nullptr && size != 0 ? STATUS_ERROR_INVALID_ARGUMENT : STATUS_SUCCESS; });
}

VGPU_API Status hsa_memory_deregister(void*, std::size_t) {
    return with_runtime([&](Runtime&) { return STATUS_SUCCESS; });
}

VGPU_API Status hsa_memory_copy(void* to, const void* from, std::size_t size) {
    return with_runtime([&](Runtime& runtime) {
        if (to == nullptr || from == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        if (!runtime.memory().plausible(to, size) || !runtime.memory().plausible(from, size)) {
            return declined("hsa_memory_copy", STATUS_ERROR_INVALID_ALLOCATION,
                            "an address lies in the card's window but in no allocation");
        }
        std::memmove(to, from, size);
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_memory_fill(void* ptr, std::uint32_t value, std::size_t count) {
    return with_runtime([&](Runtime& runtime) {
        if (ptr == nullptr || reinterpret_cast<std::uint64_t>(ptr) % 4 != 0) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        if (!runtime.memory().plausible(ptr, count * 4)) {
            return STATUS_ERROR_INVALID_ALLOCATION;
        }
        for (std::size_t i = 0; i < count; ++i) {
            static_cast<std::uint32_t*>(ptr)[i] = value;
        }
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_memory_lock_to_pool(void* ptr, std::size_t size, Agent* agents, int count, MemoryPool handle,
                                            std::uint32_t, void** out) {
    return with_runtime([&](Runtime& runtime) {
        const Pool* pool = runtime.find(handle);
        if (pool == nullptr || pool->agent->is_gpu()) {
            return STATUS_ERROR_INVALID_MEMORY_POOL;
        }
        DeviceMask mask = 0;
        if (out == nullptr || (count != 0 && agents == nullptr)) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        if (!runtime.mask_of(agents, static_cast<std::uint64_t>(count), mask)) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        const Status status = runtime.memory().pin(ptr, size);
        *out = status == STATUS_SUCCESS ? ptr : nullptr;
        return status;
    });
}

VGPU_API Status hsa_amd_memory_lock(void* ptr, std::size_t size, Agent* agents, int count, void** out) {
    return with_runtime([&](Runtime& runtime) {
        return hsa_amd_memory_lock_to_pool(ptr, size, agents, count, runtime.host().pools.front()->handle(), 0, out);
    });
}

VGPU_API Status hsa_amd_memory_unlock(void* ptr) {
    return with_runtime([&](Runtime& runtime) { return runtime.memory().unpin(ptr); });
}

VGPU_API Status hsa_amd_memory_async_copy(void* to, Agent to_agent, const void* from, Agent from_agent,
                                          std::size_t size, std::uint32_t count, const Signal* signals, Signal done) {
    return linear_copy(to, to_agent, from, from_agent, size, count, signals, done);
}

VGPU_API Status hsa_amd_memory_async_copy_on_engine(void* to, Agent to_agent, const void* from, Agent from_agent,
                                                    std::size_t size, std::uint32_t count, const Signal* signals,
                                                    Signal done, std::uint32_t, bool) {
    return linear_copy(to, to_agent, from, from_agent, size, count, signals, done);
}

VGPU_API Status hsa_amd_memory_async_copy_rect(const PitchedPtr* to, const Dim3* to_offset, const PitchedPtr* from,
                                               const Dim3* from_offset, const Dim3* range, Agent copy_agent,
                                               std::uint32_t, std::uint32_t count, const Signal* signals, Signal done) {
    return with_runtime([&](Runtime& runtime) {
        const AgentObject* agent = runtime.find(copy_agent);
        if (agent == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        if (to == nullptr || from == nullptr || to_offset == nullptr || from_offset == nullptr || range == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        CopyShape shape;
        shape.to =
            static_cast<std::byte*>(to->base) + to_offset->z * to->slice + to_offset->y * to->pitch + to_offset->x;
        shape.from = static_cast<const std::byte*>(from->base) + from_offset->z * from->slice +
                     from_offset->y * from->pitch + from_offset->x;
        shape.width = range->x;
        shape.rows = range->y;
        shape.slices = range->z;
        shape.to_pitch = to->pitch;
        shape.to_slice = to->slice;
        shape.from_pitch = from->pitch;
        shape.from_slice = from->slice;
        return copy(runtime, shape, *agent, count, signals, done);
    });
}

// Bit i stands for copy engine i; both are always free.
VGPU_API Status hsa_amd_memory_copy_engine_status(Agent to, Agent from, std::uint32_t* mask) {
    return with_runtime([&](Runtime& runtime) {
        if (runtime.find(to) == nullptr || runtime.find(from) == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        if (mask == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        *mask = 3;
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_memory_get_preferred_copy_engine(Agent to, Agent from, std::uint32_t* mask) {
    return hsa_amd_memory_copy_engine_status(to, from, mask);
}

VGPU_API Status hsa_amd_pointer_info(const void* ptr, PointerInfo* info, void* (*allocate)(std::size_t),
                                     std::uint32_t* count, Agent** accessible) {
    return with_runtime([&](Runtime& runtime) {
        if (ptr == nullptr || info == nullptr || info->size < offsetof(PointerInfo, host_base_address)) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        PointerInfo answer{};
        answer.size = std::min<std::uint32_t>(info->size, sizeof(PointerInfo));
        const auto view = runtime.memory().view(ptr);
        std::uint64_t base = 0;
        std::uint64_t size = 0;
        if (view) {
            answer.type = view->type;
            answer.agent_base_address = reinterpret_cast<void*>(view->base);
            answer.host_base_address = answer.agent_base_address;
            answer.size_in_bytes = view->size;
            answer.user_data = view->user_data;
            answer.agent_owner = runtime.agent_of(view->owner).handle();
            answer.global_flags = view->global_flags;
            answer.registered = true;
        } else if (runtime.virtual_memory().reserved(ptr, &base, &size)) {
            answer.type = POINTER_TYPE_RESERVED_ADDR;
            answer.agent_base_address = reinterpret_cast<void*>(base);
            answer.host_base_address = answer.agent_base_address;
            answer.size_in_bytes = size;
        }
        std::memcpy(info, &answer, answer.size);
        if (allocate != nullptr && count != nullptr && accessible != nullptr) {
            std::vector<Agent> agents;
            for (const auto& agent : runtime.agents()) {
                const bool sees = !agent->is_gpu() ? view && view->owner == nullptr
                                                   : view && (view->visible >> agent->device->index & 1) != 0;
                if (sees) {
                    agents.push_back(agent->handle());
                }
            }
            *count = static_cast<std::uint32_t>(agents.size());
            *accessible = nullptr;
            if (!agents.empty()) {
                auto* list = static_cast<Agent*>(allocate(agents.size() * sizeof(Agent)));
                if (list == nullptr) {
                    return STATUS_ERROR_OUT_OF_RESOURCES;
                }
                std::copy(agents.begin(), agents.end(), list);
                *accessible = list;
            }
        }
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_pointer_info_set_userdata(const void* ptr, void* data) {
    return with_runtime([&](Runtime& runtime) { return runtime.memory().set_user_data(ptr, data); });
}

VGPU_API Status hsa_amd_register_deallocation_callback(void* ptr, DeallocationCallback callback, void* data) {
    return with_runtime([&](Runtime& runtime) {
        return ptr == nullptr || callback == nullptr ? STATUS_ERROR_INVALID_ARGUMENT
                                                     : runtime.memory().on_release(ptr, callback, data);
    });
}

VGPU_API Status hsa_amd_deregister_deallocation_callback(void* ptr, DeallocationCallback callback) {
    return with_runtime([&](Runtime& runtime) {
        return ptr == nullptr || callback == nullptr ? STATUS_ERROR_INVALID_ARGUMENT
                                                     : runtime.memory().forget_release(ptr, callback);
    });
}

VGPU_API Status hsa_amd_ipc_memory_create(void* ptr, std::size_t size, IpcMemory* handle) {
    return with_runtime([&](Runtime& runtime) {
        return handle == nullptr ? STATUS_ERROR_INVALID_ARGUMENT : runtime.memory().share(ptr, size, handle);
    });
}

VGPU_API Status hsa_amd_ipc_memory_attach(const IpcMemory* handle, std::size_t size, std::uint32_t count,
                                          const Agent* agents, void** out) {
    return with_runtime([&](Runtime& runtime) {
        DeviceMask mask = 0;
        if (handle == nullptr || out == nullptr || (count != 0 && agents == nullptr)) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        if (!runtime.mask_of(agents, count, mask)) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        return runtime.memory().attach(*handle, size, mask, out);
    });
}

VGPU_API Status hsa_amd_ipc_memory_detach(void* ptr) {
    return with_runtime([&](Runtime& runtime) { return runtime.memory().detach(ptr); });
}
