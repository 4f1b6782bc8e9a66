// What `rocm-patch vgpu demo` compiles for gfx1010 and runs: three pieces of work, each
// checked against the CPU. Prints one line a piece; exits with 1 where one is wrong.
#include <hip/hip_runtime.h>
#include <rocblas/rocblas.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

#define HIP(call)                                                               \
    do {                                                                        \
        const hipError_t error_ = (call);                                       \
        if (error_ != hipSuccess) {                                             \
            std::fprintf(stderr, "%s: %s\n", #call, hipGetErrorString(error_)); \
            std::exit(1);                                                       \
        }                                                                       \
    } while (false)

constexpr int kBlock = 256;

__global__ void add(const float* a, const float* b, float* c, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

// Each block adds its part in LDS, then to the total with one atomic.
__global__ void sum(const int* in, int n, int* total) {
    __shared__ int part[kBlock];
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    part[threadIdx.x] = i < n ? in[i] : 0;
    __syncthreads();
    for (int step = kBlock / 2; step > 0; step /= 2) {
        if (threadIdx.x < step) part[threadIdx.x] += part[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0) atomicAdd(total, part[0]);
}

template <typename T>
T* to_device(const std::vector<T>& host) {
    T* device = nullptr;
    HIP(hipMalloc(reinterpret_cast<void**>(&device), host.size() * sizeof(T)));
    HIP(hipMemcpy(device, host.data(), host.size() * sizeof(T), hipMemcpyHostToDevice));
    return device;
}

template <typename T>
void to_host(std::vector<T>& host, T* device) {
    HIP(hipMemcpy(host.data(), device, host.size() * sizeof(T), hipMemcpyDeviceToHost));
    HIP(hipFree(device));
}

bool report(const char* what, long wrong, long of, double seconds, const char* more = "") {
    std::printf("%-28s %s  %ld of %ld values wrong, %.3f s%s\n", what, wrong == 0 ? "ok   " : "WRONG", wrong, of,
                seconds, more);
    return wrong == 0;
}

template <typename Work>
double timed(Work&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    HIP(hipDeviceSynchronize());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool vector_add(int n) {
    std::vector<float> a(n), b(n), c(n);
    for (int i = 0; i < n; ++i) a[i] = 0.25f * i, b[i] = 3.0f - i;
    float *da = to_device(a), *db = to_device(b), *dc = to_device(c);
    const double seconds = timed([&] { add<<<(n + kBlock - 1) / kBlock, kBlock>>>(da, db, dc, n); });
    to_host(c, dc);
    HIP(hipFree(da));
    HIP(hipFree(db));
    long wrong = 0;
    for (int i = 0; i < n; ++i) wrong += c[i] != a[i] + b[i];
    return report("vector add (HIP)", wrong, n, seconds);
}

bool reduction(int n) {
    std::vector<int> in(n), total(1, 0);
    for (int i = 0; i < n; ++i) in[i] = i % 1000 - 300;
    int *din = to_device(in), *dtotal = to_device(total);
    const double seconds = timed([&] { sum<<<(n + kBlock - 1) / kBlock, kBlock>>>(din, n, dtotal); });
    to_host(total, dtotal);
    HIP(hipFree(din));
    return report("sum through LDS (HIP)", total[0] != std::accumulate(in.begin(), in.end(), 0), 1, seconds);
}

// Small whole numbers: every product and sum is exact, so the result has one right value.
bool matrix_product(int n) {
    const size_t size = static_cast<size_t>(n) * n;
    std::vector<float> a(size), b(size), c(size);
    for (size_t i = 0; i < size; ++i) a[i] = static_cast<int>(i * 7 % 13) - 6, b[i] = static_cast<int>(i * 5 % 11) - 5;
    float *da = to_device(a), *db = to_device(b), *dc = to_device(c);
    rocblas_handle handle = nullptr;
    if (rocblas_create_handle(&handle) != rocblas_status_success) return false;
    const float one = 1, zero = 0;
    rocblas_status status = rocblas_status_success;
    const double seconds = timed([&] {
        status = rocblas_sgemm(handle, rocblas_operation_none, rocblas_operation_none, n, n, n, &one, da, n, db, n,
                               &zero, dc, n);
    });
    to_host(c, dc);
    HIP(hipFree(da));
    HIP(hipFree(db));
    rocblas_destroy_handle(handle);
    if (status != rocblas_status_success) {
        std::printf("sgemm (rocBLAS): %s\n", rocblas_status_to_string(status));
        return false;
    }
    long wrong = 0;
    std::vector<float> column(n);
    for (int j = 0; j < n; ++j) {
        std::fill(column.begin(), column.end(), 0.0f);
        for (int k = 0; k < n; ++k)
            for (int i = 0; i < n; ++i)
                column[i] += a[i + static_cast<size_t>(k) * n] * b[k + static_cast<size_t>(j) * n];
        for (int i = 0; i < n; ++i) wrong += c[i + static_cast<size_t>(j) * n] != column[i];
    }
    char name[40], speed[40];
    std::snprintf(name, sizeof(name), "sgemm %d^3 (rocBLAS)", n);
    std::snprintf(speed, sizeof(speed), ", %.2f GFLOP/s", 2e-9 * n * n * n / seconds);
    return report(name, wrong, static_cast<long>(size), seconds, speed);
}

int main(int count, char** words) {
    hipDeviceProp_t card{};
    HIP(hipGetDeviceProperties(&card, 0));
    std::printf("%s, %s, %d compute units in %d WGPs, wave%d, %.2f GiB\n", card.name, card.gcnArchName,
                card.multiProcessorCount * 2, card.multiProcessorCount, card.warpSize,
                static_cast<double>(card.totalGlobalMem) / (1 << 30));
    const int n = count > 1 ? std::atoi(words[1]) : 512;
    const bool right = vector_add(1 << 20) & reduction(1 << 20) & matrix_product(n);
    std::printf("%s\n", right ? "all right" : "NOT right");
    return right ? 0 : 1;
}
