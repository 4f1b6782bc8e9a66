// Float helpers shared by the handler files: minima with the card's NaN and zero rules,
// flushing, conversions that saturate. Element-wise, written so that loops vectorise.
#pragma once

#include "vgpu/core/operand.h"

namespace vgpu::core::VGPU_HOST {

VGPU_INLINE bool signalling(u32 a) { return (a & 0x7fffffff) > 0x7f800000 && (a & 0x400000) == 0; }
VGPU_INLINE bool signalling(u64 a) { return (a & ~(u64{1} << 63)) > 0x7ff0000000000000 && (a & 0x8000000000000) == 0; }
VGPU_INLINE float quiet(float f) { return f32(bits(f) | (f != f ? 0x400000u : 0u)); }
VGPU_INLINE double quiet(double f) { return f64(bits(f) | (f != f ? u64{0x8000000000000} : 0)); }

// minNum/maxNum of IEEE 754-2008 in IEEE mode: a quiet NaN loses, a signalling one wins;
// -0 is below +0.
template <class T>
VGPU_INLINE T minimum(T a, T b) {
    const auto x = bits(a), y = bits(b);
    const auto both = std::bit_cast<T>(x | y);  // -0 if either is
    T r = a < b ? a : b < a ? b : a == b ? both : a != a ? b : a;
    r = signalling(y) ? b : r;
    r = signalling(x) ? a : r;
    return quiet(r);
}
template <class T>
VGPU_INLINE T maximum(T a, T b) {
    const auto x = bits(a), y = bits(b);
    const auto both = std::bit_cast<T>(x & y);
    T r = a > b ? a : b > a ? b : a == b ? both : a != a ? b : a;
    r = signalling(y) ? b : r;
    r = signalling(x) ? a : r;
    return quiet(r);
}
template <class T>
VGPU_INLINE T median(T a, T b, T c) {
    if (a != a || b != b || c != c) return minimum(minimum(a, b), c);
    return maximum(minimum(a, b), minimum(maximum(a, b), c));
}

// v_mad_f32, v_mac_f32 and the transcendental unit know no f32 denormals.
VGPU_INLINE float flush(float f) { return f32((bits(f) & 0x7f800000) == 0 ? bits(f) & 0x80000000 : bits(f)); }
VGPU_INLINE float mad(float a, float b, float c) { return flush(flush(flush(a) * flush(b)) + flush(c)); }
VGPU_INLINE float mul_legacy(float a, float b) { return a == 0.0f || b == 0.0f ? 0.0f : a * b; }

VGPU_INLINE i32 to_i32(double f) {
    return f != f ? 0 : f >= 2147483648.0 ? 2147483647 : f <= -2147483649.0 ? -2147483647 - 1 : static_cast<i32>(f);
}
VGPU_INLINE i32 to_i32(float f) {
    return f != f ? 0 : f >= 2147483648.0f ? 2147483647 : f < -2147483648.0f ? -2147483647 - 1 : static_cast<i32>(f);
}
template <class T>
VGPU_INLINE u32 to_u32(T f) {
    const bool high = f >= T(2147483648.0);
    const T part = high ? f - T(2147483648.0) : f;
    const u32 value = static_cast<u32>(static_cast<i32>(part > T(0) && part < T(2147483648.0) ? part : T(0)));
    return f >= T(4294967296.0) ? 0xffffffffu : value + (high ? 0x80000000u : 0u);
}

// value * 2^e, rounded once. |e| beyond 400 is as far as a float can go.
VGPU_INLINE float scale(float value, i32 e) {
    const i32 clamped = e < -400 ? -400 : e > 400 ? 400 : e;
    return static_cast<float>(double{value} * f64(static_cast<u64>(1023 + clamped) << 52));
}

// a*b+c of binary16 values, rounded once to binary16 afterwards: the product is exact in
// a double, and the sum is rounded to odd, so that no second rounding can be seen.
VGPU_INLINE double add_to_odd(double a, double b) {
    const double sum = a + b;
    const double back = sum - a;
    const double error = (a - (sum - back)) + (b - back);
    const bool adjust = error != 0.0 && (bits(sum) & 1) == 0 && sum - sum == 0.0;
    const bool away = (error > 0.0) == (sum > 0.0);
    return f64(bits(sum) + (adjust ? (away ? 1 : ~u64{0}) : 0));
}
VGPU_INLINE float narrow_to_odd(double d) {
    const float near = static_cast<float>(d);
    const double error = d - double{near};
    const bool adjust = error != 0.0 && (bits(near) & 1) == 0 && near - near == 0.0f;
    const bool away = (error > 0.0) == (d > 0.0);
    return f32(bits(near) + (adjust ? (away ? 1u : ~0u) : 0u));
}
VGPU_INLINE float fma_half(float a, float b, float c) {
    return narrow_to_odd(add_to_odd(double{a} * double{b}, double{c}));
}

}  // namespace vgpu::core::VGPU_HOST
