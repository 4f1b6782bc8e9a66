#include <c10/cuda/CUDAException.h>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
int main(int, char** argv) {
  try {
    c10::cuda::c10_cuda_check_implementation(std::atoi(argv[1]), "f", "g", 1, false);
  } catch (const std::runtime_error& error) {
    std::puts(error.what());
  }
}
