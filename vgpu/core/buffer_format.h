// The unified buffer formats of gfx10 as data, and conversion between their bytes and the
// 32-bit (or, for D16, 16-bit) components that registers hold.
#pragma once

#include "vgpu/core/float_ops.h"

namespace vgpu::core::VGPU_HOST {

enum class Number : u8 { Unorm, Snorm, Uscaled, Sscaled, Uint, Sint, Float };

struct BufferFormat {
    u8 components = 0;
    u8 bits[4] = {0, 0, 0, 0};  // first component in the lowest bits
    u8 bytes = 0;
    Number number = Number::Uint;
    constexpr bool is_float() const { return number != Number::Uint && number != Number::Sint; }
};

// Formats come in runs: the layout, the first code, and which numbers follow.
inline BufferFormat buffer_format(u32 code) {
    struct Run {
        u8 first, count, components, bits[4];
    };
    static constexpr Run runs[] = {
        {1, 6, 1, {8, 0, 0, 0}},     {7, 7, 1, {16, 0, 0, 0}},     {14, 6, 2, {8, 8, 0, 0}},
        {20, 3, 1, {32, 0, 0, 0}},   {23, 7, 2, {16, 16, 0, 0}},   {30, 7, 3, {11, 11, 10, 0}},
        {37, 7, 3, {10, 11, 11, 0}}, {44, 6, 4, {2, 10, 10, 10}},  {50, 6, 4, {10, 10, 10, 2}},
        {56, 6, 4, {8, 8, 8, 8}},    {62, 3, 2, {32, 32, 0, 0}},   {65, 7, 4, {16, 16, 16, 16}},
        {72, 3, 3, {32, 32, 32, 0}}, {75, 3, 4, {32, 32, 32, 32}},
    };
    BufferFormat f;
    for (const Run& run : runs) {
        if (code < run.first || code >= u32{run.first} + run.count) continue;
        u32 total = 0;
        for (u32 k = 0; k < 4; ++k) total += f.bits[k] = run.bits[k];
        f.components = run.components;
        f.bytes = static_cast<u8>(total / 8);
        const u32 at = code - run.first;
        // Runs of three are UINT, SINT, FLOAT; the others begin with UNORM.
        f.number = static_cast<Number>(run.count == 3 ? at + 4 : at);
    }
    return f;
}

// Floats of 10 and 11 bits: five exponent bits as in binary16, no sign.
VGPU_INLINE float small_float(u32 raw, u32 bits_of) { return half_to_float(raw << (bits_of == 11 ? 4 : 5)); }

inline void decode_format(const BufferFormat& f, const u8* bytes, bool d16, u32* out) {
    u64 words[2];
    std::memcpy(words, bytes, 16);
    u32 at = 0;
    for (u32 k = 0; k < f.components; ++k) {
        const u32 n = f.bits[k];
        const u32 raw = static_cast<u32>(words[at / 64] >> (at % 64)) & (n == 32 ? 0xffffffffu : (1u << n) - 1);
        at += n;
        const i32 sraw = static_cast<i32>(raw << (32 - n)) >> (32 - n);
        float value = 0;
        switch (f.number) {
            case Number::Uint: out[k] = raw; continue;
            case Number::Sint: out[k] = d16 ? static_cast<u32>(sraw) & 0xffff : static_cast<u32>(sraw); continue;
            case Number::Unorm: value = static_cast<float>(static_cast<double>(raw) / ((1ull << n) - 1)); break;
            case Number::Snorm: {
                const double x = static_cast<double>(sraw) / ((1ull << (n - 1)) - 1);
                value = static_cast<float>(x < -1 ? -1 : x);
                break;
            }
            case Number::Uscaled: value = static_cast<float>(raw); break;
            case Number::Sscaled: value = static_cast<float>(sraw); break;
            case Number::Float: value = n == 32 ? f32(raw) : n == 16 ? half_to_float(raw) : small_float(raw, n); break;
        }
        if (f.number == Number::Float && n == 32 && !d16) out[k] = raw;
        else out[k] = d16 ? float_to_half(value) : bits(value);
    }
}

inline void encode_format(const BufferFormat& f, const u32* in, bool d16, u8* bytes) {
    u64 words[2] = {0, 0};
    u32 at = 0;
    for (u32 k = 0; k < f.components; ++k) {
        const u32 n = f.bits[k];
        const u32 mask = n == 32 ? 0xffffffffu : (1u << n) - 1;
        const float value = d16 ? half_to_float(in[k] & 0xffff) : f32(in[k]);
        const double top = static_cast<double>((1ull << n) - 1), stop = static_cast<double>((1ull << (n - 1)) - 1);
        const auto limit = [](double x, double low, double high) {
            return x != x ? 0.0 : x < low ? low : x > high ? high : x;
        };
        u32 raw = 0;
        switch (f.number) {
            case Number::Uint: raw = n == 32 || in[k] <= mask ? in[k] : mask; break;
            case Number::Sint: {
                const i64 s = d16 ? i64{static_cast<i16>(in[k])} : i64{static_cast<i32>(in[k])};
                const i64 high = (i64{1} << (n - 1)) - 1;
                raw = static_cast<u32>(s > high ? high : s < -high - 1 ? -high - 1 : s);
                break;
            }
            case Number::Unorm: raw = static_cast<u32>(std::rint(limit(value, 0, 1) * top)); break;
            case Number::Snorm: raw = static_cast<u32>(static_cast<i64>(std::rint(limit(value, -1, 1) * stop))); break;
            case Number::Uscaled: raw = static_cast<u32>(limit(std::trunc(value), 0, top)); break;
            case Number::Sscaled:
                raw = static_cast<u32>(static_cast<i64>(limit(std::trunc(value), -stop - 1, stop)));
                break;
            case Number::Float:
                if (n == 32) raw = d16 ? bits(value) : in[k];
                else if (n == 16) raw = d16 ? in[k] & 0xffff : float_to_half(value);
                else raw = value > 0 ? float_to_half(value) >> (n == 11 ? 4 : 5) : value != value ? mask : 0;
                break;
        }
        words[at / 64] |= static_cast<u64>(raw & mask) << (at % 64);
        at += n;
    }
    std::memcpy(bytes, words, 16);
}

}  // namespace vgpu::core::VGPU_HOST
