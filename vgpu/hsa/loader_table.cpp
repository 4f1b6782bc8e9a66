#include "vgpu/hsa/loader_table.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "vgpu/hsa/api.h"

namespace vgpu::hsa {
namespace {

using namespace abi;

// Device addresses are host addresses.
Status query_host_address(const void* device, const void** host) {
    return with_runtime([&](Runtime& runtime) {
        if (device == nullptr || host == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        if (runtime.executables().image_at(reinterpret_cast<std::uint64_t>(device)) == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        *host = device;
        return STATUS_SUCCESS;
    });
}

Status query_segment_descriptors(void* descriptors, std::size_t* count) {
    (void)descriptors;
    if (count == nullptr) {
        return STATUS_ERROR_INVALID_ARGUMENT;
    }
    return declined("hsa_ven_amd_loader_query_segment_descriptors", STATUS_ERROR, "segments are not listed");
}

Status query_executable(const void* device, Executable* executable) {
    return with_runtime([&](Runtime& runtime) {
        const LoadedObject* image =
            executable == nullptr ? nullptr : runtime.executables().image_at(reinterpret_cast<std::uint64_t>(device));
        if (image == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        executable->handle = reinterpret_cast<std::uint64_t>(image->executable);
        return STATUS_SUCCESS;
    });
}

Status iterate_loaded_code_objects(Executable handle, Status (*callback)(Executable, LoadedCodeObject, void*),
                                   void* data) {
    return with_runtime([&](Runtime& runtime) {
        const ExecutableObject* executable = runtime.executables().find(handle);
        if (executable == nullptr) {
            return STATUS_ERROR_INVALID_EXECUTABLE;
        }
        for (const auto& object : executable->objects) {
            const LoadedCodeObject loaded{reinterpret_cast<std::uint64_t>(object.get())};
            if (const Status status = callback(handle, loaded, data); status != STATUS_SUCCESS) {
                return status;
            }
        }
        return STATUS_SUCCESS;
    });
}

template <typename T>
Status give(void* out, T value) {
    std::memcpy(out, &value, sizeof(T));
    return STATUS_SUCCESS;
}

Status loaded_code_object_get_info(LoadedCodeObject handle, std::uint32_t attribute, void* value) {
    return with_runtime([&](Runtime& runtime) {
        const LoadedObject* object = runtime.executables().find(handle);
        if (object == nullptr || value == nullptr) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        constexpr std::uint32_t kKindAgent = 2;
        constexpr std::uint32_t kStorageMemory = 2;
        switch (attribute) {
            case LOADED_CODE_OBJECT_INFO_EXECUTABLE:
                return give(value, reinterpret_cast<std::uint64_t>(object->executable));
            case LOADED_CODE_OBJECT_INFO_KIND: return give(value, kKindAgent);
            case LOADED_CODE_OBJECT_INFO_AGENT: return give(value, object->agent->handle());
            case LOADED_CODE_OBJECT_INFO_STORAGE_TYPE: return give(value, kStorageMemory);
            case LOADED_CODE_OBJECT_INFO_STORAGE_MEMORY_BASE:
                return give(value, reinterpret_cast<std::uint64_t>(object->file));
            case LOADED_CODE_OBJECT_INFO_STORAGE_MEMORY_SIZE: return give(value, object->file_size);
            case LOADED_CODE_OBJECT_INFO_LOAD_DELTA: return give(value, object->delta);
            case LOADED_CODE_OBJECT_INFO_LOAD_BASE: return give(value, object->base);
            case LOADED_CODE_OBJECT_INFO_LOAD_SIZE: return give(value, object->size);
            case LOADED_CODE_OBJECT_INFO_URI_LENGTH: return give(value, static_cast<std::uint32_t>(object->uri.size()));
            case LOADED_CODE_OBJECT_INFO_URI:
                std::memcpy(value, object->uri.data(), object->uri.size());
                return STATUS_SUCCESS;
            default: return STATUS_ERROR_INVALID_ARGUMENT;
        }
    });
}

Status reader_from_file(int file, std::size_t offset, std::size_t size, CodeObjectReader* out) {
    return with_runtime([&](Runtime& runtime) {
        if (out == nullptr || size == 0) {
            return STATUS_ERROR_INVALID_ARGUMENT;
        }
        struct stat facts{};
        if (fstat(file, &facts) != 0 || offset > static_cast<std::size_t>(facts.st_size) ||
            size > static_cast<std::size_t>(facts.st_size) - offset) {
            return STATUS_ERROR_INVALID_FILE;
        }
        std::vector<std::byte> bytes(size);
        for (std::size_t done = 0; done < size;) {
            const ssize_t got = pread(file, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
            if (got <= 0) {
                return STATUS_ERROR_INVALID_FILE;
            }
            done += static_cast<std::size_t>(got);
        }
        out->handle = reinterpret_cast<std::uint64_t>(runtime.executables().create_reader(std::move(bytes), {}));
        return STATUS_SUCCESS;
    });
}

Status iterate_executables(Status (*callback)(Executable, void*), void* data) {
    return with_runtime([&](Runtime& runtime) {
        for (ExecutableObject* executable : runtime.executables().all()) {
            if (const Status status = callback({reinterpret_cast<std::uint64_t>(executable)}, data);
                status != STATUS_SUCCESS) {
                return status;
            }
        }
        return STATUS_SUCCESS;
    });
}

constexpr LoaderTable kTable{query_host_address,          query_segment_descriptors,   query_executable,
                             iterate_loaded_code_objects, loaded_code_object_get_info, reader_from_file,
                             iterate_executables};

}  // namespace

const LoaderTable& loader_table() noexcept { return kTable; }

}  // namespace vgpu::hsa
