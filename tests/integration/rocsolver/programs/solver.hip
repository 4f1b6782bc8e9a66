// Launches rocSOLVER's own kernels as its own host code does, from the headers of a source tree: one
// routine a program, chosen by -D<ROUTINE>. Checks the result in float64 and prints "right" or "wrong";
// whether waves race is for the card's strict mode to say.
//
// Sizes of 33 to 64 rows: one wavefront on a card with 64 lanes, two on one with 32.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <utility>
#include <vector>

#if defined(POTRF)
#include "specialized/roclapack_potf2_specialized_kernels.hpp"
#elif defined(GETRF)
#include "specialized/roclapack_getf2_specialized_kernels.hpp"
#elif defined(GETRI)
#include "specialized/roclapack_getri_specialized_kernels.hpp"
#elif defined(TRTRI)
#include "specialized/roclapack_trtri_specialized_kernels.hpp"
#elif defined(SYEVJ)
#include "lapack/roclapack_syevj_heevj.hpp"
#elif defined(STEBZ)
#include "auxiliary/rocauxiliary_stebz.hpp"
#elif defined(SYTF2) || defined(LASYF)
#include "auxiliary/rocauxiliary_lasyf.hpp"
#include "lapack/roclapack_sytf2.hpp"
#else
#error "no routine chosen"
#endif

namespace {

#define HIP(call) \
    do { \
        const hipError_t error_ = (call); \
        if (error_ != hipSuccess) { \
            std::printf("%s: %s\n", #call, hipGetErrorName(error_)); \
            std::exit(3); \
        } \
    } while (false)

constexpr int N = 40;

// A square matrix by columns, as LAPACK has it.
class Matrix {
public:
    float& operator()(int row, int column) { return values_[row + column * N]; }
    [[nodiscard]] double operator()(int row, int column) const { return values_[row + column * N]; }
    float* data() { return values_.data(); }

private:
    std::vector<float> values_ = std::vector<float>(N * N);
};

template <typename T>
class Device {
public:
    explicit Device(std::size_t count) : count_(count) {
        HIP(hipMalloc(&pointer_, count * sizeof(T)));
        HIP(hipMemset(pointer_, 0, count * sizeof(T)));
    }
    explicit Device(Matrix& from) : Device(N * N) {
        HIP(hipMemcpy(pointer_, from.data(), count_ * sizeof(T), hipMemcpyHostToDevice));
    }
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    ~Device() { static_cast<void>(hipFree(pointer_)); }

    [[nodiscard]] T* get() const { return pointer_; }
    [[nodiscard]] std::vector<T> values() const {
        std::vector<T> out(count_);
        HIP(hipMemcpy(out.data(), pointer_, count_ * sizeof(T), hipMemcpyDeviceToHost));
        return out;
    }
    void into(Matrix& to) const {
        HIP(hipMemcpy(to.data(), pointer_, count_ * sizeof(T), hipMemcpyDeviceToHost));
    }

private:
    std::size_t count_;
    T* pointer_ = nullptr;
};

// Well-conditioned, symmetric where asked: `shift` on the diagonal.
Matrix sample(float shift, bool symmetric) {
    std::mt19937 random(7);
    std::uniform_real_distribution<float> some(-1.0F, 1.0F);
    Matrix out;
    for (int column = 0; column < N; ++column) {
        for (int row = 0; row < N; ++row) {
            out(row, column) = some(random) + (row == column ? shift : 0.0F);
        }
    }
    for (int column = 0; symmetric && column < N; ++column) {
        for (int row = 0; row < column; ++row) {
            out(row, column) = out(column, row);
        }
    }
    return out;
}

// The largest |left * right - expected|, where `at` gives the expected element.
template <typename Left, typename Right, typename At>
[[maybe_unused]] double farthest(const Left& left, const Right& right, const At& at) {
    double worst = 0;
    for (int row = 0; row < N; ++row) {
        for (int column = 0; column < N; ++column) {
            double sum = 0;
            for (int k = 0; k < N; ++k) {
                sum += left(row, k) * right(k, column);
            }
            worst = std::fmax(worst, std::fabs(sum - at(row, column)));
        }
    }
    return worst;
}

[[maybe_unused]] double one(int row, int column) { return row == column ? 1 : 0; }

#if defined(POTRF)
double error() {
    Matrix given = sample(N, true);
    const Device<float> a(given);
    const Device<int> info(1);
    hipLaunchKernelGGL((rocsolver::potf2_kernel_small<float, int, int, float*>), dim3(1), dim3(BS2, BS2),
                       sizeof(float) * N * (N + 1) / 2, nullptr, false, N, a.get(), 0, N, 0, info.get());
    Matrix made;
    a.into(made);
    const Matrix& l = made;
    const auto lower = [&](int row, int column) { return row >= column ? l(row, column) : 0.0; };
    const auto upper = [&](int row, int column) { return lower(column, row); };
    const Matrix& wanted = given;
    return farthest(lower, upper, wanted);
}
#elif defined(GETRF)
double error() {
    Matrix given = sample(0, false);
    const Device<float> a(given);
    const Device<int> pivots(N);
    const Device<int> info(1);
    hipLaunchKernelGGL((rocsolver::getf2_small_kernel<N, float, int, int, float*>), dim3(1), dim3(N),
                       N * sizeof(float), nullptr, N, a.get(), 0, N, 0, pivots.get(), 0, 0, info.get(), 1, 0,
                       static_cast<int*>(nullptr), 0);
    Matrix made;
    a.into(made);
    const std::vector<int> swaps = pivots.values();
    for (int k = 0; k < N; ++k) {
        for (int column = 0; column < N; ++column) {
            std::swap(given(k, column), given(swaps[k] - 1, column));
        }
    }
    const Matrix& lu = made;
    const auto lower = [&](int row, int column) {
        return row > column ? lu(row, column) : one(row, column);
    };
    const auto upper = [&](int row, int column) { return row <= column ? lu(row, column) : 0.0; };
    const Matrix& wanted = given;
    return farthest(lower, upper, wanted);
}
#elif defined(GETRI)
// getri takes LU factors; a unit lower triangle and an upper one are factors of what they multiply to.
double error() {
    Matrix factors = sample(4, false);
    for (int column = 0; column < N; ++column) {
        for (int row = 0; row < N; ++row) {
            factors(row, column) *= row == column ? 1.0F : 0.1F;
        }
    }
    const Device<float> a(factors);
    const Device<int> info(1);
    hipLaunchKernelGGL((rocsolver::getri_kernel_small<N, float, float*>), dim3(1), dim3(TRTRI_MAX_COLS), 0,
                       nullptr, a.get(), 0, N, 0, static_cast<int*>(nullptr), 0, 0, info.get(), true, false);
    Matrix inverse;
    a.into(inverse);
    const Matrix& lu = factors;
    const auto product = [&](int row, int column) {
        double sum = 0;
        for (int k = 0; k <= std::min(row, column); ++k) {
            sum += (k == row ? 1.0 : lu(row, k)) * lu(k, column);
        }
        return sum;
    };
    return farthest(product, std::as_const(inverse), one);
}
#elif defined(TRTRI)
// One triangle, by the branch for it.
double part(rocblas_fill fill) {
    Matrix given = sample(4, false);
    const bool upper = fill == rocblas_fill_upper;
    for (int column = 0; column < N; ++column) {
        for (int row = 0; row < N; ++row) {
            const bool out = upper ? row > column : row < column;
            given(row, column) *= row == column ? 1.0F : out ? 0.0F : 0.1F;
        }
    }
    const Device<float> a(given);
    hipLaunchKernelGGL((rocsolver::trti2_kernel_small<N, float, float*>), dim3(1), dim3(TRTRI_MAX_COLS), 0,
                       nullptr, fill, rocblas_diagonal_non_unit, a.get(), 0, N, 0);
    Matrix inverse;
    a.into(inverse);
    return farthest(std::as_const(given), std::as_const(inverse), one);
}
double error() { return std::fmax(part(rocblas_fill_upper), part(rocblas_fill_lower)); }
#elif defined(SYEVJ)
double error() {
    Matrix given = sample(0, true);
    const Device<float> a(given);
    const Device<float> copy(N * N);
    const Device<float> values(N);
    const Device<float> residual(1);
    const Device<int> sweeps(1);
    const Device<int> info(1);
    int x = 0;
    int y = 0;
    rocsolver::syevj_get_dims(N, SYEVJ_BDIM, &x, &y);
    const std::size_t lds = 2 * sizeof(float) * x + 2 * sizeof(int) * (N / 2);
    hipLaunchKernelGGL((rocsolver::syevj_small_kernel<float, float, float*>), dim3(1), dim3(x * y), lds,
                       nullptr, rocblas_esort_ascending, rocblas_evect_original, rocblas_fill_lower, N,
                       a.get(), 0, N, 0, 1e-6F, 1.2e-7F, residual.get(), 20, sweeps.get(), values.get(), 0,
                       info.get(), copy.get());
    Matrix made;
    a.into(made);
    const std::vector<float> w = values.values();
    const Matrix& v = made;
    return farthest(std::as_const(given), v, [&](int row, int column) { return v(row, column) * w[column]; });
}
#elif defined(STEBZ)
// Tridiagonal of three blocks: off-diagonal elements that are zero are where it splits.
double error() {
    constexpr int SIZE = 300;
    std::vector<float> d(SIZE);
    std::vector<float> e(SIZE - 1, 1.0F);
    for (int i = 0; i < SIZE; ++i) {
        d[i] = static_cast<float>(i % 7);
    }
    e[99] = e[199] = 0;
    const Device<float> diagonal(SIZE);
    const Device<float> beside(SIZE);
    HIP(hipMemcpy(diagonal.get(), d.data(), d.size() * sizeof(float), hipMemcpyHostToDevice));
    HIP(hipMemcpy(beside.get(), e.data(), e.size() * sizeof(float), hipMemcpyHostToDevice));
    const Device<int> count(1);
    const Device<int> ends(SIZE);
    const Device<int> work(SIZE);
    const Device<int> below(2 * SIZE);
    const Device<float> values(SIZE);
    const Device<float> squares(SIZE);
    const Device<float> pivot(1);
    const Device<float> bounds(2);
    const Device<float> between(2 * SIZE);
    hipLaunchKernelGGL((rocsolver::stebz_splitting_kernel<float, float*>), dim3(1), dim3(STEBZ_SPLIT_THDS), 0,
                       nullptr, rocblas_erange_all, SIZE, 0.0F, 0.0F, 0, 0, diagonal.get(), 0, 0,
                       beside.get(), 0, 0, count.get(), values.get(), 0, ends.get(), 0, work.get(),
                       pivot.get(), squares.get(), bounds.get(), between.get(), below.get(), 1.2e-7F,
                       1.2e-38F);
    const std::vector<int> found = ends.values();
    const bool right = count.values()[0] == 3 && found[0] == 100 && found[1] == 200 && found[2] == SIZE;
    return right ? 0 : 1;
}
#elif defined(SYTF2) || defined(LASYF)
// Both halves of sytrf: the kernel for the last block (sytf2) and the one for a panel (lasyf); the chosen one
// first. Nothing is solved with the factors: the pivots of the two must agree, as both begin with the same columns.
double error() {
    Matrix given = sample(0, true);
    double wrong = 0;
    for (const bool upper : {true, false}) {
        const Device<float> whole(given);
        const Device<float> panel(given);
        const Device<float> work(N * N);
        const Device<int> pivots(N);
        const Device<int> others(N);
        const Device<int> done(1);
        const Device<int> info(2);
        constexpr int COLUMNS = 16;
        const auto sytf2 = upper ? rocsolver::sytf2_kernel_upper<float, float*>
                                 : rocsolver::sytf2_kernel_lower<float, float*>;
        const auto lasyf = upper ? rocsolver::lasyf_kernel_upper<float, float*>
                                 : rocsolver::lasyf_kernel_lower<float, float*>;
        const auto last = [&] {
            hipLaunchKernelGGL(sytf2, dim3(1), dim3(SYTF2_MAX_THDS), 0, nullptr, N, whole.get(), 0, N, 0,
                               pivots.get(), 0, info.get());
        };
        const auto first = [&] {
            hipLaunchKernelGGL(lasyf, dim3(1), dim3(LASYF_MAX_THDS), 0, nullptr, N, COLUMNS, done.get(),
                               panel.get(), 0, N, 0, others.get(), 0, info.get() + 1, work.get());
        };
#if defined(SYTF2)
        last();
        first();
#else
        first();
        last();
#endif
        const std::vector<int> left = pivots.values();
        const std::vector<int> right = others.values();
        const int columns = done.values()[0];
        wrong += columns < COLUMNS - 1;
        for (int k = 0; k < columns; ++k) {
            const int at = upper ? N - 1 - k : k;
            wrong += left[at] != right[at];
        }
    }
    return wrong;
}
#endif

}  // namespace

int main() {
    const double worst = error();
    HIP(hipDeviceSynchronize());
    HIP(hipGetLastError());
    std::printf("%s\n", worst < 1e-3 ? "right" : "wrong");
    std::fprintf(stderr, "farthest %g\n", worst);
    return 0;
}
