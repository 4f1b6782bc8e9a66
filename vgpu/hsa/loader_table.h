// The functions of the AMD loader extension, in the order of its table (version 1.03).
#pragma once

#include "vgpu/hsa/abi.h"

namespace vgpu::hsa {

inline constexpr std::uint16_t kLoaderMinor = 3;

struct LoaderTable {
    abi::Status (*query_host_address)(const void* device, const void** host);
    abi::Status (*query_segment_descriptors)(void* descriptors, std::size_t* count);
    abi::Status (*query_executable)(const void* device, abi::Executable* executable);
    abi::Status (*iterate_loaded_code_objects)(abi::Executable executable,
                                               abi::Status (*callback)(abi::Executable, abi::LoadedCodeObject, void*),
                                               void* data);
    abi::Status (*loaded_code_object_get_info)(abi::LoadedCodeObject object, std::uint32_t attribute, void* value);
    abi::Status (*reader_create_from_file_with_offset_size)(int file, std::size_t offset, std::size_t size,
                                                            abi::CodeObjectReader* reader);
    abi::Status (*iterate_executables)(abi::Status (*callback)(abi::Executable, void*), void* data);
};

const LoaderTable& loader_table() noexcept;

}  // namespace vgpu::hsa
