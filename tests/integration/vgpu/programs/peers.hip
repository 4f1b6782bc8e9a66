// Two cards: copies between them, and kernels on one that read the other's memory.
#include <vector>

#include "check.h"

__global__ void add_one(const int* in, int* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = in[i] + 1;
}

int main() {
    constexpr int kCount = 5000;
    int devices = 0, can = 0;
    HIP(hipGetDeviceCount(&devices));
    CHECK(devices == 2);
    HIP(hipDeviceCanAccessPeer(&can, 1, 0));
    CHECK(can == 1);
    std::vector<int> host(kCount);
    for (int i = 0; i < kCount; ++i) host[i] = 3 * i;
    int *first, *second;
    HIP(hipSetDevice(0));
    HIP(hipMalloc(&first, kCount * sizeof(int)));
    HIP(hipMemcpy(first, host.data(), kCount * sizeof(int), hipMemcpyHostToDevice));
    HIP(hipSetDevice(1));
    HIP(hipMalloc(&second, kCount * sizeof(int)));
    HIP(hipMemcpyPeer(second, 1, first, 0, kCount * sizeof(int)));
    HIP(hipDeviceSynchronize());
    std::vector<int> back(kCount);
    HIP(hipMemcpy(back.data(), second, kCount * sizeof(int), hipMemcpyDeviceToHost));
    CHECK(back == host);
    HIP(hipDeviceEnablePeerAccess(0, 0));
    add_one<<<(kCount + 255) / 256, 256>>>(first, second, kCount);   // on card 1, from card 0
    HIP(hipDeviceSynchronize());
    HIP(hipMemcpy(back.data(), second, kCount * sizeof(int), hipMemcpyDeviceToHost));
    int wrong = 0;
    for (int i = 0; i < kCount; ++i) wrong += back[i] != host[i] + 1;
    CHECK(wrong == 0);
    std::printf("%s\n", failures == 0 ? "passed" : "FAILED");
    return failures;
}
