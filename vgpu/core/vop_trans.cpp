// The transcendental unit, f32 and f16. The card is within 1 ulp; these results are the
// correctly rounded ones (of a double computation). f32 denormals are flushed, going in
// and coming out, which is what LLVM assumes of the card.
#include "vgpu/core/float_ops.h"
#include "vgpu/core/handlers.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;
using F1 = float(float);
using H1 = half_t(half_t);

constexpr double kTurn = 6.283185307179586476925;

// The card's angles are in turns; a whole number of them drops out exactly.
VGPU_INLINE double turns(double x) { return (x - std::rint(x)) * kTurn; }
VGPU_INLINE float sine(float x) { return static_cast<float>(std::sin(turns(double{x}))); }
VGPU_INLINE float cosine(float x) { return static_cast<float>(std::cos(turns(double{x}))); }
VGPU_INLINE float reciprocal_root(float x) { return static_cast<float>(1.0 / std::sqrt(double{x})); }
VGPU_INLINE float log2of(float x) { return static_cast<float>(std::log2(double{x})); }
VGPU_INLINE float exp2of(float x) { return static_cast<float>(std::exp2(double{x})); }

constexpr Binding kRows[] = {
    vec<Op::v_rcp_f32, F1>([](float a) { return flush(1.0f / flush(a)); }),
    vec<Op::v_rcp_iflag_f32, F1>([](float a) { return flush(1.0f / flush(a)); }),
    vec<Op::v_rsq_f32, F1>([](float a) { return flush(reciprocal_root(flush(a))); }),
    vec<Op::v_sqrt_f32, F1>([](float a) { return __builtin_sqrtf(flush(a)); }),
    vec<Op::v_exp_f32, F1>([](float a) { return flush(exp2of(flush(a))); }),
    vec<Op::v_log_f32, F1>([](float a) { return flush(log2of(flush(a))); }),
    vec<Op::v_sin_f32, F1>([](float a) { return flush(sine(flush(a))); }),
    vec<Op::v_cos_f32, F1>([](float a) { return flush(cosine(flush(a))); }),
    vec<Op::v_rcp_f16, H1>([](float a) { return 1.0f / a; }),
    vec<Op::v_rsq_f16, H1>([](float a) { return reciprocal_root(a); }),
    vec<Op::v_sqrt_f16, H1>([](float a) { return __builtin_sqrtf(a); }),
    vec<Op::v_exp_f16, H1>([](float a) { return exp2of(a); }),
    vec<Op::v_log_f16, H1>([](float a) { return log2of(a); }),
    vec<Op::v_sin_f16, H1>([](float a) { return sine(a); }),
    vec<Op::v_cos_f16, H1>([](float a) { return cosine(a); }),
    vec<Op::v_rcp_f64, double(double)>([](double a) { return 1.0 / a; }),
    vec<Op::v_rsq_f64, double(double)>(
        [](double a) { return static_cast<double>(1.0l / std::sqrt(static_cast<long double>(a))); }),
    vec<Op::v_sqrt_f64, double(double)>([](double a) { return std::sqrt(a); }),
};

}  // namespace

extern const BindingList kTransRows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
