// PyTorch's own eigenvalue kernels, cut out of its source into kernels.inc, on matrices whose answers can be
// checked: A v = w v in float64. Prints "right", or one line for each matrix that is not.
#include <hip/hip_runtime.h>

#include <c10/util/complex.h>

#include <complex>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#undef C10_LAUNCH_BOUNDS_1
#define C10_LAUNCH_BOUNDS_1(threads) __launch_bounds__(threads)

namespace {
#include "kernels.inc"

enum class Kind { Real, Complex, Jordan, Cycle, Zero, NearlyOne };

template <typename T>
std::vector<T> through_the_gpu(T* from, std::size_t count) {
    std::vector<T> out(count);
    if (hipMemcpy(out.data(), from, count * sizeof(T), hipMemcpyDeviceToHost) != hipSuccess) {
        std::exit(3);
    }
    return out;
}

template <typename T>
T* on_the_gpu(const std::vector<T>& values) {
    T* out = nullptr;
    if (hipMalloc(&out, values.size() * sizeof(T)) != hipSuccess ||
        hipMemcpy(out, values.data(), values.size() * sizeof(T), hipMemcpyHostToDevice) != hipSuccess) {
        std::exit(3);
    }
    return out;
}

template <typename R>
std::vector<c10::complex<R>> matrix(int n, Kind kind) {
    std::mt19937 random(3);
    std::normal_distribution<double> normal;
    std::vector<c10::complex<R>> out(static_cast<std::size_t>(n) * n);
    for (int column = 0; column < n; ++column) {
        for (int row = 0; row < n; ++row) {
            auto& value = out[row + column * n];
            switch (kind) {
                case Kind::Real: value = R(normal(random)); break;
                case Kind::Complex: value = {R(normal(random)), R(normal(random))}; break;
                case Kind::Jordan: value = R(column == row + 1); break;
                case Kind::Cycle: value = R(row == (column + 1) % n); break;
                case Kind::Zero: value = R(0); break;
                case Kind::NearlyOne: value = R(row == column ? 1 : 1e-3 * normal(random)); break;
            }
        }
    }
    return out;
}

template <typename R>
int wrong(int n, Kind kind) {
    using C = c10::complex<R>;
    const std::vector<C> a = matrix<R>(n, kind);
    std::vector<C> unit(a.size());
    for (int i = 0; i < n; ++i) {
        unit[i + i * n] = R(1);
    }
    C* h = on_the_gpu(a);
    C* z = on_the_gpu(unit);
    C* x = on_the_gpu(std::vector<C>(a.size()));
    C* work = on_the_gpu(std::vector<C>(n));
    int* info = on_the_gpu(std::vector<int>{-1});
    schur_kernel<R><<<1, kThreads>>>(n, h, z, work, info);
    triangular_kernel<R><<<(n + kThreads - 1) / kThreads, kThreads>>>(n, h, x);
    const auto t = through_the_gpu(h, a.size());
    const auto q = through_the_gpu(z, a.size());
    const auto u = through_the_gpu(x, a.size());
    const int failed = through_the_gpu(info, 1)[0];
    using D = std::complex<double>;
    const auto wide = [](C value) { return D(value.real(), value.imag()); };
    double worst = 0;
    for (int k = 0; k < n; ++k) {
        std::vector<D> v(n);
        double length = 0;
        for (int row = 0; row < n; ++row) {
            for (int j = 0; j < n; ++j) {
                v[row] += wide(q[row + j * n]) * wide(u[j + k * n]);
            }
            length += std::norm(v[row]);
        }
        for (int row = 0; row < n; ++row) {
            D left = -wide(t[k + k * n]) * v[row];
            for (int j = 0; j < n; ++j) {
                left += wide(a[row + j * n]) * v[j];
            }
            worst = std::max(worst, std::abs(left) / std::sqrt(length));
        }
    }
    // The norm of these matrices is at most 2 sqrt(2 n), and a QR iteration errs by some n eps of it.
    const double allowed = 10.0 * n * std::sqrt(8.0 * n) * std::numeric_limits<R>::epsilon();
    if (failed == 0 && worst <= allowed) {
        return 0;
    }
    std::printf("n %d kind %d: info %d, A v - w v is %g, allowed %g\n", n, static_cast<int>(kind), failed, worst, allowed);
    return 1;
}

}  // namespace

int main() {
    int bad = 0;
    for (const Kind kind : {Kind::Real, Kind::Complex, Kind::Jordan, Kind::Cycle, Kind::Zero, Kind::NearlyOne}) {
        for (const int n : {1, 2, 3, 17, 40}) {
            bad += wrong<float>(n, kind) + wrong<double>(n, kind);
        }
    }
    bad += wrong<float>(kThreads + 1, Kind::Real);
    if (bad == 0) {
        std::puts("right");
    }
    return bad;
}
