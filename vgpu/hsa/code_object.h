// A GPU code object (ELF): checked, its parts found, nothing loaded yet.
// Reads untrusted bytes: every offset is checked. Knows no runtime objects.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vgpu::hsa {

struct ElfSegment {
    std::uint64_t address;  // where it wants to be, from the image's start
    std::uint64_t memory;   // bytes it takes
    std::uint64_t file_offset;
    std::uint64_t file;  // bytes that come from the file; the rest is zero
    std::uint64_t align;
};

struct ElfSymbol {
    enum class Kind { Other, Object, Function };

    std::string_view name;
    std::uint64_t value = 0;
    std::uint64_t size = 0;
    Kind kind = Kind::Other;
    bool defined = false;
    bool global = false;
    bool writable = false;  // in a segment that kernels may write
};

struct ElfRelocation {
    std::uint64_t where;
    std::uint32_t type;
    std::uint32_t symbol;  // index into symbols; 0: none
    std::int64_t addend;
};

// Relocation types of the AMDGPU psABI (LLVM, AMDGPUUsage, Relocation Records).
enum RelocationType : std::uint32_t {
    R_AMDGPU_NONE = 0,
    R_AMDGPU_ABS32_LO = 1,
    R_AMDGPU_ABS32_HI = 2,
    R_AMDGPU_ABS64 = 3,
    R_AMDGPU_REL32 = 4,
    R_AMDGPU_REL64 = 5,
    R_AMDGPU_ABS32 = 6,
    R_AMDGPU_GOTPCREL = 7,
    R_AMDGPU_GOTPCREL32_LO = 8,
    R_AMDGPU_GOTPCREL32_HI = 9,
    R_AMDGPU_REL32_LO = 10,
    R_AMDGPU_REL32_HI = 11,
    R_AMDGPU_RELATIVE64 = 13,
};

struct CodeObject {
    unsigned version = 0;           // 4, 5 or 6
    std::uint32_t machine = 0;      // EF_AMDGPU_MACH_*
    std::uint64_t image_bytes = 0;  // from the lowest to the highest segment byte
    std::uint64_t image_base = 0;   // lowest segment address
    std::uint64_t align = 4096;
    std::vector<ElfSegment> segments;
    std::vector<ElfSymbol> symbols;  // of the dynamic table
    std::vector<ElfRelocation> relocations;
};

enum class CodeObjectProblem { Malformed, OtherTarget, Unsupported };

struct CodeObjectError {
    CodeObjectProblem problem;
    std::string text;
};

// Reads a code object; views into `bytes` live as long as those. On failure `error`
// says why: OtherTarget where it is for another card than gfx1010.
std::optional<CodeObject> read_code_object(std::span<const std::byte> bytes, CodeObjectError& error);

}  // namespace vgpu::hsa
