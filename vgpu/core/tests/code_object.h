// A minimal loader of AMD code objects for the tests: segments, RELATIVE64 relocations,
// kernel descriptors by name. Not the loader of the HSA layer; it trusts its input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vgpu/core/address_space.h"

namespace vgpu::tests {

class CodeObject {
public:
    // Loads `file` into memory of `space`; `problem` says what went wrong, else empty.
    CodeObject(const std::string& file, core::AddressSpace& space);
    ~CodeObject();
    CodeObject(const CodeObject&) = delete;
    CodeObject& operator=(const CodeObject&) = delete;

    // Address of a symbol (a kernel's descriptor is NAME.kd); 0 where there is none.
    std::uint64_t symbol(const std::string& name) const;

    std::string problem;

private:
    std::vector<char> image_;
    char* base_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace vgpu::tests
