// What HIP programs do every day, each part checked against the CPU.
// Usage: basics PART; the parts are the names in the table at the end.
#include <hip/hip_cooperative_groups.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "check.h"

constexpr int kCount = 10000;
constexpr int kBlock = 256;

__global__ void add(const float* a, const float* b, float* c, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

void vector_add() {
    std::vector<float> a(kCount), b(kCount), c(kCount);
    for (int i = 0; i < kCount; ++i) a[i] = 0.5f * i, b[i] = 1000.0f - i;
    float *da, *db, *dc;
    const size_t bytes = kCount * sizeof(float);
    HIP(hipMalloc(&da, bytes));
    HIP(hipMalloc(&db, bytes));
    HIP(hipMalloc(&dc, bytes));
    HIP(hipMemcpy(da, a.data(), bytes, hipMemcpyHostToDevice));
    HIP(hipMemcpy(db, b.data(), bytes, hipMemcpyHostToDevice));
    add<<<(kCount + kBlock - 1) / kBlock, kBlock>>>(da, db, dc, kCount);
    HIP(hipGetLastError());
    HIP(hipDeviceSynchronize());
    HIP(hipMemcpy(c.data(), dc, bytes, hipMemcpyDeviceToHost));
    int wrong = 0;
    for (int i = 0; i < kCount; ++i) wrong += c[i] != a[i] + b[i];
    CHECK(wrong == 0);
    HIP(hipFree(da));
    HIP(hipFree(db));
    HIP(hipFree(dc));
}

__global__ void sum_blocks(const int* in, int n, int* out) {
    __shared__ int part[kBlock];
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    part[threadIdx.x] = i < n ? in[i] : 0;
    __syncthreads();
    for (int step = kBlock / 2; step > 0; step /= 2) {
        if (threadIdx.x < step) part[threadIdx.x] += part[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0) atomicAdd(out, part[0]);
}

void reduction() {
    std::vector<int> in(kCount);
    std::iota(in.begin(), in.end(), -50);
    int *din, *dout, out = 0;
    HIP(hipMalloc(&din, kCount * sizeof(int)));
    HIP(hipMalloc(&dout, sizeof(int)));
    HIP(hipMemset(dout, 0, sizeof(int)));
    HIP(hipMemcpy(din, in.data(), kCount * sizeof(int), hipMemcpyHostToDevice));
    sum_blocks<<<(kCount + kBlock - 1) / kBlock, kBlock>>>(din, kCount, dout);
    HIP(hipMemcpy(&out, dout, sizeof(int), hipMemcpyDeviceToHost));
    CHECK(out == std::accumulate(in.begin(), in.end(), 0));
    HIP(hipFree(din));
    HIP(hipFree(dout));
}

__global__ void reverse_in_wave(int* data) {
    data[threadIdx.x] = __shfl(data[threadIdx.x], warpSize - 1 - static_cast<int>(threadIdx.x));
}

void shuffle() {
    int host[32], *device;
    std::iota(host, host + 32, 0);
    HIP(hipMalloc(&device, sizeof(host)));
    HIP(hipMemcpy(device, host, sizeof(host), hipMemcpyHostToDevice));
    reverse_in_wave<<<1, 32>>>(device);
    HIP(hipMemcpy(host, device, sizeof(host), hipMemcpyDeviceToHost));
    for (int i = 0; i < 32; ++i) CHECK(host[i] == 31 - i);
    HIP(hipFree(device));
}

__global__ void speak(int value) { printf("thread %u says %d\n", threadIdx.x, value); }

void device_printf() {
    speak<<<1, 3>>>(42);
    HIP(hipDeviceSynchronize());
}

__global__ void scale(float* data, int n, float by) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] *= by;
}

void streams_and_events() {
    hipStream_t first, second;
    hipEvent_t ready, start, stop;
    HIP(hipStreamCreate(&first));
    HIP(hipStreamCreateWithFlags(&second, hipStreamNonBlocking));
    HIP(hipEventCreateWithFlags(&ready, hipEventDisableTiming));
    HIP(hipEventCreate(&start));
    HIP(hipEventCreate(&stop));
    float *data, *host;
    HIP(hipMalloc(&data, kCount * sizeof(float)));
    HIP(hipHostMalloc(&host, kCount * sizeof(float)));
    for (int i = 0; i < kCount; ++i) host[i] = i;
    const int grid = (kCount + kBlock - 1) / kBlock;
    HIP(hipEventRecord(start, first));
    HIP(hipMemcpyAsync(data, host, kCount * sizeof(float), hipMemcpyHostToDevice, first));
    for (int i = 0; i < 5; ++i) scale<<<grid, kBlock, 0, first>>>(data, kCount, 2);
    HIP(hipEventRecord(ready, first));
    HIP(hipStreamWaitEvent(second, ready, 0));
    scale<<<grid, kBlock, 0, second>>>(data, kCount, 0.25f);
    HIP(hipMemcpyAsync(host, data, kCount * sizeof(float), hipMemcpyDeviceToHost, second));
    HIP(hipEventRecord(stop, second));
    HIP(hipStreamSynchronize(second));
    int wrong = 0;
    for (int i = 0; i < kCount; ++i) wrong += host[i] != 8.0f * i;
    CHECK(wrong == 0);
    HIP(hipEventSynchronize(stop));
    float ms = -1;
    HIP(hipEventElapsedTime(&ms, start, stop));
    CHECK(ms > 0 && ms < 600000);
    HIP(hipStreamDestroy(first));
    HIP(hipStreamDestroy(second));
    HIP(hipFree(data));
    HIP(hipHostFree(host));
}

void host_callbacks() {
    static std::atomic<int> calls{0};
    hipStream_t stream;
    HIP(hipStreamCreate(&stream));
    for (int i = 0; i < 20; ++i) {
        HIP(hipLaunchHostFunc(stream, [](void* data) { ++*static_cast<std::atomic<int>*>(data); }, &calls));
    }
    HIP(hipStreamSynchronize(stream));
    CHECK(calls == 20);
    HIP(hipStreamDestroy(stream));
}

void registered_and_managed() {
    std::vector<float> host(kCount, 3.0f);
    HIP(hipHostRegister(host.data(), kCount * sizeof(float), hipHostRegisterMapped));
    float* seen = nullptr;
    HIP(hipHostGetDevicePointer(reinterpret_cast<void**>(&seen), host.data(), 0));
    scale<<<(kCount + kBlock - 1) / kBlock, kBlock>>>(seen, kCount, 2);
    HIP(hipDeviceSynchronize());
    CHECK(host[0] == 6.0f && host[kCount - 1] == 6.0f);
    HIP(hipHostUnregister(host.data()));
    float* managed = nullptr;
    HIP(hipMallocManaged(&managed, kCount * sizeof(float)));
    for (int i = 0; i < kCount; ++i) managed[i] = 1;
    scale<<<(kCount + kBlock - 1) / kBlock, kBlock>>>(managed, kCount, 7);
    HIP(hipDeviceSynchronize());
    CHECK(managed[0] == 7.0f && managed[kCount - 1] == 7.0f);
    HIP(hipFree(managed));
}

void copies_of_shapes() {
    constexpr int kWidth = 37, kHeight = 11;
    std::vector<unsigned char> in(64 * kHeight), out(kWidth * kHeight, 0);
    for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<unsigned char>(i * 7);
    unsigned char* device = nullptr;
    size_t pitch = 0;
    HIP(hipMallocPitch(reinterpret_cast<void**>(&device), &pitch, kWidth, kHeight));
    HIP(hipMemcpy2D(device, pitch, in.data(), 64, kWidth, kHeight, hipMemcpyHostToDevice));
    HIP(hipMemcpy2D(out.data(), kWidth, device, pitch, kWidth, kHeight, hipMemcpyDeviceToHost));
    int wrong = 0;
    for (int y = 0; y < kHeight; ++y)
        for (int x = 0; x < kWidth; ++x) wrong += out[y * kWidth + x] != in[y * 64 + x];
    CHECK(wrong == 0);
    HIP(hipFree(device));
    std::vector<char> big(5 << 20), back(5 << 20);
    for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i ^ (i >> 11));
    char *first, *second;
    HIP(hipMalloc(&first, big.size()));
    HIP(hipMalloc(&second, big.size()));
    HIP(hipMemcpy(first, big.data(), big.size(), hipMemcpyHostToDevice));
    HIP(hipMemcpy(second, first, big.size(), hipMemcpyDeviceToDevice));
    HIP(hipMemcpy(back.data(), second, back.size(), hipMemcpyDeviceToHost));
    CHECK(std::memcmp(big.data(), back.data(), big.size()) == 0);
    HIP(hipFree(first));
    HIP(hipFree(second));
}

__device__ int counter = 5;
__constant__ int table[4] = {1, 2, 3, 4};

__global__ void use_globals(int* out) {
    out[threadIdx.x] = table[threadIdx.x] * counter;
    __syncthreads();
    if (threadIdx.x == 0) counter = 99;
}

void device_globals() {
    const int five = 6, changed[4] = {10, 20, 30, 40};
    int *device, out[4], after = 0;
    HIP(hipMalloc(&device, sizeof(out)));
    HIP(hipMemcpyToSymbol(HIP_SYMBOL(counter), &five, sizeof(int)));
    HIP(hipMemcpyToSymbol(HIP_SYMBOL(table), changed, sizeof(changed)));
    use_globals<<<1, 4>>>(device);
    HIP(hipMemcpy(out, device, sizeof(out), hipMemcpyDeviceToHost));
    HIP(hipMemcpyFromSymbol(&after, HIP_SYMBOL(counter), sizeof(int)));
    for (int i = 0; i < 4; ++i) CHECK(out[i] == changed[i] * 6);
    CHECK(after == 99);
    HIP(hipFree(device));
}

__global__ void spill(int* data, int n) {
    int local[64];
    const int me = threadIdx.x + blockIdx.x * blockDim.x;
    for (int i = 0; i < 64; ++i) local[i] = me * i;
    int sum = 0;
    for (int i = 0; i < n; ++i) sum += local[(me * 7 + i * 5) % 64];
    data[me] = sum;
}

void scratch() {
    constexpr int kThreads = 512;
    int *device, host[kThreads];
    HIP(hipMalloc(&device, sizeof(host)));
    spill<<<kThreads / 64, 64>>>(device, 40);
    HIP(hipMemcpy(host, device, sizeof(host), hipMemcpyDeviceToHost));
    int wrong = 0;
    for (int me = 0; me < kThreads; ++me) {
        int sum = 0;
        for (int i = 0; i < 40; ++i) sum += me * ((me * 7 + i * 5) % 64);
        wrong += host[me] != sum;
    }
    CHECK(wrong == 0);
    HIP(hipFree(device));
}

__global__ void roots(const double* in, double* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = sqrt(in[i]) / (1.0 + in[i]);
}

void doubles() {
    std::vector<double> in(1000), out(1000);
    for (int i = 0; i < 1000; ++i) in[i] = 0.37 * i;
    double *din, *dout;
    HIP(hipMalloc(&din, 8000));
    HIP(hipMalloc(&dout, 8000));
    HIP(hipMemcpy(din, in.data(), 8000, hipMemcpyHostToDevice));
    roots<<<4, 256>>>(din, dout, 1000);
    HIP(hipMemcpy(out.data(), dout, 8000, hipMemcpyDeviceToHost));
    int wrong = 0;
    for (int i = 0; i < 1000; ++i) {
        const double right = std::sqrt(in[i]) / (1.0 + in[i]);
        wrong += std::fabs(out[i] - right) > 1e-15 * right;
    }
    CHECK(wrong == 0);
    HIP(hipFree(din));
    HIP(hipFree(dout));
}

void graph() {
    hipStream_t stream;
    hipGraph_t graph;
    hipGraphExec_t exec;
    float *data, host[64];
    for (float& value : host) value = 1;
    HIP(hipMalloc(&data, sizeof(host)));
    HIP(hipMemcpy(data, host, sizeof(host), hipMemcpyHostToDevice));
    HIP(hipStreamCreate(&stream));
    HIP(hipStreamBeginCapture(stream, hipStreamCaptureModeGlobal));
    scale<<<1, 64, 0, stream>>>(data, 64, 3);
    scale<<<1, 64, 0, stream>>>(data, 64, 2);
    HIP(hipStreamEndCapture(stream, &graph));
    HIP(hipGraphInstantiate(&exec, graph, nullptr, nullptr, 0));
    HIP(hipGraphLaunch(exec, stream));
    HIP(hipGraphLaunch(exec, stream));
    HIP(hipStreamSynchronize(stream));
    HIP(hipMemcpy(host, data, sizeof(host), hipMemcpyDeviceToHost));
    CHECK(host[0] == 36.0f && host[63] == 36.0f);
    HIP(hipGraphExecDestroy(exec));
    HIP(hipGraphDestroy(graph));
    HIP(hipStreamDestroy(stream));
    HIP(hipFree(data));
}

void stream_allocations() {
    hipStream_t stream;
    HIP(hipStreamCreate(&stream));
    for (int round = 0; round < 10; ++round) {
        float *data, host[64];
        HIP(hipMallocAsync(reinterpret_cast<void**>(&data), sizeof(host), stream));
        HIP(hipMemsetAsync(data, 0x40, sizeof(host), stream));
        HIP(hipMemcpyAsync(host, data, sizeof(host), hipMemcpyDeviceToHost, stream));
        HIP(hipFreeAsync(data, stream));
        HIP(hipStreamSynchronize(stream));
        unsigned bits;
        std::memcpy(&bits, &host[63], 4);
        CHECK(bits == 0x40404040);
    }
    HIP(hipStreamDestroy(stream));
}

void virtual_memory() {
    hipMemAllocationProp prop{};
    prop.type = hipMemAllocationTypePinned;
    prop.location.type = hipMemLocationTypeDevice;
    prop.location.id = 0;
    size_t step = 0;
    HIP(hipMemGetAllocationGranularity(&step, &prop, hipMemAllocationGranularityRecommended));
    CHECK(step >= 4096);
    void* base = nullptr;
    hipMemGenericAllocationHandle_t pieces[2];
    HIP(hipMemAddressReserve(&base, 4 * step, 0, nullptr, 0));
    for (int i = 0; i < 2; ++i) {
        HIP(hipMemCreate(&pieces[i], step, &prop, 0));
        HIP(hipMemMap(static_cast<char*>(base) + i * step, step, 0, pieces[i], 0));
    }
    hipMemAccessDesc access{};
    access.location = prop.location;
    access.flags = hipMemAccessFlagsProtReadWrite;
    HIP(hipMemSetAccess(base, 2 * step, &access, 1));
    const int n = static_cast<int>(2 * step / sizeof(float));
    std::vector<float> host(n, 5.0f);
    auto* data = static_cast<float*>(base);
    HIP(hipMemcpy(data, host.data(), 2 * step, hipMemcpyHostToDevice));
    scale<<<(n + kBlock - 1) / kBlock, kBlock>>>(data, n, 4);   // crosses from one piece into the next
    HIP(hipMemcpy(host.data(), data, 2 * step, hipMemcpyDeviceToHost));
    CHECK(host.front() == 20.0f && host[n / 2] == 20.0f && host.back() == 20.0f);
    for (int i = 0; i < 2; ++i) {
        HIP(hipMemUnmap(static_cast<char*>(base) + i * step, step));
        HIP(hipMemRelease(pieces[i]));
    }
    HIP(hipMemAddressFree(base, 4 * step));
}

// Workgroups hand numbers to their neighbours, one step between two meetings of the whole grid.
__global__ void hand_on(int* from, int* to, int rounds) {
    const auto grid = cooperative_groups::this_grid();
    for (int round = 0; round < rounds; ++round) {
        if (threadIdx.x == 0) to[(blockIdx.x + 1) % gridDim.x] = from[blockIdx.x] + 1;
        grid.sync();
        int* const last = from;
        from = to;
        to = last;
    }
}

void cooperative() {
    constexpr int groups = 40, rounds = 5;   // more workgroups than the card has compute units
    int start[groups], got[groups];
    std::iota(start, start + groups, 0);
    for (int& one : start) one *= 100;
    int *from = nullptr, *to = nullptr, count = rounds;
    HIP(hipMalloc(&from, sizeof(start)));
    HIP(hipMalloc(&to, sizeof(start)));
    for (int again = 0; again < 2; ++again) {
        HIP(hipMemcpy(from, start, sizeof(start), hipMemcpyHostToDevice));
        void* arguments[] = {&from, &to, &count};
        const auto kernel = reinterpret_cast<const void*>(hand_on);
        HIP(hipLaunchCooperativeKernel(kernel, dim3(groups), dim3(64), arguments, 0, nullptr));
        HIP(hipMemcpy(got, to, sizeof(got), hipMemcpyDeviceToHost));   // an odd number of rounds ends there
        int wrong = 0;
        for (int i = 0; i < groups; ++i) wrong += got[i] != start[(i + groups - rounds) % groups] + rounds;
        CHECK(wrong == 0);
        CHECK(hipLaunchCooperativeKernel(kernel, dim3(1 << 20), dim3(64), arguments, 0, nullptr) ==
              hipErrorCooperativeLaunchTooLarge);
        CHECK(hipGetLastError() == hipErrorCooperativeLaunchTooLarge);
    }
    HIP(hipFree(from));
    HIP(hipFree(to));
}

void limits() {
    size_t available = 0, total = 0, less = 0;
    HIP(hipMemGetInfo(&available, &total));
    CHECK(total == 6128ull << 20);
    void *memory = nullptr, *more = nullptr;
    HIP(hipMalloc(&memory, 4ull << 30));
    CHECK(hipMalloc(&more, 3ull << 30) == hipErrorOutOfMemory);
    CHECK(hipGetLastError() == hipErrorOutOfMemory);
    HIP(hipMemGetInfo(&less, &total));
    CHECK(available - less == 4ull << 30);
    HIP(hipFree(memory));
    HIP(hipMemGetInfo(&less, &total));
    CHECK(less == available);
}

void properties() {
    hipDeviceProp_t card{};
    HIP(hipGetDeviceProperties(&card, 0));
    std::printf("%s|%s|%d|%d|%zu|%zu\n", card.name, card.gcnArchName, card.multiProcessorCount, card.warpSize,
                card.totalGlobalMem, card.sharedMemPerBlock);
}

int main(int count, char** words) {
    const std::map<std::string, void (*)()> parts = {
        {"vector_add", vector_add},
        {"reduction", reduction},
        {"shuffle", shuffle},
        {"device_printf", device_printf},
        {"streams_and_events", streams_and_events},
        {"host_callbacks", host_callbacks},
        {"registered_and_managed", registered_and_managed},
        {"copies_of_shapes", copies_of_shapes},
        {"device_globals", device_globals},
        {"scratch", scratch},
        {"doubles", doubles},
        {"graph", graph},
        {"stream_allocations", stream_allocations},
        {"virtual_memory", virtual_memory},
        {"cooperative", cooperative},
        {"limits", limits},
        {"properties", properties},
    };
    const auto part = parts.find(count == 2 ? words[1] : "");
    if (part == parts.end()) {
        for (const auto& [name, body] : parts) std::printf("%s\n", name.c_str());
        return 2;
    }
    part->second();
    std::printf("%s\n", failures == 0 ? "passed" : "FAILED");
    return failures == 0 ? 0 : 1;
}
