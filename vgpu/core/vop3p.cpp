// Packed 16-bit pairs, and the multiply-adds that mix f16 and f32.
// MicroOp::aux: op_sel in bits 0..2, op_sel_hi 4..6, neg 8..10, neg_hi 12..14.
#include "vgpu/core/float_ops.h"
#include "vgpu/core/handlers.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;

VGPU_INLINE bool flag(const MicroOp* u, u32 field, u32 source) { return u->aux >> (field + source) & 1; }
constexpr u32 kSel = 0, kSelHi = 4, kNeg = 8, kNegHi = 12;

// The 16 bits that source k gives to the low (high = false) or high result.
VGPU_INLINE void half_source(const Wave& w, const MicroOp* u, u32 k, u32 h, bool high, Lanes32& out) {
    Lanes32 tmp;
    const u32* raw = raw32(w, u->src[k] & ~operand::kMods, h, tmp);
    const u32 shift = flag(u, high ? kSelHi : kSel, k) ? 16 : 0;
    VGPU_LANES out.x[i] = raw[i] >> shift & 0xffff;
}

VGPU_INLINE void to_float(const Wave& w, bool neg, Lanes32& x) {
    const u32 flip = neg ? 0x8000 : 0;
    if (!w.fp_default && (w.mode & 0x40) == 0)
        for (int i = 0; i < 32; ++i)
            if ((x.x[i] & 0x7c00) == 0) x.x[i] &= 0x8000;
    VGPU_LANES x.x[i] = bits(half_to_float(x.x[i] ^ flip));
}
VGPU_INLINE void to_half(const Wave& w, const MicroOp* u, Lanes32& x) {
    VGPU_LANES x.x[i] = bits(card_nan(f32(x.x[i])));
    if (u->out & out::kClamp)
        for (int i = 0; i < 32; ++i) x.x[i] = bits(clamp01(f32(x.x[i]), w.dx10_clamp));
    if (w.fp_default) {
        VGPU_LANES x.x[i] = float_to_half(f32(x.x[i]));
        return;
    }
    for (int i = 0; i < 32; ++i) {
        x.x[i] = double_to_half(f32(x.x[i]), w.mode >> 2 & 3);
        if ((w.mode & 0x80) == 0 && (x.x[i] & 0x7c00) == 0) x.x[i] &= 0x8000;
    }
}

template <u32 Count, class F>
const MicroOp* packed_float(Wave& w, const MicroOp* u) {
    if (w.split_fp) load_host_csr(w.host_csr64);
    for (u32 h = 0; h < w.halves; ++h) {
        Lanes32 part[2];
        for (u32 high = 0; high < 2; ++high) {
            Lanes32 s[3];
            for (u32 k = 0; k < Count; ++k) {
                half_source(w, u, k, h, high, s[k]);
                to_float(w, flag(u, high ? kNegHi : kNeg, k), s[k]);
            }
            VGPU_LANES {
                if constexpr (Count == 3) part[high].x[i] = bits(F{}(f32(s[0].x[i]), f32(s[1].x[i]), f32(s[2].x[i])));
                else part[high].x[i] = bits(F{}(f32(s[0].x[i]), f32(s[1].x[i])));
            }
            to_half(w, u, part[high]);
        }
        Lanes32 r;
        VGPU_LANES r.x[i] = part[0].x[i] | part[1].x[i] << 16;
        store32(w, u->dst, h, w.s[kExecLo + h], r);
    }
    if (w.split_fp) load_host_csr(w.host_csr);
    return u + 1;
}

template <class T, u32 Count, class F>
const MicroOp* packed_int(Wave& w, const MicroOp* u) {
    constexpr i32 low = std::is_signed_v<T> ? -32768 : 0, high_end = std::is_signed_v<T> ? 32767 : 65535;
    const bool clamp = u->out & out::kClamp;
    for (u32 h = 0; h < w.halves; ++h) {
        Lanes32 part[2];
        for (u32 high = 0; high < 2; ++high) {
            Lanes32 s[3];
            for (u32 k = 0; k < Count; ++k) half_source(w, u, k, h, high, s[k]);
            for (int i = 0; i < 32; ++i) {
                i64 value = 0;
                const i64 a = static_cast<T>(s[0].x[i]), b = static_cast<T>(s[1].x[i]);
                if constexpr (Count == 3) value = F{}(a, b, i64{static_cast<T>(s[2].x[i])});
                else value = F{}(a, b);
                if (clamp) value = value < low ? low : value > high_end ? high_end : value;
                part[high].x[i] = static_cast<u16>(value);
            }
        }
        Lanes32 r;
        VGPU_LANES r.x[i] = part[0].x[i] | part[1].x[i] << 16;
        store32(w, u->dst, h, w.s[kExecLo + h], r);
    }
    return u + 1;
}

// A source of v_fma_mix: f16 where op_sel_hi is set (op_sel picks the half), else f32.
VGPU_INLINE void mix_source(const Wave& w, const MicroOp* u, u32 k, u32 h, Lanes32& out) {
    Lanes32 tmp;
    const u32* raw = raw32(w, u->src[k] & ~operand::kMods, h, tmp);
    if (flag(u, kSelHi, k)) {
        const u32 shift = flag(u, kSel, k) ? 16 : 0;
        VGPU_LANES out.x[i] = bits(half_to_float(raw[i] >> shift & 0xffff));
    } else {
        VGPU_LANES out.x[i] = raw[i];
    }
    const u32 keep = flag(u, kNegHi, k) ? 0x7fffffff : 0xffffffff;  // neg_hi means abs here
    const u32 flip = flag(u, kNeg, k) ? 0x80000000 : 0;
    VGPU_LANES out.x[i] = (out.x[i] & keep) ^ flip;
}

enum class MixTo { F32, Low, High };

template <MixTo To>
const MicroOp* fma_mix(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        Lanes32 s[3], r;
        for (u32 k = 0; k < 3; ++k) mix_source(w, u, k, h, s[k]);
        VGPU_LANES r.x[i] = bits(card_nan(__builtin_fmaf(f32(s[0].x[i]), f32(s[1].x[i]), f32(s[2].x[i]))));
        if constexpr (To == MixTo::F32) {
            if (u->out & out::kClamp)
                for (int i = 0; i < 32; ++i) r.x[i] = bits(clamp01(f32(r.x[i]), w.dx10_clamp));
            store32(w, u->dst, h, exec, r);
        } else {
            to_half(w, u, r);
            store16(w, u->dst, h, exec, To == MixTo::High ? out::kHigh : 0, r);
        }
    }
    return u + 1;
}

template <Op O, u32 Count, class F>
constexpr Binding pkf(F) {
    return {O, &packed_float<Count, F>};
}
template <Op O, class T, u32 Count, class F>
constexpr Binding pki(F) {
    return {O, &packed_int<T, Count, F>};
}

constexpr auto kMad = [](i64 a, i64 b, i64 c) { return a * b + c; };
constexpr auto kAdd = [](i64 a, i64 b) { return a + b; };
constexpr auto kSub = [](i64 a, i64 b) { return a - b; };
constexpr auto kMin = [](i64 a, i64 b) { return a < b ? a : b; };
constexpr auto kMax = [](i64 a, i64 b) { return a > b ? a : b; };

constexpr Binding kRows[] = {
    pki<Op::v_pk_mad_i16, i16, 3>(kMad),
    pki<Op::v_pk_mad_u16, u16, 3>(kMad),
    pki<Op::v_pk_mul_lo_u16, u16, 2>([](i64 a, i64 b) { return a * b & 0xffff; }),
    pki<Op::v_pk_add_i16, i16, 2>(kAdd),
    pki<Op::v_pk_add_u16, u16, 2>(kAdd),
    pki<Op::v_pk_sub_i16, i16, 2>(kSub),
    pki<Op::v_pk_sub_u16, u16, 2>(kSub),
    pki<Op::v_pk_lshlrev_b16, u16, 2>([](i64 a, i64 b) { return (b << (a & 15)) & 0xffff; }),
    pki<Op::v_pk_lshrrev_b16, u16, 2>([](i64 a, i64 b) { return b >> (a & 15); }),
    pki<Op::v_pk_ashrrev_i16, i16, 2>([](i64 a, i64 b) { return b >> (a & 15); }),
    pki<Op::v_pk_max_i16, i16, 2>(kMax),
    pki<Op::v_pk_max_u16, u16, 2>(kMax),
    pki<Op::v_pk_min_i16, i16, 2>(kMin),
    pki<Op::v_pk_min_u16, u16, 2>(kMin),
    pkf<Op::v_pk_fma_f16, 3>([](float a, float b, float c) { return fma_half(a, b, c); }),
    pkf<Op::v_pk_fmac_f16, 3>([](float a, float b, float c) { return fma_half(a, b, c); }),
    pkf<Op::v_pk_add_f16, 2>([](float a, float b) { return a + b; }),
    pkf<Op::v_pk_mul_f16, 2>([](float a, float b) { return a * b; }),
    pkf<Op::v_pk_min_f16, 2>([](float a, float b) { return minimum(a, b); }),
    pkf<Op::v_pk_max_f16, 2>([](float a, float b) { return maximum(a, b); }),
    {Op::v_fma_mix_f32, &fma_mix<MixTo::F32>},
    {Op::v_fma_mixlo_f16, &fma_mix<MixTo::Low>},
    {Op::v_fma_mixhi_f16, &fma_mix<MixTo::High>},
};

}  // namespace

extern const BindingList kPackedRows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
