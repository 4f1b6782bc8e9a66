// Functions of the maths library, which need not be right to the last bit: the card's library beside the CPU's in
// double precision. Words in: a, b; results are doubles on both sides, whatever the precision under test.
#pragma once

#include "lane.h"

#if defined(__HIP__)
#define UNARY(name) \
    extern "C" __attribute__((device)) f32 __ocml_##name##_f32(f32); \
    extern "C" __attribute__((device)) f64 __ocml_##name##_f64(f64); \
    FN f64 m_##name(f32 a, f32) { return __ocml_##name##_f32(a); } \
    FN f64 m_##name(f64 a, f64) { return __ocml_##name##_f64(a); }
#define BINARY(name) \
    extern "C" __attribute__((device)) f32 __ocml_##name##_f32(f32, f32); \
    extern "C" __attribute__((device)) f64 __ocml_##name##_f64(f64, f64); \
    FN f64 m_##name(f32 a, f32 b) { return __ocml_##name##_f32(a, b); } \
    FN f64 m_##name(f64 a, f64 b) { return __ocml_##name##_f64(a, b); }
#else
#define UNARY(name) \
    FN f64 m_##name(f64 a, f64) { return __builtin_##name(a); }
#define BINARY(name) \
    FN f64 m_##name(f64 a, f64 b) { return __builtin_##name(a, b); }
#endif

UNARY(sin)
UNARY(cos)
UNARY(exp)
UNARY(log)
UNARY(tanh)
UNARY(cbrt)
BINARY(pow)
BINARY(atan2)

#define MATHS(T) \
    LANES(maths_##T, 2, 8) { \
        const T a = load<T>(in[0]), b = load<T>(in[1]); \
        out[0] = bits(m_sin(a, b)); \
        out[1] = bits(m_cos(a, b)); \
        out[2] = bits(m_exp(a, b)); \
        out[3] = bits(m_log(a, b)); \
        out[4] = bits(m_tanh(a, b)); \
        out[5] = bits(m_cbrt(a, b)); \
        out[6] = bits(m_pow(a, b)); \
        out[7] = bits(m_atan2(a, b)); \
    }
MATHS(f32)
MATHS(f64)
