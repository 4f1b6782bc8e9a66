// Exported: start and end, system, agents, ISA, extension tables.
#include <algorithm>
#include <cstring>

#include "vgpu/hsa/api.h"
#include "vgpu/hsa/info.h"
#include "vgpu/hsa/loader_table.h"

using namespace vgpu::hsa;
using namespace vgpu::hsa::abi;

namespace {

// Images are named for their limits, which HIP reads; making one is declined.
bool offered(std::uint16_t extension, std::uint16_t major, std::uint16_t minor) {
    const bool loader = extension == EXTENSION_AMD_LOADER && minor <= kLoaderMinor;
    return major == 1 && (loader || (extension == EXTENSION_IMAGES && minor == 0));
}

}  // namespace

VGPU_API Status hsa_init() { return Runtime::start(); }

VGPU_API Status hsa_shut_down() { return Runtime::stop(); }

VGPU_API Status hsa_status_string(Status status, const char** out) {
    const char* text = out != nullptr ? status_text(status) : nullptr;
    if (text == nullptr) {
        return STATUS_ERROR_INVALID_ARGUMENT;
    }
    *out = text;
    return STATUS_SUCCESS;
}

VGPU_API Status hsa_system_get_info(std::uint32_t attribute, void* value) {
    return with_runtime([&](Runtime& runtime) {
        return value == nullptr ? STATUS_ERROR_INVALID_ARGUMENT : system_info(runtime, attribute, value);
    });
}

VGPU_API Status hsa_extension_get_name(std::uint16_t extension, const char** name) {
    if (extension != EXTENSION_AMD_LOADER || name == nullptr) {
        return STATUS_ERROR_INVALID_ARGUMENT;
    }
    *name = "HSA_EXTENSION_AMD_LOADER";
    return STATUS_SUCCESS;
}

VGPU_API Status hsa_system_extension_supported(std::uint16_t extension, std::uint16_t major, std::uint16_t minor,
                                               bool* result) {
    return with_runtime([&](Runtime&) {
        if (result == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        *result = offered(extension, major, minor);
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_system_major_extension_supported(std::uint16_t extension, std::uint16_t major, std::uint16_t* minor,
                                                     bool* result) {
    return with_runtime([&](Runtime&) {
        if (minor == nullptr || result == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        *result = extension == EXTENSION_AMD_LOADER && major == 1;
        *minor = *result ? kLoaderMinor : 0;
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_system_get_major_extension_table(std::uint16_t extension, std::uint16_t major, std::size_t length,
                                                     void* table) {
    return with_runtime([&](Runtime&) {
        if (table == nullptr || length == 0) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        if (extension != EXTENSION_AMD_LOADER || major != 1) {
            return declined("hsa_system_get_major_extension_table", STATUS_ERROR, "only the loader extension exists");
        }
        std::memcpy(table, &loader_table(), std::min(length, sizeof(LoaderTable)));
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_system_get_extension_table(std::uint16_t extension, std::uint16_t major, std::uint16_t minor,
                                               void* table) {
    return minor > kLoaderMinor ? STATUS_ERROR
                                : hsa_system_get_major_extension_table(extension, major, sizeof(LoaderTable), table);
}

VGPU_API Status hsa_iterate_agents(Status (*callback)(Agent, void*), void* data) {
    return with_runtime([&](Runtime& runtime) {
        if (callback == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        for (const auto& agent : runtime.agents()) {
            if (const Status status = callback(agent->handle(), data); status != STATUS_SUCCESS) {
                return status;
            }
        }
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_agent_get_info(Agent handle, std::uint32_t attribute, void* value) {
    return with_runtime([&](Runtime& runtime) {
        const AgentObject* agent = runtime.find(handle);
        if (agent == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        return value == nullptr ? STATUS_ERROR_INVALID_ARGUMENT : agent_info(runtime, *agent, attribute, value);
    });
}

VGPU_API Status hsa_agent_extension_supported(std::uint16_t extension, Agent handle, std::uint16_t major,
                                              std::uint16_t minor, bool* result) {
    return with_runtime([&](Runtime& runtime) {
        const AgentObject* agent = runtime.find(handle);
        if (agent == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        if (result == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        *result = agent->is_gpu() && offered(extension, major, minor);
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_agent_iterate_isas(Agent handle, Status (*callback)(Isa, void*), void* data) {
    return with_runtime([&](Runtime& runtime) {
        const AgentObject* agent = runtime.find(handle);
        if (agent == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        if (callback == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        return agent->is_gpu() ? callback(gfx1010_isa(), data) : STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_isa_get_info_alt(Isa isa, std::uint32_t attribute, void* value) {
    return with_runtime(
        [&](Runtime&) { return value == nullptr ? STATUS_ERROR_INVALID_ARGUMENT : isa_info(isa, attribute, value); });
}

VGPU_API Status hsa_isa_from_name(const char* name, Isa* isa) {
    return with_runtime([&](Runtime&) {
        if (name == nullptr || isa == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        if (kIsaName != name) {
            return STATUS_ERROR_INVALID_ISA_NAME;
        }
        *isa = gfx1010_isa();
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_amd_coherency_set_type(Agent handle, std::uint32_t type) {
    return with_runtime([&](Runtime& runtime) {
        if (runtime.find(handle) == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        return type > 1 ? STATUS_ERROR_INVALID_ARGUMENT : STATUS_SUCCESS;  // all memory is coherent here
    });
}

VGPU_API Status hsa_amd_enable_logging(std::uint8_t*, void*) {
    return with_runtime([&](Runtime&) { return STATUS_SUCCESS; });
}

VGPU_API Status hsa_amd_agent_set_async_scratch_limit(Agent handle, std::size_t) {
    return with_runtime([&](Runtime& runtime) {
        const AgentObject* agent = runtime.find(handle);
        // Scratch is the engine's own memory and never short: any limit is kept.
        return agent != nullptr && agent->is_gpu() ? STATUS_SUCCESS : STATUS_ERROR_INVALID_AGENT;
    });
}

VGPU_API Status hsa_amd_register_system_event_handler(SystemEventCallback callback, void* data) {
    return with_runtime([&](Runtime& runtime) {
        if (callback == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        runtime.faults().subscribe(callback, data);
        return STATUS_SUCCESS;
    });
}
