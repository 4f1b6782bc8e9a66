// One planted defect of each kind that strict mode is to find, and the same kernel without it.
// Usage: strict KIND defect|clean. A line "survived" means that the program was told nothing.
#include <functional>
#include <map>
#include <string>

#include "check.h"

constexpr int kThreads = 64;   // two waves

// ---- device memory

__global__ void fill_bytes(char* out, int first, int count) {
    for (int i = first + static_cast<int>(threadIdx.x); i < count; i += kThreads) out[i] = 1;
}

constexpr int kBytes = 1001;   // ends in the middle of a dword

void overrun(bool defect) {
    char* memory = nullptr;
    HIP(hipMalloc(&memory, kBytes));
    fill_bytes<<<1, kThreads>>>(memory, 0, kBytes + defect);
}

void underrun(bool defect) {
    char *before = nullptr, *memory = nullptr;
    HIP(hipMalloc(&before, kBytes));
    HIP(hipMalloc(&memory, kBytes));
    fill_bytes<<<1, kThreads>>>(memory, -static_cast<int>(defect), kBytes);
}

// A stride that leaps from one allocation towards the next.
void leap(bool defect) {
    char *memory = nullptr, *next = nullptr;
    HIP(hipMalloc(&memory, 1 << 16));
    HIP(hipMalloc(&next, 1 << 16));
    const int where = defect ? 67000 : 60000;
    fill_bytes<<<1, kThreads>>>(memory, where, where + 1);
}

void freed(bool defect) {
    char* memory = nullptr;
    HIP(hipMalloc(&memory, kBytes));
    if (defect) HIP(hipFree(memory));
    fill_bytes<<<1, kThreads>>>(memory, 0, kBytes);
}

void pinned(bool defect) {
    char* memory = nullptr;
    HIP(hipHostMalloc(&memory, kBytes));
    fill_bytes<<<1, kThreads>>>(memory, 0, kBytes + defect);
}

// ---- races between waves

__global__ void share(int* out, bool barrier) {
    __shared__ volatile int part[kThreads];
    const int me = static_cast<int>(threadIdx.x);
    part[me] = me;
    if (barrier) __syncthreads();
    out[me] = part[me % 32];
}

void race_lds(bool defect) {
    int* out = nullptr;
    HIP(hipMalloc(&out, kThreads * sizeof(int)));
    share<<<1, kThreads>>>(out, !defect);
}

__global__ void pass_on(int* data, int* out, bool barrier) {
    const int me = static_cast<int>(threadIdx.x);
    data[me] = me;
    if (barrier) __syncthreads();
    out[me] = data[me % 32];
}

void race_memory(bool defect) {
    int *data = nullptr, *out = nullptr;
    HIP(hipMalloc(&data, kThreads * sizeof(int)));
    HIP(hipMalloc(&out, kThreads * sizeof(int)));
    pass_on<<<1, kThreads>>>(data, out, !defect);
}

__global__ void count(int* out, bool barrier) {
    __shared__ int total;
    if (threadIdx.x == 0) total = 0;
    if (barrier) __syncthreads();
    atomicAdd(&total, 1);
    __syncthreads();
    if (threadIdx.x == 0) *out = total;
}

void race_atomic(bool defect) {
    int* out = nullptr;
    HIP(hipMalloc(&out, sizeof(int)));
    count<<<1, kThreads>>>(out, !defect);
}

// All write the same value to one place: no race in its result.
__global__ void raise_flag(int* flag) { *flag = 1; }

void same_value(bool) {
    int* flag = nullptr;
    HIP(hipMalloc(&flag, sizeof(int)));
    raise_flag<<<1, kThreads>>>(flag);
}

// ---- what was never set, what has not arrived, what the hardware gets wrong

__global__ void read_shared(int* out, bool set) {
    __shared__ volatile int part[kThreads];
    if (set) part[threadIdx.x] = 1;
    out[threadIdx.x] = part[threadIdx.x];
}

void unset_lds(bool defect) {
    int* out = nullptr;
    HIP(hipMalloc(&out, kThreads * sizeof(int)));
    read_shared<<<1, kThreads>>>(out, !defect);
}

// v60 is this wave's own: the compiler is told that it changes.
__global__ void add_to_unset(int* out) {
    int value = 0;
    asm volatile("v_add_nc_u32 %0, 1, v60" : "=v"(value) : : "v60");
    out[threadIdx.x] = value;
}
__global__ void add_to_set(int* out) {
    int value = 0;
    asm volatile("v_mov_b32 v60, 1\n\tv_add_nc_u32 %0, 1, v60" : "=v"(value) : : "v60");
    out[threadIdx.x] = value;
}

void unset_register(bool defect) {
    int* out = nullptr;
    HIP(hipMalloc(&out, kThreads * sizeof(int)));
    if (defect) add_to_unset<<<1, kThreads>>>(out);
    else add_to_set<<<1, kThreads>>>(out);
}

__global__ void hurry(int* data) {
    int value = 0;
    asm volatile("global_load_dword %0, %1, off\n\tv_add_nc_u32 %0, %0, 1\n\ts_waitcnt vmcnt(0)" : "=&v"(value) : "v"(data));
    *data = value;
}
__global__ void wait(int* data) {
    int value = 0;
    asm volatile("global_load_dword %0, %1, off\n\ts_waitcnt vmcnt(0)\n\tv_add_nc_u32 %0, %0, 1" : "=&v"(value) : "v"(data));
    *data = value;
}

void waitcnt(bool defect) {
    int* data = nullptr;
    HIP(hipMalloc(&data, sizeof(int)));
    HIP(hipMemset(data, 0, sizeof(int)));
    if (defect) hurry<<<1, 1>>>(data);
    else wait<<<1, 1>>>(data);
}

// The compiler does not look into assembly for v_cmpx after a load that still reads EXEC.
#define LOAD_THEN_CMPX(cure)                                                                                        \
    "s_mov_b32 s20, exec_lo\n\tv_mov_b32 %0, 0\n\tglobal_load_dword %0, %1, off\n\t" cure                           \
    "v_cmpx_le_u32_e32 0, %2\n\ts_waitcnt vmcnt(0)\n\ts_mov_b32 exec_lo, s20"
__global__ void compare_at_once(int* data) {
    int value = 0;
    asm volatile(LOAD_THEN_CMPX("") : "=&v"(value) : "v"(data), "v"(threadIdx.x) : "s20");
    data[threadIdx.x] = value;
}
__global__ void compare_later(int* data) {
    int value = 0;
    asm volatile(LOAD_THEN_CMPX("s_waitcnt_depctr 0xfffe\n\t") : "=&v"(value) : "v"(data), "v"(threadIdx.x) : "s20");
    data[threadIdx.x] = value;
}

void hazard(bool defect) {
    int* data = nullptr;
    HIP(hipMalloc(&data, 32 * sizeof(int)));
    HIP(hipMemset(data, 0, 32 * sizeof(int)));
    if (defect) compare_at_once<<<1, 32>>>(data);
    else compare_later<<<1, 32>>>(data);
}

// HIP hands each hipMalloc to the runtime as it is: no two share a page.
void separate(bool) {
    for (int i = 0; i < 100; ++i) {
        char* memory = nullptr;
        HIP(hipMalloc(&memory, 1 + i));
        CHECK(reinterpret_cast<uintptr_t>(memory) % 4096 == 0);
    }
}

int main(int count, char** words) {
    const std::map<std::string, std::function<void(bool)>> kinds = {
        {"overrun", overrun},         {"underrun", underrun},       {"leap", leap},           {"freed", freed},
        {"pinned", pinned},           {"race_lds", race_lds},       {"race_memory", race_memory},
        {"race_atomic", race_atomic}, {"same_value", same_value},   {"unset_lds", unset_lds}, {"waitcnt", waitcnt},
        {"hazard", hazard},           {"separate", separate},       {"unset_register", unset_register},
    };
    const auto kind = kinds.find(count == 3 ? words[1] : "");
    if (kind == kinds.end()) return 2;
    kind->second(words[2] == std::string("defect"));
    const hipError_t error = hipDeviceSynchronize();
    std::printf("%s\n", error != hipSuccess ? hipGetErrorName(error) : failures != 0 ? "FAILED" : "survived");
    return 0;
}
