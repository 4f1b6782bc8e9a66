// Exported: code object readers, executables, symbols.
#include <cstring>

#include "vgpu/hsa/api.h"
#include "vgpu/hsa/loader_table.h"

#include <sys/stat.h>

using namespace vgpu::hsa;
using namespace vgpu::hsa::abi;

namespace {

ExecutableSymbol handle_of(const SymbolObject* symbol) { return {reinterpret_cast<std::uint64_t>(symbol)}; }

template <typename T>
Status give(void* out, T value) {
    std::memcpy(out, &value, sizeof(T));
    return STATUS_SUCCESS;
}

Status kernel_info(const SymbolObject& symbol, std::uint32_t attribute, void* value) {
    KernelDescriptor descriptor{};
    std::memcpy(&descriptor, reinterpret_cast<const void*>(symbol.address), sizeof(descriptor));
    constexpr std::uint16_t kDynamicStack = 1U << 11;
    switch (attribute) {
        case SYMBOL_INFO_KERNEL_OBJECT: return give(value, symbol.address);
        case SYMBOL_INFO_KERNEL_KERNARG_SEGMENT_SIZE: return give(value, descriptor.kernarg_size);
        case SYMBOL_INFO_KERNEL_KERNARG_SEGMENT_ALIGNMENT: return give(value, std::uint32_t{16});
        case SYMBOL_INFO_KERNEL_GROUP_SEGMENT_SIZE: return give(value, descriptor.group_segment_fixed_size);
        case SYMBOL_INFO_KERNEL_PRIVATE_SEGMENT_SIZE: return give(value, descriptor.private_segment_fixed_size);
        case SYMBOL_INFO_KERNEL_DYNAMIC_CALLSTACK:
            return give(value, (descriptor.kernel_code_properties & kDynamicStack) != 0);
        case SYMBOL_INFO_KERNEL_CALL_CONVENTION: return give(value, std::uint32_t{0});
        default: return STATUS_ERROR_INVALID_ARGUMENT;
    }
}

Status variable_info(const SymbolObject& symbol, std::uint32_t attribute, void* value) {
    switch (attribute) {
        case SYMBOL_INFO_VARIABLE_ADDRESS: return give(value, symbol.address);
        case SYMBOL_INFO_VARIABLE_SIZE: return give(value, static_cast<std::uint32_t>(symbol.size));
        case SYMBOL_INFO_VARIABLE_ALIGNMENT: return give(value, std::uint32_t{1});
        case SYMBOL_INFO_VARIABLE_ALLOCATION: return give(value, std::uint32_t{0});
        case SYMBOL_INFO_VARIABLE_SEGMENT: return give(value, std::uint32_t{symbol.constant ? 1U : 0U});
        case SYMBOL_INFO_VARIABLE_IS_CONST: return give(value, symbol.constant);
        default: return STATUS_ERROR_INVALID_ARGUMENT;
    }
}

}  // namespace

VGPU_API Status hsa_code_object_reader_create_from_memory(const void* bytes, std::size_t size, CodeObjectReader* out) {
    return with_runtime([&](Runtime& runtime) {
        if (bytes == nullptr || size == 0 || out == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        const std::span view(static_cast<const std::byte*>(bytes), size);
        out->handle = reinterpret_cast<std::uint64_t>(runtime.executables().create_reader({}, view));
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_code_object_reader_create_from_file(int file, CodeObjectReader* out) {
    struct stat facts{};
    if (fstat(file, &facts) != 0 || facts.st_size <= 0) {
        return STATUS_ERROR_INVALID_FILE;
    }
    return loader_table().reader_create_from_file_with_offset_size(file, 0, static_cast<std::size_t>(facts.st_size),
                                                                   out);
}

VGPU_API Status hsa_code_object_reader_destroy(CodeObjectReader handle) {
    return with_runtime([&](Runtime& runtime) { return runtime.executables().destroy_reader(handle); });
}

VGPU_API Status hsa_executable_create_alt(std::uint32_t profile, std::uint32_t rounding, const char*, Executable* out) {
    return with_runtime([&](Runtime& runtime) {
        if (out == nullptr || profile > PROFILE_FULL || rounding > ROUNDING_NEAR) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        out->handle = reinterpret_cast<std::uint64_t>(
            runtime.executables().create(static_cast<Profile>(profile), static_cast<FloatRounding>(rounding)));
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_executable_destroy(Executable handle) {
    return with_runtime([&](Runtime& runtime) {
        return runtime.executables().destroy(reinterpret_cast<ExecutableObject*>(handle.handle));
    });
}

VGPU_API Status hsa_executable_load_agent_code_object(Executable handle, Agent agent_handle, CodeObjectReader reader,
                                                      const char*, LoadedCodeObject* out) {
    return with_runtime([&](Runtime& runtime) {
        Executables& executables = runtime.executables();
        ExecutableObject* executable = executables.find(handle);
        const AgentObject* agent = runtime.find(agent_handle);
        const ReaderObject* source = executables.find(reader);
        if (executable == nullptr) {
            return STATUS_ERROR_INVALID_EXECUTABLE;
        }
        if (agent == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        if (source == nullptr) {
            return STATUS_ERROR_INVALID_CODE_OBJECT_READER;
        }
        LoadedObject* loaded = nullptr;
        const Status status = executables.load(executable, *agent, *source, &loaded);
        if (status == STATUS_SUCCESS && out != nullptr) {
            out->handle = reinterpret_cast<std::uint64_t>(loaded);
        }
        return status;
    });
}

VGPU_API Status hsa_executable_agent_global_variable_define(Executable handle, Agent agent_handle, const char* name,
                                                            void* address) {
    return with_runtime([&](Runtime& runtime) {
        ExecutableObject* executable = runtime.executables().find(handle);
        const AgentObject* agent = runtime.find(agent_handle);
        if (executable == nullptr || agent == nullptr) {
            return executable == nullptr ? STATUS_ERROR_INVALID_EXECUTABLE : STATUS_ERROR_INVALID_AGENT;
        }
        if (name == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        return runtime.executables().define(executable, agent, name, address);
    });
}

VGPU_API Status hsa_executable_freeze(Executable handle, const char*) {
    return with_runtime([&](Runtime& runtime) {
        ExecutableObject* executable = runtime.executables().find(handle);
        return executable == nullptr ? STATUS_ERROR_INVALID_EXECUTABLE : runtime.executables().freeze(executable);
    });
}

VGPU_API Status hsa_executable_get_symbol_by_name(Executable handle, const char* name, const Agent* agent_handle,
                                                  ExecutableSymbol* out) {
    return with_runtime([&](Runtime& runtime) {
        ExecutableObject* executable = runtime.executables().find(handle);
        if (executable == nullptr) {
            return STATUS_ERROR_INVALID_EXECUTABLE;
        }
        if (name == nullptr || out == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        const AgentObject* agent = agent_handle == nullptr ? nullptr : runtime.find(*agent_handle);
        if (agent_handle != nullptr && agent == nullptr) {
            return STATUS_ERROR_INVALID_AGENT;
        }
        const SymbolObject* symbol = runtime.executables().symbol(executable, name, agent);
        if (symbol == nullptr) {
            return STATUS_ERROR_INVALID_SYMBOL_NAME;
        }
        *out = handle_of(symbol);
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_executable_symbol_get_info(ExecutableSymbol handle, std::uint32_t attribute, void* value) {
    return with_runtime([&](Runtime& runtime) {
        const SymbolObject* symbol = runtime.executables().find(handle);
        if (symbol == nullptr) {
            return STATUS_ERROR_INVALID_EXECUTABLE_SYMBOL;
        }
        if (value == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        switch (attribute) {
            case SYMBOL_INFO_TYPE:
                return give(value, std::uint32_t{symbol->kernel ? SYMBOL_KIND_KERNEL : SYMBOL_KIND_VARIABLE});
            case SYMBOL_INFO_NAME_LENGTH: return give(value, static_cast<std::uint32_t>(symbol->name.size()));
            case SYMBOL_INFO_NAME: std::memcpy(value, symbol->name.data(), symbol->name.size()); return STATUS_SUCCESS;
            case SYMBOL_INFO_MODULE_NAME_LENGTH: return give(value, std::uint32_t{0});
            case SYMBOL_INFO_MODULE_NAME: return STATUS_SUCCESS;
            case SYMBOL_INFO_AGENT: return give(value, symbol->agent == nullptr ? Agent{0} : symbol->agent->handle());
            case SYMBOL_INFO_LINKAGE: return give(value, std::uint32_t{SYMBOL_LINKAGE_PROGRAM});
            case SYMBOL_INFO_IS_DEFINITION: return give(value, true);
            default:
                return symbol->kernel ? kernel_info(*symbol, attribute, value)
                                      : variable_info(*symbol, attribute, value);
        }
    });
}

VGPU_API Status hsa_executable_iterate_symbols(Executable handle,
                                               Status (*callback)(Executable, ExecutableSymbol, void*), void* data) {
    return with_runtime([&](Runtime& runtime) {
        const ExecutableObject* executable = runtime.executables().find(handle);
        if (executable == nullptr || callback == nullptr) {
            return executable == nullptr ? STATUS_ERROR_INVALID_EXECUTABLE : STATUS_ERROR_INVALID_ARGUMENT;
        }
        for (const auto& symbol : executable->symbols) {
            if (const Status status = callback(handle, handle_of(symbol.get()), data); status != STATUS_SUCCESS) {
                return status;
            }
        }
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_executable_iterate_agent_symbols(Executable handle, Agent agent_handle,
                                                     Status (*callback)(Executable, Agent, ExecutableSymbol, void*),
                                                     void* data) {
    return with_runtime([&](Runtime& runtime) {
        const ExecutableObject* executable = runtime.executables().find(handle);
        const AgentObject* agent = runtime.find(agent_handle);
        if (executable == nullptr || agent == nullptr || callback == nullptr) {
            return executable == nullptr ? STATUS_ERROR_INVALID_EXECUTABLE : STATUS_ERROR_INVALID_ARGUMENT;
        }
        for (const auto& symbol : executable->symbols) {
            if (symbol->agent != agent) {
                continue;
            }
            const Status status = callback(handle, agent_handle, handle_of(symbol.get()), data);
            if (status != STATUS_SUCCESS) {
                return status;
            }
        }
        return STATUS_SUCCESS;
    });
}

VGPU_API Status hsa_executable_validate(Executable handle, std::uint32_t* result) {
    return with_runtime([&](Runtime& runtime) {
        if (runtime.executables().find(handle) == nullptr) {
            return STATUS_ERROR_INVALID_EXECUTABLE;
        }
        if (result == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        *result = 0;
        return STATUS_SUCCESS;
    });
}
