// Kernels that go wrong, one kind a run. A line "survived" means that the program was
// told nothing.
#include <cstring>
#include <string>

#include "check.h"

__global__ void write_to(int* where, int value) { where[threadIdx.x] = value; }
__global__ void add_to(int* where) { atomicAdd(where, 1); }
__global__ void stop_here() { abort(); }
// v_dot2_f32_f16 of gfx1011 and later: gfx1010 has no such instruction.
__global__ void foreign() { asm volatile(".long 0xcc134000\n\t.long 0x1c0a0300"); }
__global__ void wait_for_ever(volatile int* flag) {
    while (*flag == 0) {
    }
}
__global__ void past_lds(int first) {
    __shared__ volatile int part[64];
    part[first + threadIdx.x] = 1;
}
__global__ void read_from(const int* where, int* out) { *out = *where; }

int main(int, char** words) {
    const std::string kind = words[1];
    int *memory = nullptr, *freed = nullptr;
    HIP(hipMalloc(&memory, 4096));
    HIP(hipMalloc(&freed, 1 << 20));
    HIP(hipFree(freed));
    static int unpinned[64];
    if (kind == "null") write_to<<<1, 64>>>(nullptr, 1);
    if (kind == "beyond") write_to<<<1, 64>>>(memory + (1 << 20), 1);
    if (kind == "freed") write_to<<<1, 64>>>(freed, 1);
    if (kind == "host") read_from<<<1, 1>>>(unpinned, memory);
    if (kind == "misaligned") add_to<<<1, 1>>>(reinterpret_cast<int*>(reinterpret_cast<char*>(memory) + 2));
    if (kind == "lds") past_lds<<<1, 64>>>(1000);
    if (kind == "trap") stop_here<<<1, 64>>>();
    if (kind == "hang") {
        HIP(hipMemset(memory, 0, 4));
        wait_for_ever<<<1, 64>>>(memory);
    }
    if (kind == "illegal") foreign<<<1, 64>>>();
    const hipError_t error = hipDeviceSynchronize();
    std::printf("%s\n", error == hipSuccess ? "survived" : hipGetErrorName(error));
    return 0;
}
