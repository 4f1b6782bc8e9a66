// What libtorch_hip is, in small: one kernel, launched through HIP.
#include <hip/hip_runtime.h>

namespace probe {

__global__ void twice(float *values, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) values[i] *= 2.0F;
}

// The number of GPUs, or the negative HIP error; without a GPU that is -100.
int devices() {
  int count = 0;
  const hipError_t code = hipGetDeviceCount(&count);
  return code == hipSuccess ? count : -static_cast<int>(code);
}

int run(float *values, int count) {
  twice<<<dim3(1), dim3(count), 0, 0>>>(values, count);
  return static_cast<int>(hipGetLastError());
}

}  // namespace probe
