// Just enough of ATen for the backend selectors that are cut out of PyTorch's source:
// a GPU tensor of a chosen arch, and hooks that answer as a ROCm build's do.
#pragma once
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

static std::string g_arch;

namespace at {
enum ScalarType { kFloat, kHalf, kBFloat16, kDouble };
enum class MemoryFormat { Contiguous, ChannelsLast, ChannelsLast3d };
using DeviceIndex = signed char;
struct Device {
  DeviceIndex index() const { return 0; }
};
struct Tensor {
  bool is_cuda() const { return true; }
  bool defined() const { return true; }
  ScalarType scalar_type() const { return kFloat; }
  int64_t dim() const { return 4; }
  int64_t sym_size(int) const { return 8; }
  int64_t sym_numel() const { return 4096; }
  Device device() const { return {}; }
  MemoryFormat suggest_memory_format() const { return MemoryFormat::Contiguous; }
};
struct Context {
  bool userEnabledCuDNN() const { return true; }
};
inline Context& globalContext() {
  static Context context;
  return context;
}
namespace detail {
struct Hooks {
  bool compiledWithCuDNN() const { return false; }
  bool compiledWithMIOpen() const { return true; }
  double batchnormMinEpsilonCuDNN() const { return 0; }
  long versionCuDNN() const { return 0; }
  bool isGPUArch(DeviceIndex, const std::vector<std::string>& archs) const {
    for (const auto& arch : archs)
      if (g_arch.find(arch) != std::string::npos) return true;
    return false;
  }
};
inline const Hooks& getCUDAHooks() {
  static Hooks hooks;
  return hooks;
}
} // namespace detail
namespace native {
enum class BatchNormBackend { Native, Cudnn, Miopen };
static const int MIOPEN_DIM_MAX = 5;
} // namespace native
} // namespace at
