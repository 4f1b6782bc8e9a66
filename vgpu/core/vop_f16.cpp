// f16 arithmetic. Computed in f32, which is wide enough that rounding once more to f16
// cannot be seen; the fused multiply-add goes through a double rounded to odd.
#include "vgpu/core/float_ops.h"
#include "vgpu/core/handlers.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;
using H1 = half_t(half_t);
using H2 = half_t(half_t, half_t);
using H3 = half_t(half_t, half_t, half_t);

VGPU_INLINE float fixup(float q, float den, float num) {
    const bool negative = std::signbit(den) != std::signbit(num);
    const float inf = INFINITY;
    if (num != num) return quiet(num);
    if (den != den) return quiet(den);
    if ((den == 0 && num == 0) || (std::isinf(den) && std::isinf(num))) return f32(0x7fc00000);
    if (den == 0 || std::isinf(num)) return negative ? -inf : inf;
    if (std::isinf(den) || num == 0) return negative ? -0.0f : 0.0f;
    if (q - q != 0) return negative ? -inf : inf;  // overflow
    return negative ? -std::fabs(q) : std::fabs(q);
}

constexpr Binding kRows[] = {
    vec<Op::v_add_f16, H2>([](float a, float b) { return a + b; }),
    vec<Op::v_sub_f16, H2>([](float a, float b) { return a - b; }),
    vec<Op::v_subrev_f16, H2>([](float a, float b) { return b - a; }),
    vec<Op::v_mul_f16, H2>([](float a, float b) { return a * b; }),
    vec<Op::v_fma_f16, H3>([](float a, float b, float c) { return fma_half(a, b, c); }),
    vec<Op::v_fmac_f16, H3>([](float a, float b, float c) { return fma_half(a, b, c); }),
    vec<Op::v_fmamk_f16, H3>([](float a, float b, float c) { return fma_half(a, b, c); }),
    vec<Op::v_fmaak_f16, H3>([](float a, float b, float c) { return fma_half(a, b, c); }),
    vec<Op::v_max_f16, H2>([](float a, float b) { return maximum(a, b); }),
    vec<Op::v_min_f16, H2>([](float a, float b) { return minimum(a, b); }),
    vec<Op::v_min3_f16, H3>([](float a, float b, float c) { return minimum(minimum(a, b), c); }),
    vec<Op::v_max3_f16, H3>([](float a, float b, float c) { return maximum(maximum(a, b), c); }),
    vec<Op::v_med3_f16, H3>([](float a, float b, float c) { return median(a, b, c); }),
    vec<Op::v_ldexp_f16, half_t(half_t, i16)>([](float a, i16 e) { return scale(a, e); }),
    vec<Op::v_frexp_mant_f16, H1>([](float a) {
        int e = 0;
        return a - a != 0.0f ? quiet(a) : std::frexp(a, &e);
    }),
    vec<Op::v_frexp_exp_i16_f16, i16(half_t)>([](float a) {
        int e = 0;
        if (a - a != 0.0f || a == 0.0f) return i16{0};
        std::frexp(a, &e);
        return static_cast<i16>(e);
    }),
    vec<Op::v_floor_f16, H1>([](float a) { return quiet(__builtin_floorf(a)); }),
    vec<Op::v_ceil_f16, H1>([](float a) { return quiet(__builtin_ceilf(a)); }),
    vec<Op::v_trunc_f16, H1>([](float a) { return quiet(__builtin_truncf(a)); }),
    vec<Op::v_rndne_f16, H1>([](float a) { return quiet(__builtin_roundevenf(a)); }),
    vec<Op::v_fract_f16, H1>([](float a) {
        const float r = a - __builtin_floorf(a), below_one = 0.99951171875f;  // 0x3bff
        return r > below_one ? below_one : r;
    }),
    vec<Op::v_div_fixup_f16, H3>([](float a, float b, float c) { return fixup(a, b, c); }),
    vec<Op::v_pack_b32_f16, u32(u16, u16)>([](u16 a, u16 b) { return u32{a} | u32{b} << 16; }),
};

}  // namespace

extern const BindingList kF16Rows{kRows, std::size(kRows)};

u32 double_to_half(double value, u32 round) {
    const u64 raw = bits(value);
    const u32 sign = static_cast<u32>(raw >> 48) & 0x8000;
    const u64 magnitude = raw & ~(u64{1} << 63);
    if (magnitude > 0x7ff0000000000000) return sign | 0x7e00 | (static_cast<u32>(raw >> 42) & 0x3ff);
    if (magnitude == 0x7ff0000000000000) return sign | 0x7c00;
    if (magnitude == 0) return sign;
    int exponent = 0;
    const double fraction = std::frexp(f64(magnitude), &exponent);  // 0.5 <= fraction < 1
    // Units of the last place: 2^(exponent-11), not below 2^-24.
    const int unit = exponent - 11 < -24 ? -24 : exponent - 11;
    const double scaled = std::ldexp(fraction, exponent - unit);
    const u64 whole = static_cast<u64>(scaled);
    const double rest = scaled - static_cast<double>(whole);
    bool up = false;
    switch (round) {
        case 0: up = rest > 0.5 || (rest == 0.5 && (whole & 1)); break;
        case 1: up = rest > 0 && sign == 0; break;
        case 2: up = rest > 0 && sign != 0; break;
        default: break;
    }
    const u64 mantissa = whole + (up ? 1 : 0);
    const int biased = unit + 24;  // 0 for denormals and the first binade
    // mantissa carries its hidden bit; adding binades above it gives the encoding.
    const u64 encoded = (static_cast<u64>(biased) << 10) + mantissa;
    if (encoded >= 0x7c00) {
        const bool to_infinity = round == 0 || (round == 1 && sign == 0) || (round == 2 && sign != 0);
        return sign | (to_infinity ? 0x7c00 : 0x7bff);
    }
    return sign | static_cast<u32>(encoded);
}

}  // namespace vgpu::core::VGPU_HOST
