#include "stubs.h"
namespace at::native {
#include "selector.inc"
} // namespace at::native
int main(int, char** argv) {
  g_arch = argv[1];
  std::puts(at::native::use_miopen(at::Tensor{}, 0.0) ? "miopen" : "native");
}
