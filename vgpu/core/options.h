// The switches of the execution core, and the one place where VGPU_* variables that
// concern it are read. Knows nothing of the instructions that they change.
#pragma once

#include <cstdint>
#include <string>

namespace vgpu::core {

// A defect planted on purpose (VGPU_INJECT), to show that a test suite would see it.
enum class Inject {
    None,
    LaneStuck,      // lane 5 of every wave never writes its VALU results
    DppRow,         // DPP reads one lane too far inside the row
    FmaRounding,    // f32 fused multiply-adds round twice
    MissingKernel,  // dispatches of kernels whose name holds inject_argument do nothing
};

struct Options {
    unsigned threads = 0;          // VGPU_THREADS; 0: all cores
    bool strict = false;           // VGPU_STRICT=1
    bool stats = false;            // VGPU_STATS=1 or a path for the JSON
    std::string stats_path;        // VGPU_STATS=PATH; empty: the caller prints
    std::string trace_path;        // VGPU_TRACE=PATH ("-": stderr)
    Inject inject = Inject::None;  // VGPU_INJECT=lane-stuck|dpp-row|fma-rounding|missing-kernel[:NAME]
    std::string inject_argument;   // after the colon
    unsigned stall_seconds = 300;  // VGPU_STALL_SECONDS: a thread's time with no wave ended -> NoProgress
    std::string isa_path;          // VGPU_HOST_ISA=portable|avx2|avx512: forces the handler build
    std::string problem;           // what could not be read in the environment; empty: all fine

    static Options from_environment();
};

}  // namespace vgpu::core
