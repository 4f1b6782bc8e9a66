// What CUDAException.cpp sees of HIP after hipify's renaming: error codes, device properties.
#pragma once
#include <cstring>
enum cudaError_t { cudaSuccess = 0, hipErrorInvalidDeviceFunction = 98, hipErrorInvalidImage = 200,
                   hipErrorNoBinaryForGpu = 209, hipErrorOutOfMemory = 2 };
constexpr cudaError_t hipSuccess = cudaSuccess;
struct hipDeviceProp_t {
  char name[256];
  char gcnArchName[256];
};
inline cudaError_t hipGetDevice(int* device) {
  *device = 1;
  return cudaSuccess;
}
inline cudaError_t hipGetDeviceProperties(hipDeviceProp_t* prop, int) {
  std::strcpy(prop->name, "Radeon 610M");
  std::strcpy(prop->gcnArchName, "gfx1036:xnack-");
  return cudaSuccess;
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "invalid device function"; }
