// One line of text about what the layer does or declines, where VGPU_LOG asks for it.
// Knows nothing of what is logged.
#pragma once

#include <string_view>

namespace vgpu::hsa {

// Is VGPU_LOG set? Callers that build costly text ask first.
bool log_enabled() noexcept;

// Writes "vgpu: " and the formatted line to VGPU_LOG: "1" or "stderr" is stderr,
// anything else is a file to append to. Does nothing where VGPU_LOG is unset.
[[gnu::format(printf, 1, 2)]] void log_line(const char* format, ...) noexcept;

// Writes text to stderr whole, in one system call, so that no other output splits it.
void print_stderr(std::string_view text) noexcept;

}  // namespace vgpu::hsa
