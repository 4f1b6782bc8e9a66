// f64 arithmetic.
#include "vgpu/core/float_ops.h"
#include "vgpu/core/handlers.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;
using D1 = double(double);
using D2 = double(double, double);
using D3 = double(double, double, double);

// Bits of 2/pi behind the point, the first in the top bit of word 0; v_trig_preop_f64
// has 1201 of them, enough for any double.
constexpr u64 kTwoOverPi[20] = {0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
                                0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
                                0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
                                0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
                                0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d};

VGPU_INLINE u64 two_over_pi(u32 at) {  // 53 bits from bit `at` on
    u64 r = 0;
    for (u32 k = 0; k < 53; ++k) {
        const u32 bit = at + k;
        r = r << 1 | (bit < 20 * 64 ? kTwoOverPi[bit / 64] >> (63 - bit % 64) & 1 : 0);
    }
    return r;
}

// Segment S1 of 2/pi, scaled for an argument of S0's exponent.
VGPU_INLINE double trig_preop(double a, i32 segment) {
    const i32 exponent = static_cast<i32>(bits(a) >> 52 & 0x7ff);
    i32 shift = (segment & 31) * 53;
    if (exponent > 1077) shift += exponent - 1077;
    const double value = static_cast<double>(two_over_pi(static_cast<u32>(shift)));
    i32 e = -53 - shift;
    if (exponent >= 1968) e += 128;
    return std::ldexp(value, e);
}

constexpr Binding kRows[] = {
    vec<Op::v_add_f64, D2>([](double a, double b) { return a + b; }),
    vec<Op::v_mul_f64, D2>([](double a, double b) { return a * b; }),
    vec<Op::v_fma_f64, D3>([](double a, double b, double c) { return __builtin_fma(a, b, c); }),
    vec<Op::v_min_f64, D2>([](double a, double b) { return minimum(a, b); }),
    vec<Op::v_max_f64, D2>([](double a, double b) { return maximum(a, b); }),
    vec<Op::v_ldexp_f64, double(double, i32)>([](double a, i32 e) { return std::ldexp(quiet(a), e); }),
    vec<Op::v_trunc_f64, D1>([](double a) { return quiet(__builtin_trunc(a)); }),
    vec<Op::v_ceil_f64, D1>([](double a) { return quiet(__builtin_ceil(a)); }),
    vec<Op::v_floor_f64, D1>([](double a) { return quiet(__builtin_floor(a)); }),
    vec<Op::v_rndne_f64, D1>([](double a) { return quiet(__builtin_roundeven(a)); }),
    vec<Op::v_fract_f64, D1>([](double a) {
        const double r = a - __builtin_floor(a), below_one = f64(0x3fefffffffffffff);
        return r >= 1.0 ? below_one : r;
    }),
    vec<Op::v_frexp_mant_f64, D1>([](double a) {
        int e = 0;
        return a - a != 0.0 ? quiet(a) : std::frexp(a, &e);
    }),
    vec<Op::v_frexp_exp_i32_f64, i32(double)>([](double a) {
        int e = 0;
        if (a - a != 0.0 || a == 0.0) return 0;
        std::frexp(a, &e);
        return e;
    }),
    vec<Op::v_trig_preop_f64, double(double, i32)>([](double a, i32 s) { return trig_preop(a, s); }),
};

}  // namespace

extern const BindingList kF64Rows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
