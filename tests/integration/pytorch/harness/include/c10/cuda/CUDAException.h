#pragma once
#include <cstdint>
#include <string>
namespace c10::cuda {
inline const char* get_cuda_check_suffix() { return ""; }
void c10_cuda_check_implementation(const int32_t, const char*, const char*, const int, const bool);
} // namespace c10::cuda
