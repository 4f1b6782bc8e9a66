// rocPRIM's look-back algorithms with states of 16 bytes, and select, whose state takes 8.
// Compiled for its device code; nothing of it runs.
#include <hip/hip_runtime.h>

#include <rocprim/rocprim.hpp>

using Wide = long long;

template<class T>
T* at()
{
    return nullptr;
}

int main()
{
    size_t       bytes = 0;
    size_t const count = size_t{1} << 20;
    auto const   even  = [] __device__(Wide one) { return one % 2 == 0; };
    auto const   large = [] __device__(Wide one) { return one > 9; };
    hipError_t const answers[] = {
        rocprim::inclusive_scan(nullptr, bytes, at<Wide>(), at<Wide>(), count, rocprim::plus<Wide>()),
        rocprim::reduce_by_key(
            nullptr, bytes, at<Wide>(), at<int>(), count, at<Wide>(), at<int>(), at<size_t>()),
        rocprim::run_length_encode(
            nullptr, bytes, at<Wide>(), count, at<Wide>(), at<int>(), at<size_t>()),
        rocprim::partition_three_way(
            nullptr, bytes, at<Wide>(), at<Wide>(), at<Wide>(), at<Wide>(), at<size_t>(), count, even, large),
        rocprim::select(
            nullptr, bytes, at<Wide>(), at<unsigned char>(), at<Wide>(), at<size_t>(), count),
    };
    for(hipError_t const answer : answers)
    {
        if(answer != hipSuccess)
        {
            return 1;
        }
    }
    return 0;
}
