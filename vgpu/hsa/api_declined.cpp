// Exported, but not offered: images, samplers, graphics and file interoperation, shared
// virtual memory. Each answers with a status of its specification and one log line.
#include "vgpu/hsa/api.h"

using namespace vgpu::hsa;
using namespace vgpu::hsa::abi;

namespace {

constexpr const char* kNoImages = "this card offers no images";
constexpr const char* kNoSvm = "this card has no shared virtual memory (xnack-)";
constexpr const char* kNoInterop = "there is no graphics driver to share with";
constexpr const char* kNoDmabuf = "there is no kernel driver that could export a dmabuf";
constexpr const char* kNoFiles = "there is no path from storage to this card";

Status no_image(const char* function) {
    return declined(function, static_cast<Status>(EXT_STATUS_ERROR_IMAGE_FORMAT_UNSUPPORTED), kNoImages);
}

Status no_sampler(const char* function) {
    return declined(function, static_cast<Status>(EXT_STATUS_ERROR_SAMPLER_DESCRIPTOR_UNSUPPORTED), kNoImages);
}

}  // namespace

VGPU_API Status hsa_ext_image_data_get_info(Agent, const void*, std::uint32_t, void*) {
    return no_image("hsa_ext_image_data_get_info");
}

VGPU_API Status hsa_ext_image_create(Agent, const void*, const void*, std::uint32_t, Image*) {
    return no_image("hsa_ext_image_create");
}

VGPU_API Status hsa_ext_image_create_with_layout(Agent, const void*, const void*, std::uint32_t, std::uint32_t,
                                                 std::size_t, std::size_t, Image*) {
    return no_image("hsa_ext_image_create_with_layout");
}

VGPU_API Status hsa_amd_image_create(Agent, const void*, const void*, const void*, std::uint32_t, Image*) {
    return no_image("hsa_amd_image_create");
}

VGPU_API Status hsa_ext_image_destroy(Agent, Image) {
    return declined("hsa_ext_image_destroy", STATUS_ERROR_INVALID_ARGUMENT, kNoImages);
}

VGPU_API Status hsa_ext_image_import(Agent, const void*, std::size_t, std::size_t, Image, const void*) {
    return declined("hsa_ext_image_import", STATUS_ERROR_INVALID_ARGUMENT, kNoImages);
}

VGPU_API Status hsa_ext_image_export(Agent, Image, void*, std::size_t, std::size_t, const void*) {
    return declined("hsa_ext_image_export", STATUS_ERROR_INVALID_ARGUMENT, kNoImages);
}

VGPU_API Status hsa_ext_sampler_create(Agent, const void*, Sampler*) { return no_sampler("hsa_ext_sampler_create"); }

VGPU_API Status hsa_ext_sampler_create_v2(Agent, const void*, Sampler*) {
    return no_sampler("hsa_ext_sampler_create_v2");
}

VGPU_API Status hsa_ext_sampler_destroy(Agent, Sampler) {
    return declined("hsa_ext_sampler_destroy", STATUS_ERROR_INVALID_ARGUMENT, kNoImages);
}

VGPU_API Status hsa_amd_interop_map_buffer(std::uint32_t, Agent*, int, std::uint32_t, std::size_t*, void**,
                                           std::size_t*, const void**) {
    return declined("hsa_amd_interop_map_buffer", STATUS_ERROR_INVALID_ARGUMENT, kNoInterop);
}

VGPU_API Status hsa_amd_interop_unmap_buffer(void*) {
    return declined("hsa_amd_interop_unmap_buffer", STATUS_ERROR_INVALID_ARGUMENT, kNoInterop);
}

VGPU_API Status hsa_amd_svm_attributes_set(void*, std::size_t, SvmAttributePair*, std::size_t) {
    return declined("hsa_amd_svm_attributes_set", STATUS_ERROR, kNoSvm);
}

VGPU_API Status hsa_amd_svm_attributes_get(void*, std::size_t, SvmAttributePair*, std::size_t) {
    return declined("hsa_amd_svm_attributes_get", STATUS_ERROR, kNoSvm);
}

VGPU_API Status hsa_amd_svm_prefetch_async(void*, std::size_t, Agent, std::uint32_t, const Signal*, Signal) {
    return declined("hsa_amd_svm_prefetch_async", STATUS_ERROR, kNoSvm);
}

VGPU_API Status hsa_amd_portable_export_dmabuf(const void*, std::size_t, int*, std::uint64_t*) {
    return declined("hsa_amd_portable_export_dmabuf", STATUS_ERROR, kNoDmabuf);
}

VGPU_API Status hsa_amd_portable_close_dmabuf(int) {
    return declined("hsa_amd_portable_close_dmabuf", STATUS_ERROR_INVALID_ARGUMENT, kNoDmabuf);
}

// The parameters after the buffer are those of ROCm 7.1: address, size, file, offset,
// two results. Nothing of them is read.
VGPU_API Status hsa_amd_ais_file_write(std::uint64_t, void*, std::uint64_t, std::int64_t, std::uint64_t*,
                                       std::int32_t*) {
    return declined("hsa_amd_ais_file_write", STATUS_ERROR, kNoFiles);
}

VGPU_API Status hsa_amd_ais_file_read(std::uint64_t, void*, std::uint64_t, std::int64_t, std::uint64_t*,
                                      std::int32_t*) {
    return declined("hsa_amd_ais_file_read", STATUS_ERROR, kNoFiles);
}
