// The pieces of nonzero_static that decide on a launch, cut out of Nonzero.cu, with a tensor of no elements.
#include <algorithm>
#include <cstdint>
#include <cstdio>

struct Tensor {
  int64_t count;
  int64_t filled = -1;
  int64_t numel() const { return count; }
  void fill_(int64_t value) { filled = value; }
};
namespace at::cuda {
struct Properties {
  int multiProcessorCount = 18;
};
inline Properties* getCurrentDeviceProperties() {
  static Properties one;
  return &one;
}
} // namespace at::cuda

template <typename scalar_t>
void decide(const Tensor& self, int64_t fill_value, Tensor& out) {
#include "guard.inc"
#include "grid.inc"
  std::printf("launch %d\n", static_cast<int>(grid_size));
}

int main() {
  Tensor nothing{0}, some{100'000}, out{7};
  decide<float>(some, 5, out);
  decide<float>(nothing, 5, out);
  std::printf("filled %d\n", static_cast<int>(out.filled));
}
