// hipCUB's block-wide primitives, which share LDS between waves as tightly as it is allowed, each checked against the
// CPU: strict mode must find nothing in them.
#include <hipcub/hipcub.hpp>

#include <algorithm>
#include <numeric>
#include <vector>

#include "check.h"

constexpr int kBlock = 256;
constexpr int kItems = 4;
constexpr int kTile = kBlock * kItems;

struct Results {
    int sums[kTile];
    int sorted[kTile];
    int swapped[kTile];
    unsigned counts[16];
    int total;
};

__global__ void all(const int* in, Results* out) {
    using Scan = hipcub::BlockScan<int, kBlock>;
    using Reduce = hipcub::BlockReduce<int, kBlock>;
    using Sort = hipcub::BlockRadixSort<int, kBlock, kItems>;
    using Exchange = hipcub::BlockExchange<int, kBlock, kItems>;
    using Histogram = hipcub::BlockHistogram<unsigned char, kBlock, kItems, 16, hipcub::BLOCK_HISTO_ATOMIC>;
    __shared__ union {
        typename Scan::TempStorage scan;
        typename Reduce::TempStorage reduce;
        typename Sort::TempStorage sort;
        typename Exchange::TempStorage exchange;
        typename Histogram::TempStorage histogram;
    } shared;
    __shared__ unsigned counts[16];
    const int me = static_cast<int>(threadIdx.x);
    int items[kItems], work[kItems];
    unsigned char samples[kItems];
    for (int i = 0; i < kItems; ++i) {
        items[i] = in[me * kItems + i];
        samples[i] = static_cast<unsigned char>(items[i] & 15);
    }
    Scan(shared.scan).InclusiveSum(items, work);
    for (int i = 0; i < kItems; ++i) out->sums[me * kItems + i] = work[i];
    __syncthreads();
    const int total = Reduce(shared.reduce).Sum(items);
    if (me == 0) out->total = total;
    __syncthreads();
    for (int i = 0; i < kItems; ++i) work[i] = items[i];
    Sort(shared.sort).Sort(work);
    for (int i = 0; i < kItems; ++i) out->sorted[me * kItems + i] = work[i];
    __syncthreads();
    Exchange(shared.exchange).BlockedToStriped(items, work);
    for (int i = 0; i < kItems; ++i) out->swapped[me + i * kBlock] = work[i];
    __syncthreads();
    Histogram(shared.histogram).Histogram(samples, counts);
    __syncthreads();
    if (me < 16) out->counts[me] = counts[me];
}

int main() {
    std::vector<int> in(kTile);
    for (int i = 0; i < kTile; ++i) in[i] = i * 7919 % 1009;
    int* din = nullptr;
    Results *dout = nullptr, out;
    HIP(hipMalloc(&din, kTile * sizeof(int)));
    HIP(hipMalloc(&dout, sizeof(Results)));
    HIP(hipMemcpy(din, in.data(), kTile * sizeof(int), hipMemcpyHostToDevice));
    all<<<1, kBlock>>>(din, dout);
    HIP(hipMemcpy(&out, dout, sizeof(Results), hipMemcpyDeviceToHost));
    std::vector<int> sums(kTile), sorted = in;
    std::partial_sum(in.begin(), in.end(), sums.begin());
    std::sort(sorted.begin(), sorted.end());
    CHECK(std::equal(sums.begin(), sums.end(), out.sums));
    CHECK(std::equal(sorted.begin(), sorted.end(), out.sorted));
    CHECK(std::equal(in.begin(), in.end(), out.swapped));
    CHECK(out.total == sums.back());
    for (unsigned value = 0; value < 16; ++value)
        CHECK(out.counts[value] == std::count_if(in.begin(), in.end(), [&](int x) { return (x & 15u) == value; }));
    std::printf("%s\n", failures == 0 ? "passed" : "FAILED");
    return failures == 0 ? 0 : 1;
}
