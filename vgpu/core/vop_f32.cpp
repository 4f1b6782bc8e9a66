// f32 arithmetic: add, multiply, fused and unfused multiply-add, minima, rounding, cube.
#include "vgpu/core/float_ops.h"
#include "vgpu/core/handlers.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;
using F1 = float(float);
using F2 = float(float, float);
using F3 = float(float, float, float);

// Which face of a cube a direction points to: 0..5 for +x -x +y -y +z -z.
VGPU_INLINE int face(float x, float y, float z) {
    const float ax = std::fabs(x), ay = std::fabs(y), az = std::fabs(z);
    if (az >= ax && az >= ay) return z < 0 ? 5 : 4;
    if (ay >= ax) return y < 0 ? 3 : 2;
    return x < 0 ? 1 : 0;
}

constexpr Binding kRows[] = {
    vec<Op::v_add_f32, F2>([](float a, float b) { return a + b; }),
    vec<Op::v_sub_f32, F2>([](float a, float b) { return a - b; }),
    vec<Op::v_subrev_f32, F2>([](float a, float b) { return b - a; }),
    vec<Op::v_mul_f32, F2>([](float a, float b) { return a * b; }),
    vec<Op::v_mul_legacy_f32, F2>([](float a, float b) { return mul_legacy(a, b); }),
    vec<Op::v_fma_f32, F3>([](float a, float b, float c) { return __builtin_fmaf(a, b, c); }),
    vec<Op::v_fmac_f32, F3>([](float a, float b, float c) { return __builtin_fmaf(a, b, c); }),
    vec<Op::v_fmamk_f32, F3>([](float a, float b, float c) { return __builtin_fmaf(a, b, c); }),
    vec<Op::v_fmaak_f32, F3>([](float a, float b, float c) { return __builtin_fmaf(a, b, c); }),
    vec<Op::v_mad_f32, F3>([](float a, float b, float c) { return mad(a, b, c); }),
    vec<Op::v_mac_f32, F3>([](float a, float b, float c) { return mad(a, b, c); }),
    vec<Op::v_madmk_f32, F3>([](float a, float b, float c) { return mad(a, b, c); }),
    vec<Op::v_madak_f32, F3>([](float a, float b, float c) { return mad(a, b, c); }),
    vec<Op::v_mad_legacy_f32, F3>(
        [](float a, float b, float c) { return flush(mul_legacy(flush(a), flush(b)) + flush(c)); }),
    vec<Op::v_mac_legacy_f32, F3>(
        [](float a, float b, float c) { return flush(mul_legacy(flush(a), flush(b)) + flush(c)); }),
    vec<Op::v_mullit_f32, F3>([](float a, float b, float c) {
        const float lowest = -3.402823466e+38f;
        return b == lowest || b != b || b - b != 0.0f || c <= 0.0f || c != c ? lowest : mul_legacy(a, b);
    }),
    vec<Op::v_min_f32, F2>([](float a, float b) { return minimum(a, b); }),
    vec<Op::v_max_f32, F2>([](float a, float b) { return maximum(a, b); }),
    vec<Op::v_min3_f32, F3>([](float a, float b, float c) { return minimum(minimum(a, b), c); }),
    vec<Op::v_max3_f32, F3>([](float a, float b, float c) { return maximum(maximum(a, b), c); }),
    vec<Op::v_med3_f32, F3>([](float a, float b, float c) { return median(a, b, c); }),
    vec<Op::v_trunc_f32, F1>([](float a) { return quiet(__builtin_truncf(a)); }),
    vec<Op::v_ceil_f32, F1>([](float a) { return quiet(__builtin_ceilf(a)); }),
    vec<Op::v_floor_f32, F1>([](float a) { return quiet(__builtin_floorf(a)); }),
    vec<Op::v_rndne_f32, F1>([](float a) { return quiet(__builtin_roundevenf(a)); }),
    vec<Op::v_fract_f32, F1>([](float a) {
        const float r = a - __builtin_floorf(a), below_one = f32(0x3f7fffff);
        return r >= 1.0f ? below_one : r;
    }),
    vec<Op::v_ldexp_f32, float(float, i32)>([](float a, i32 e) { return scale(a, e); }),
    vec<Op::v_frexp_mant_f32, F1>([](float a) {
        int e = 0;
        return a - a != 0.0f ? quiet(a) : std::frexp(a, &e);
    }),
    vec<Op::v_frexp_exp_i32_f32, i32(float)>([](float a) {
        int e = 0;
        if (a - a != 0.0f || a == 0.0f) return 0;
        std::frexp(a, &e);
        return e;
    }),
    vec<Op::v_cubeid_f32, F3>([](float x, float y, float z) { return static_cast<float>(face(x, y, z)); }),
    vec<Op::v_cubesc_f32, F3>([](float x, float y, float z) {
        switch (face(x, y, z)) {
            case 0: return -z;
            case 1: return z;
            case 5: return -x;
            default: return x;
        }
    }),
    vec<Op::v_cubetc_f32, F3>([](float x, float y, float z) {
        switch (face(x, y, z)) {
            case 2: return z;
            case 3: return -z;
            default: return -y;
        }
    }),
    vec<Op::v_cubema_f32, F3>([](float x, float y, float z) {
        const int f = face(x, y, z);
        return 2.0f * (f >= 4 ? z : f >= 2 ? y : x);
    }),
};

}  // namespace

extern const BindingList kF32Rows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
