// What `rocm-patch vgpu bench` compiles for gfx1010 and times: a loop of multiply-adds and a
// rocBLAS sgemm on the virtual card, the same sgemm by OpenBLAS on one core of this machine.
// Prints one line of JSON. Times are the best of several; "cpu" is the time that the card's
// own threads had, so that a busy machine changes it little.
#include <hip/hip_runtime.h>
#include <rocblas/rocblas.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

extern "C" void cblas_sgemm(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*,
                            int);
extern "C" void openblas_set_num_threads(int);

#define HIP(call)                                                               \
    do {                                                                        \
        const hipError_t error_ = (call);                                       \
        if (error_ != hipSuccess) {                                             \
            std::fprintf(stderr, "%s: %s\n", #call, hipGetErrorString(error_)); \
            std::exit(1);                                                       \
        }                                                                       \
    } while (false)

constexpr int kSums = 16;

// Sixteen chains of multiply-adds: nothing waits for the one before.
__global__ void fma_loop(float* out, int loops) {
    float sums[kSums];
    for (int k = 0; k < kSums; ++k) sums[k] = threadIdx.x + k;
    const float a = out[0], b = out[1];
    for (int i = 0; i < loops; ++i)
        for (int k = 0; k < kSums; ++k) sums[k] = __builtin_fmaf(sums[k], a, b);
    float total = 0;
    for (int k = 0; k < kSums; ++k) total += sums[k];
    out[2 + threadIdx.x] = total;
}

double seconds(clockid_t clock) {
    timespec t{};
    clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Times {
    double wall = 1e30, cpu = 1e30;
};

// The card's threads: all of the process but this one, which may spin while it waits.
template <typename Work>
Times card_times(int repeat, Work&& work) {
    Times best;
    for (int i = 0; i < repeat; ++i) {
        const double wall = seconds(CLOCK_MONOTONIC);
        const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - seconds(CLOCK_THREAD_CPUTIME_ID);
        work();
        HIP(hipDeviceSynchronize());
        best.wall = std::min(best.wall, seconds(CLOCK_MONOTONIC) - wall);
        best.cpu = std::min(best.cpu, seconds(CLOCK_PROCESS_CPUTIME_ID) - seconds(CLOCK_THREAD_CPUTIME_ID) - cpu);
    }
    return best;
}

int main(int count, char** words) {
    const int n = count > 1 ? std::atoi(words[1]) : 1024;
    const int repeat = count > 2 ? std::atoi(words[2]) : 3;
    const int loops = count > 3 ? std::atoi(words[3]) : 100000;
    float* data = nullptr;
    HIP(hipMalloc(reinterpret_cast<void**>(&data), 1024 * sizeof(float)));
    const float factors[2] = {0.5f, 1.0f};
    HIP(hipMemcpy(data, factors, sizeof(factors), hipMemcpyHostToDevice));
    const Times fma = card_times(repeat, [&] { fma_loop<<<1, 256>>>(data, loops); });

    // Small whole numbers: every product and sum is exact, so both products must be equal.
    const size_t size = static_cast<size_t>(n) * n;
    std::vector<float> a(size), b(size), c(size), own(size);
    for (size_t i = 0; i < size; ++i) a[i] = static_cast<int>(i * 7 % 13) - 6, b[i] = static_cast<int>(i * 5 % 11) - 5;
    float* d[3];
    for (float*& one : d) HIP(hipMalloc(reinterpret_cast<void**>(&one), size * sizeof(float)));
    HIP(hipMemcpy(d[0], a.data(), size * sizeof(float), hipMemcpyHostToDevice));
    HIP(hipMemcpy(d[1], b.data(), size * sizeof(float), hipMemcpyHostToDevice));
    rocblas_handle handle = nullptr;
    const float one = 1, zero = 0;
    rocblas_status status = rocblas_create_handle(&handle);
    const Times card = card_times(repeat, [&] {
        if (status == rocblas_status_success)
            status = rocblas_sgemm(handle, rocblas_operation_none, rocblas_operation_none, n, n, n, &one, d[0], n, d[1],
                                   n, &zero, d[2], n);
    });
    if (status != rocblas_status_success) {
        std::fprintf(stderr, "sgemm: %s\n", rocblas_status_to_string(status));
        return 1;
    }
    HIP(hipMemcpy(c.data(), d[2], size * sizeof(float), hipMemcpyDeviceToHost));

    openblas_set_num_threads(1);
    Times host;
    for (int i = 0; i < repeat; ++i) {
        const double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
        cblas_sgemm(102, 111, 111, n, n, n, 1, a.data(), n, b.data(), n, 0, own.data(), n);
        host.wall = std::min(host.wall, seconds(CLOCK_MONOTONIC) - wall);
        host.cpu = std::min(host.cpu, seconds(CLOCK_THREAD_CPUTIME_ID) - cpu);
    }
    long wrong = 0;
    for (size_t i = 0; i < size; ++i) wrong += c[i] != own[i];
    std::printf(
        "{\"size\": %d, \"repeat\": %d, \"wrong\": %ld, \"fma_wall\": %.6f, \"fma_cpu\": %.6f, "
        "\"card_wall\": %.6f, \"card_cpu\": %.6f, \"host_wall\": %.6f, \"host_cpu\": %.6f}\n",
        n, repeat, wrong, fma.wall, fma.cpu, card.wall, card.cpu, host.wall, host.cpu);
    return wrong == 0 ? 0 : 1;
}
