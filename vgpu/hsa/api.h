// What all exported functions share: the export mark, and the way into the running layer.
#pragma once

#include <new>
#include <utility>

#include "vgpu/hsa/abi.h"
#include "vgpu/hsa/log.h"
#include "vgpu/hsa/runtime.h"

#define VGPU_API extern "C" __attribute__((visibility("default")))

namespace vgpu::hsa {

// Calls body(runtime); NOT_INITIALIZED where hsa_init has not been called. Lack of
// memory becomes a status: nothing may be thrown through a C interface.
template <typename Body>
abi::Status with_runtime(Body&& body) noexcept {
    Runtime* runtime = Runtime::current();
    if (runtime == nullptr) {
        return abi::STATUS_ERROR_NOT_INITIALIZED;
    }
    try {
        return std::forward<Body>(body)(*runtime);
    } catch (const std::bad_alloc&) {
        return abi::STATUS_ERROR_OUT_OF_RESOURCES;
    }
}

// For functions that the layer does not offer: one log line and a status that says so.
inline abi::Status declined(const char* function, abi::Status status, const char* why) noexcept {
    log_line("%s: %s", function, why);
    return status;
}

}  // namespace vgpu::hsa
