// A card for the tests of the core: an engine, a page of data, a page of code, and what is
// expected of a kernel. Kernels are words that llvm-mc assembled.
#pragma once

#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "vgpu/core/engine.h"

namespace vgpu::core::tests {

inline int failures = 0;

inline void check(bool good, const char* what, const std::string& detail = {}) {
    if (good) return;
    ++failures;
    std::printf("FAILED: %s %s\n", what, detail.c_str());
}

// One card with a page of data and a page of code.
class Card {
public:
    explicit Card(Options options = {}) : engine({}, space, with_defaults(std::move(options))) {
        page = static_cast<std::uint32_t*>(
            mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        space.add(reinterpret_cast<std::uint64_t>(page), 65536, AddressSpace::Device, "test page");
        kernarg = page + 8192;
        const auto data = reinterpret_cast<std::uint64_t>(page);
        std::memcpy(kernarg, &data, sizeof data);
    }
    ~Card() { munmap(page, 65536); }

    // s[0:1] is the kernarg pointer, s2 the workgroup number, v0 the work-item.
    std::optional<Fault> run(std::span<const std::uint32_t> code, unsigned groups = 1, unsigned items = 32,
                             unsigned lds = 1024) {
        std::uint32_t* at = page + 10240;
        KernelDescriptor kd{};
        kd.group_segment_fixed_size = lds;
        kd.kernel_code_entry_byte_offset = 256;
        kd.compute_pgm_rsrc1 = 1 | 0xf0 << 12 | 1 << 21 | 1 << 23 | 1 << 29;
        kd.compute_pgm_rsrc2 = 2 << 1 | 1 << 7;
        kd.kernel_code_properties = 8 | 1 << 10;
        std::memcpy(at, &kd, sizeof kd);
        engine.invalidate_code(reinterpret_cast<std::uint64_t>(at + 64), 4096);
        std::memcpy(at + 64, code.data(), code.size_bytes());
        LaunchInfo launch;
        launch.grid[0] = groups * items;
        launch.workgroup[0] = items;
        launch.kernarg = reinterpret_cast<std::uint64_t>(kernarg);
        launch.descriptor_address = reinterpret_cast<std::uint64_t>(at);
        launch.kernel_name = "test_kernel";
        return engine.run(launch);
    }

    static Options with_defaults(Options options) {
        options.threads = 3;
        if (options.stall_seconds == 300) options.stall_seconds = 1;
        if (options.isa_path.empty()) options.isa_path = Options::from_environment().isa_path;
        return options;
    }

    AddressSpace space;
    Engine engine;
    std::uint32_t* page;
    std::uint32_t* kernarg;
};

inline std::string text_of(const std::optional<Fault>& fault) {
    std::string all;
    if (fault)
        for (const std::string& line : fault->lines) all += line + "\n";
    return all;
}

inline void expect_fault(Card& card, std::span<const std::uint32_t> code, Fault::Kind kind, const char* text,
                         unsigned items = 32, unsigned lds = 1024) {
    const auto fault = card.run(code, 1, items, lds);
    check(fault.has_value() && fault->kind == kind, "fault kind", text);
    if (!fault) return;
    const std::string all = text_of(fault);
    check(all.find(text) != std::string::npos, "fault text", "wanted: " + std::string(text) + "\ngot: " + all);
    check(all.find("test_kernel") != std::string::npos, "kernel name in the fault", all);
}

}  // namespace vgpu::core::tests
