// Conversions between number formats.
#include "vgpu/core/float_ops.h"
#include "vgpu/core/handlers.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;

VGPU_INLINE u16 sat_u16(float f) {
    return static_cast<u16>(f != f ? 0 : f >= 65535.0f ? 65535 : f <= 0 ? 0 : static_cast<int>(f));
}
VGPU_INLINE i16 sat_i16(float f) {
    return static_cast<i16>(f != f ? 0 : f >= 32767.0f ? 32767 : f <= -32768.0f ? -32768 : static_cast<int>(f));
}
// Normalised: 1.0 becomes the largest value; rounds to nearest even.
VGPU_INLINE u32 norm_i16(float f) {
    const float x = f != f ? 0 : f > 1 ? 1 : f < -1 ? -1 : f;
    return static_cast<u32>(static_cast<i32>(__builtin_roundevenf(x * 32767.0f))) & 0xffff;
}
VGPU_INLINE u32 norm_u16(float f) {
    const float x = f != f ? 0 : f > 1 ? 1 : f < 0 ? 0 : f;
    return static_cast<u32>(static_cast<i32>(__builtin_roundevenf(x * 65535.0f))) & 0xffff;
}
VGPU_INLINE u32 clamp_u16(u32 a) { return a > 0xffff ? 0xffff : a; }
VGPU_INLINE u32 clamp_i16(i32 a) { return static_cast<u32>(a > 32767 ? 32767 : a < -32768 ? -32768 : a) & 0xffff; }

// f32 to f16 toward zero: what is below the last place is cut off.
VGPU_INLINE u32 half_toward_zero(float f) {
    const u32 x = bits(f), sign = x >> 16 & 0x8000, magnitude = x & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
    if (magnitude == 0x7f800000) return sign | 0x7c00;
    if (magnitude >= 0x47800000) return sign | 0x7bff;
    if (magnitude >= 0x38800000) return sign | (magnitude - 0x38000000) >> 13;
    const u32 exponent = magnitude >> 23;
    if (exponent < 102) return sign;
    return sign | ((magnitude & 0x7fffff) | 0x800000) >> (126 - exponent);
}

constexpr Binding kRows[] = {
    vec<Op::v_cvt_i32_f64, i32(double)>([](double a) { return to_i32(a); }),
    vec<Op::v_cvt_u32_f64, u32(double)>([](double a) { return to_u32(a); }),
    vec<Op::v_cvt_f64_i32, double(i32)>([](i32 a) { return static_cast<double>(a); }),
    vec<Op::v_cvt_f64_u32, double(u32)>([](u32 a) { return static_cast<double>(a); }),
    vec<Op::v_cvt_f32_i32, float(i32)>([](i32 a) { return static_cast<float>(a); }),
    vec<Op::v_cvt_f32_u32, float(u32)>([](u32 a) { return static_cast<float>(a); }),
    vec<Op::v_cvt_u32_f32, u32(float)>([](float a) { return to_u32(a); }),
    vec<Op::v_cvt_i32_f32, i32(float)>([](float a) { return to_i32(a); }),
    vec<Op::v_cvt_f16_f32, half_t(float)>([](float a) { return a; }),
    vec<Op::v_cvt_f32_f16, float(half_t)>([](float a) { return quiet(a); }),
    vec<Op::v_cvt_rpi_i32_f32, i32(float)>([](float a) { return to_i32(std::floor(double{a} + 0.5)); }),
    vec<Op::v_cvt_flr_i32_f32, i32(float)>([](float a) { return to_i32(__builtin_floorf(a)); }),
    vec<Op::v_cvt_off_f32_i4, float(u32)>(
        [](u32 a) { return static_cast<float>(static_cast<i32>(a << 28) >> 28) / 16.0f; }),
    vec<Op::v_cvt_f32_f64, float(double)>([](double a) { return static_cast<float>(a); }),
    vec<Op::v_cvt_f64_f32, double(float)>([](float a) { return static_cast<double>(a); }),
    vec<Op::v_cvt_f32_ubyte0, float(u32)>([](u32 a) { return static_cast<float>(static_cast<i32>(a & 255)); }),
    vec<Op::v_cvt_f32_ubyte1, float(u32)>([](u32 a) { return static_cast<float>(static_cast<i32>(a >> 8 & 255)); }),
    vec<Op::v_cvt_f32_ubyte2, float(u32)>([](u32 a) { return static_cast<float>(static_cast<i32>(a >> 16 & 255)); }),
    vec<Op::v_cvt_f32_ubyte3, float(u32)>([](u32 a) { return static_cast<float>(static_cast<i32>(a >> 24)); }),
    vec<Op::v_cvt_f16_u16, half_t(u16)>([](u16 a) { return static_cast<float>(a); }),
    vec<Op::v_cvt_f16_i16, half_t(i16)>([](i16 a) { return static_cast<float>(a); }),
    vec<Op::v_cvt_u16_f16, u16(half_t)>([](float a) { return sat_u16(a); }),
    vec<Op::v_cvt_i16_f16, i16(half_t)>([](float a) { return sat_i16(a); }),
    vec<Op::v_cvt_norm_i16_f16, u16(half_t)>([](float a) { return static_cast<u16>(norm_i16(a)); }),
    vec<Op::v_cvt_norm_u16_f16, u16(half_t)>([](float a) { return static_cast<u16>(norm_u16(a)); }),
    vec<Op::v_cvt_pkrtz_f16_f32, u32(float, float)>(
        [](float a, float b) { return half_toward_zero(a) | half_toward_zero(b) << 16; }),
    vec<Op::v_cvt_pk_u8_f32, u32(float, u32, u32)>([](float a, u32 b, u32 c) {
        const u32 shift = 8 * (b & 3);
        const float x = a != a ? 0 : a > 255 ? 255 : a < 0 ? 0 : a;
        return (c & ~(255u << shift)) | static_cast<u32>(static_cast<i32>(x)) << shift;
    }),
    vec<Op::v_cvt_pknorm_i16_f32, u32(float, float)>([](float a, float b) { return norm_i16(a) | norm_i16(b) << 16; }),
    vec<Op::v_cvt_pknorm_u16_f32, u32(float, float)>([](float a, float b) { return norm_u16(a) | norm_u16(b) << 16; }),
    vec<Op::v_cvt_pknorm_i16_f16, u32(half_t, half_t)>(
        [](float a, float b) { return norm_i16(a) | norm_i16(b) << 16; }),
    vec<Op::v_cvt_pknorm_u16_f16, u32(half_t, half_t)>(
        [](float a, float b) { return norm_u16(a) | norm_u16(b) << 16; }),
    vec<Op::v_cvt_pk_u16_u32, u32(u32, u32)>([](u32 a, u32 b) { return clamp_u16(a) | clamp_u16(b) << 16; }),
    vec<Op::v_cvt_pk_i16_i32, u32(i32, i32)>([](i32 a, i32 b) { return clamp_i16(a) | clamp_i16(b) << 16; }),
};

}  // namespace

extern const BindingList kConvertRows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
