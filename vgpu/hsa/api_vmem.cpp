// Exported: virtual memory management.
#include "vgpu/hsa/api.h"

using namespace vgpu::hsa;
using namespace vgpu::hsa::abi;

VGPU_API Status hsa_amd_vmem_address_reserve_align(void** out, std::size_t size, std::uint64_t address,
                                                   std::uint64_t alignment, std::uint64_t) {
    return with_runtime([&](Runtime& runtime) {
        return out == nullptr ? STATUS_ERROR_INVALID_ARGUMENT
                              : runtime.virtual_memory().reserve(size, address, alignment, out);
    });
}

VGPU_API Status hsa_amd_vmem_address_reserve(void** out, std::size_t size, std::uint64_t address, std::uint64_t flags) {
    return hsa_amd_vmem_address_reserve_align(out, size, address, 0, flags);
}

VGPU_API Status hsa_amd_vmem_address_free(void* base, std::size_t size) {
    return with_runtime([&](Runtime& runtime) { return runtime.virtual_memory().unreserve(base, size); });
}

VGPU_API Status hsa_amd_vmem_handle_create(MemoryPool handle, std::size_t size, std::uint32_t type, std::uint64_t,
                                           VmemHandle* out) {
    return with_runtime([&](Runtime& runtime) {
        const Pool* pool = runtime.find(handle);
        if (pool == nullptr || !pool->allocatable) {
            return STATUS_ERROR_INVALID_MEMORY_POOL;
        }
        return out == nullptr ? STATUS_ERROR_INVALID_ARGUMENT : runtime.virtual_memory().create(*pool, size, type, out);
    });
}

VGPU_API Status hsa_amd_vmem_handle_release(VmemHandle handle) {
    return with_runtime([&](Runtime& runtime) { return runtime.virtual_memory().release(handle); });
}

VGPU_API Status hsa_amd_vmem_map(void* base, std::size_t size, std::size_t offset, VmemHandle handle, std::uint64_t) {
    return with_runtime([&](Runtime& runtime) { return runtime.virtual_memory().map(base, size, offset, handle); });
}

VGPU_API Status hsa_amd_vmem_unmap(void* base, std::size_t size) {
    return with_runtime([&](Runtime& runtime) { return runtime.virtual_memory().unmap(base, size); });
}

VGPU_API Status hsa_amd_vmem_set_access(void* base, std::size_t size, const MemoryAccessDesc* descriptions,
                                        std::size_t count) {
    return with_runtime([&](Runtime& runtime) {
        if (descriptions == nullptr || count == 0) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        for (std::size_t i = 0; i < count; ++i) {
            const AgentObject* agent = runtime.find(descriptions[i].agent_handle);
            if (agent == nullptr) {
                return STATUS_ERROR_INVALID_AGENT;
            }
            const auto permission = static_cast<AccessPermission>(descriptions[i].permissions);
            const Status status = runtime.virtual_memory().set_access(base, size, agent->device, permission);
            if (status != STATUS_SUCCESS) {
                return status;
            }
        }
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_vmem_get_access(void* base, AccessPermission* out, Agent handle) {
    return with_runtime([&](Runtime& runtime) {
        const AgentObject* agent = runtime.find(handle);
        if (agent == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        return out == nullptr ? STATUS_ERROR_INVALID_ARGUMENT
                              : runtime.virtual_memory().get_access(base, agent->device, out);
    });
}

VGPU_API Status hsa_amd_vmem_export_shareable_handle(int* file, VmemHandle handle, std::uint64_t) {
    return with_runtime([&](Runtime& runtime) {
        return file == nullptr ? STATUS_ERROR_INVALID_ARGUMENT : runtime.virtual_memory().export_file(handle, file);
    });
}

VGPU_API Status hsa_amd_vmem_import_shareable_handle(int file, VmemHandle* handle) {
    return with_runtime([&](Runtime& runtime) {
        return handle == nullptr ? STATUS_ERROR_INVALID_ARGUMENT : runtime.virtual_memory().import_file(file, handle);
    });
}

VGPU_API Status hsa_amd_vmem_retain_alloc_handle(VmemHandle* handle, void* address) {
    return with_runtime([&](Runtime& runtime) {
        return handle == nullptr ? STATUS_ERROR_INVALID_ARGUMENT : runtime.virtual_memory().retain(address, handle);
    });
}

VGPU_API Status hsa_amd_vmem_get_alloc_properties_from_handle(VmemHandle handle, MemoryPool* pool,
                                                              std::uint32_t* type) {
    return with_runtime([&](Runtime& runtime) {
        if (pool == nullptr || type == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        const Pool* found = runtime.virtual_memory().pool_of(handle, type);
        if (found == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        *pool = found->handle();
        return STATUS_SUCCESS;
    });
}
