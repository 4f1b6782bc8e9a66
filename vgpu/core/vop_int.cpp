// 32-bit and 64-bit integer and bit instructions without carry, and selections.
#include "vgpu/core/handlers.h"
#include "vgpu/core/operand.h"

namespace vgpu::core::VGPU_HOST {
namespace {

using isa::Op;
using U1 = u32(u32);
using U2 = u32(u32, u32);
using U3 = u32(u32, u32, u32);
using I2 = i32(i32, i32);
using I3 = i32(i32, i32, i32);

VGPU_INLINE u32 low24(u32 a) { return a & 0xffffff; }
VGPU_INLINE i32 low24s(i32 a) { return static_cast<i32>(static_cast<u32>(a) << 8) >> 8; }
VGPU_INLINE u32 mul24s(i32 a, i32 b) { return static_cast<u32>(i64{low24s(a)} * low24s(b)); }
template <class T>
VGPU_INLINE T least(T a, T b) {
    return a < b ? a : b;
}
template <class T>
VGPU_INLINE T most(T a, T b) {
    return a > b ? a : b;
}
template <class T>
VGPU_INLINE T middle(T a, T b, T c) {
    return most(least(a, b), least(most(a, b), c));
}

VGPU_INLINE u32 bfe_u(u32 a, u32 offset, u32 width) {
    offset &= 31;
    width &= 31;
    return (a >> offset) & ((1u << width) - 1);
}
VGPU_INLINE i32 bfe_i(i32 a, u32 offset, u32 width) {
    offset &= 31;
    width &= 31;
    if (width == 0) return 0;
    if (offset + width >= 32) return a >> offset;
    return static_cast<i32>(static_cast<u32>(a) << (32 - offset - width)) >> (32 - width);
}
VGPU_INLINE u32 difference(u32 a, u32 b) { return a > b ? a - b : b - a; }
VGPU_INLINE u32 sad8(u32 a, u32 b) {
    u32 sum = 0;
    for (int k = 0; k < 32; k += 8) sum += difference(a >> k & 255, b >> k & 255);
    return sum;
}
// Masked: bytes that are zero in the reference do not count.
VGPU_INLINE u32 msad8(u32 a, u32 b) {
    u32 sum = 0;
    for (int k = 0; k < 32; k += 8) sum += (b >> k & 255) ? difference(a >> k & 255, b >> k & 255) : 0;
    return sum;
}
VGPU_INLINE u64 qsad(u64 a, u32 b, u64 c, bool masked) {
    u64 r = 0;
    for (int k = 0; k < 4; ++k) {
        const u32 window = static_cast<u32>(a >> (8 * k));
        const u32 sum = (masked ? msad8(window, b) : sad8(window, b)) + static_cast<u32>(c >> (16 * k) & 0xffff);
        r |= u64{sum > 0xffff ? 0xffff : sum} << (16 * k);  // saturates, as the manual says of the packed forms
    }
    return r;
}
VGPU_INLINE u32 perm_byte(u64 both, u32 select) {
    select &= 255;
    if (select < 8) return static_cast<u32>(both >> (8 * select)) & 255;
    if (select >= 13) return 255;
    if (select == 12) return 0;
    return (both >> (16 * (select - 8) + 15) & 1) ? 255 : 0;  // 8..11: signs of bytes 1, 3, 5, 7
}
VGPU_INLINE u32 perm(u32 a, u32 b, u32 select) {
    const u64 both = u64{a} << 32 | b;
    return perm_byte(both, select) | perm_byte(both, select >> 8) << 8 | perm_byte(both, select >> 16) << 16 |
           perm_byte(both, select >> 24) << 24;
}
VGPU_INLINE u32 reverse(u32 v) {
    v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
    v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
    v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(v);
}

// Integer clamp (VOP3): the result of 64-bit arithmetic is cut to the type's range.
template <class D, class F>
const MicroOp* saturating(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        In<D> a, b, c;
        a.load(w, u->src[0], h);
        b.load(w, u->src[1], h);
        c.load(w, u->src[2], h);
        Lanes32 r;
        const bool clamp = u->out & out::kClamp;
        for (int i = 0; i < 32; ++i) {
            i64 value = F{}(i64{a[i]}, i64{b[i]}, i64{c[i]});
            const i64 low = std::is_signed_v<D> ? -2147483648ll : 0,
                      high = std::is_signed_v<D> ? 2147483647ll : 4294967295ll;
            if (clamp) value = value < low ? low : value > high ? high : value;
            r.x[i] = static_cast<u32>(value);
        }
        store32(w, u->dst, h, exec, r);
    }
    return u + 1;
}
template <Op O, class D, class F>
constexpr Binding sat(F) {
    return {O, &saturating<D, F>};
}

// add/sub without carry: the fast path when clamp is not set.
template <class Fast, class D, class F>
const MicroOp* plain_or_saturating(Wave& w, const MicroOp* u) {
    if (u->out & out::kClamp) [[unlikely]]
        return saturating<D, F>(w, u);
    return Map<Fast, u32, u32, u32>::run(w, u);
}
template <Op O, class D, class Fast, class F>
constexpr Binding add_like(Fast, F) {
    return {O, &plain_or_saturating<Fast, D, F>};
}

// v_mqsad_u32_u8: four sums of masked differences, each with its own accumulator.
const MicroOp* mqsad_u32(Wave& w, const MicroOp* u) {
    for (u32 h = 0; h < w.halves; ++h) {
        const u32 exec = w.s[kExecLo + h];
        In<u64> a;
        In<u32> b;
        a.load(w, u->src[0], h);
        b.load(w, u->src[1], h);
        Lanes32 r[4];
        for (u32 k = 0; k < 4; ++k) {
            In<u32> c;
            c.load(w, u->src[2] + ((u->src[2] & operand::kKind) == operand::kVgpr ? k * w.lanes : 0), h);
            for (int i = 0; i < 32; ++i) {
                const u64 sum = u64{msad8(static_cast<u32>(a[i] >> (8 * k)), b[i])} + c[i];
                r[k].x[i] = (u->out & out::kClamp) && sum >> 32 ? 0xffffffffu : static_cast<u32>(sum);
            }
        }
        for (u32 k = 0; k < 4; ++k) store32(w, u->dst + k * w.lanes, h, exec, r[k]);
    }
    return u + 1;
}

constexpr Binding kRows[] = {
    vec<Op::v_mov_b32, U1>([](u32 a) { return a; }),
    vec<Op::v_not_b32, U1>([](u32 a) { return ~a; }),
    vec<Op::v_bfrev_b32, U1>([](u32 a) { return reverse(a); }),
    vec<Op::v_ffbh_u32, U1>([](u32 a) { return a == 0 ? ~0u : static_cast<u32>(__builtin_clz(a | 0)); }),
    vec<Op::v_ffbl_b32, U1>([](u32 a) { return a == 0 ? ~0u : static_cast<u32>(__builtin_ctz(a | 0)); }),
    vec<Op::v_ffbh_i32, U1>([](u32 a) {
        const u32 x = (a >> 31) ? ~a : a;
        return x == 0 ? ~0u : static_cast<u32>(__builtin_clz(x));
    }),
    vec<Op::v_mul_i32_i24, I2>([](i32 a, i32 b) { return static_cast<i32>(mul24s(a, b)); }),
    vec<Op::v_mul_hi_i32_i24, I2>([](i32 a, i32 b) { return static_cast<i32>(i64{low24s(a)} * low24s(b) >> 32); }),
    vec<Op::v_mul_u32_u24, U2>([](u32 a, u32 b) { return low24(a) * low24(b); }),
    vec<Op::v_mul_hi_u32_u24, U2>([](u32 a, u32 b) { return static_cast<u32>(u64{low24(a)} * low24(b) >> 32); }),
    vec<Op::v_min_i32, I2>([](i32 a, i32 b) { return least(a, b); }),
    vec<Op::v_max_i32, I2>([](i32 a, i32 b) { return most(a, b); }),
    vec<Op::v_min_u32, U2>([](u32 a, u32 b) { return least(a, b); }),
    vec<Op::v_max_u32, U2>([](u32 a, u32 b) { return most(a, b); }),
    vec<Op::v_lshrrev_b32, U2>([](u32 a, u32 b) { return b >> (a & 31); }),
    vec<Op::v_ashrrev_i32, i32(u32, i32)>([](u32 a, i32 b) { return b >> (a & 31); }),
    vec<Op::v_lshlrev_b32, U2>([](u32 a, u32 b) { return b << (a & 31); }),
    vec<Op::v_and_b32, U2>([](u32 a, u32 b) { return a & b; }),
    vec<Op::v_or_b32, U2>([](u32 a, u32 b) { return a | b; }),
    vec<Op::v_xor_b32, U2>([](u32 a, u32 b) { return a ^ b; }),
    vec<Op::v_xnor_b32, U2>([](u32 a, u32 b) { return ~(a ^ b); }),
    add_like<Op::v_add_nc_u32, u32>([](u32 a, u32 b) { return a + b; }, [](i64 a, i64 b, i64) { return a + b; }),
    add_like<Op::v_sub_nc_u32, u32>([](u32 a, u32 b) { return a - b; }, [](i64 a, i64 b, i64) { return a - b; }),
    add_like<Op::v_subrev_nc_u32, u32>([](u32 a, u32 b) { return b - a; }, [](i64 a, i64 b, i64) { return b - a; }),
    add_like<Op::v_add_nc_i32, i32>([](u32 a, u32 b) { return a + b; }, [](i64 a, i64 b, i64) { return a + b; }),
    add_like<Op::v_sub_nc_i32, i32>([](u32 a, u32 b) { return a - b; }, [](i64 a, i64 b, i64) { return a - b; }),
    sat<Op::v_mad_i32_i24, i32>(
        [](i64 a, i64 b, i64 c) { return i64{low24s(static_cast<i32>(a))} * low24s(static_cast<i32>(b)) + c; }),
    sat<Op::v_mad_u32_u24, u32>([](i64 a, i64 b, i64 c) { return (a & 0xffffff) * (b & 0xffffff) + c; }),
    vec<Op::v_mul_lo_u32, U2>([](u32 a, u32 b) { return a * b; }),
    vec<Op::v_mul_lo_i32, U2>([](u32 a, u32 b) { return a * b; }),
    vec<Op::v_mul_hi_u32, U2>([](u32 a, u32 b) { return static_cast<u32>(u64{a} * b >> 32); }),
    vec<Op::v_mul_hi_i32, I2>([](i32 a, i32 b) { return static_cast<i32>(i64{a} * b >> 32); }),
    vec<Op::v_bfe_u32, U3>([](u32 a, u32 b, u32 c) { return bfe_u(a, b, c); }),
    vec<Op::v_bfe_i32, i32(i32, u32, u32)>([](i32 a, u32 b, u32 c) { return bfe_i(a, b, c); }),
    vec<Op::v_bfi_b32, U3>([](u32 a, u32 b, u32 c) { return (a & b) | (~a & c); }),
    vec<Op::v_bfm_b32, U2>([](u32 a, u32 b) { return ((1u << (a & 31)) - 1) << (b & 31); }),
    vec<Op::v_lerp_u8, U3>([](u32 a, u32 b, u32 c) {
        u32 r = 0;
        for (int k = 0; k < 32; k += 8) r |= (((a >> k & 255) + (b >> k & 255) + (c >> k & 1)) >> 1) << k;
        return r;
    }),
    vec<Op::v_alignbit_b32, U3>([](u32 a, u32 b, u32 c) { return static_cast<u32>((u64{a} << 32 | b) >> (c & 31)); }),
    vec<Op::v_alignbyte_b32, U3>(
        [](u32 a, u32 b, u32 c) { return static_cast<u32>((u64{a} << 32 | b) >> (8 * (c & 3))); }),
    vec<Op::v_min3_i32, I3>([](i32 a, i32 b, i32 c) { return least(least(a, b), c); }),
    vec<Op::v_min3_u32, U3>([](u32 a, u32 b, u32 c) { return least(least(a, b), c); }),
    vec<Op::v_max3_i32, I3>([](i32 a, i32 b, i32 c) { return most(most(a, b), c); }),
    vec<Op::v_max3_u32, U3>([](u32 a, u32 b, u32 c) { return most(most(a, b), c); }),
    vec<Op::v_med3_i32, I3>([](i32 a, i32 b, i32 c) { return middle(a, b, c); }),
    vec<Op::v_med3_u32, U3>([](u32 a, u32 b, u32 c) { return middle(a, b, c); }),
    sat<Op::v_sad_u8, u32>([](i64 a, i64 b, i64 c) { return sad8(static_cast<u32>(a), static_cast<u32>(b)) + c; }),
    sat<Op::v_sad_hi_u8, u32>(
        [](i64 a, i64 b, i64 c) { return (i64{sad8(static_cast<u32>(a), static_cast<u32>(b))} << 16) + c; }),
    sat<Op::v_sad_u16, u32>([](i64 a, i64 b, i64 c) {
        const u32 x = static_cast<u32>(a), y = static_cast<u32>(b);
        return i64{difference(x & 0xffff, y & 0xffff)} + difference(x >> 16, y >> 16) + c;
    }),
    sat<Op::v_sad_u32, u32>(
        [](i64 a, i64 b, i64 c) { return difference(static_cast<u32>(a), static_cast<u32>(b)) + c; }),
    sat<Op::v_msad_u8, u32>([](i64 a, i64 b, i64 c) { return msad8(static_cast<u32>(a), static_cast<u32>(b)) + c; }),
    vec<Op::v_qsad_pk_u16_u8, u64(u64, u32, u64)>([](u64 a, u32 b, u64 c) { return qsad(a, b, c, false); }),
    vec<Op::v_mqsad_pk_u16_u8, u64(u64, u32, u64)>([](u64 a, u32 b, u64 c) { return qsad(a, b, c, true); }),
    {Op::v_mqsad_u32_u8, &mqsad_u32},
    vec<Op::v_xor3_b32, U3>([](u32 a, u32 b, u32 c) { return a ^ b ^ c; }),
    vec<Op::v_or3_b32, U3>([](u32 a, u32 b, u32 c) { return a | b | c; }),
    vec<Op::v_and_or_b32, U3>([](u32 a, u32 b, u32 c) { return (a & b) | c; }),
    vec<Op::v_lshl_or_b32, U3>([](u32 a, u32 b, u32 c) { return (a << (b & 31)) | c; }),
    vec<Op::v_lshl_add_u32, U3>([](u32 a, u32 b, u32 c) { return (a << (b & 31)) + c; }),
    vec<Op::v_add_lshl_u32, U3>([](u32 a, u32 b, u32 c) { return (a + b) << (c & 31); }),
    vec<Op::v_xad_u32, U3>([](u32 a, u32 b, u32 c) { return (a ^ b) + c; }),
    vec<Op::v_add3_u32, U3>([](u32 a, u32 b, u32 c) { return a + b + c; }),
    vec<Op::v_perm_b32, U3>([](u32 a, u32 b, u32 c) { return perm(a, b, c); }),
    vec<Op::v_bcnt_u32_b32, U2>([](u32 a, u32 b) { return static_cast<u32>(__builtin_popcount(a)) + b; }),
    vec<Op::v_lshlrev_b64, u64(u32, u64)>([](u32 a, u64 b) { return b << (a & 63); }),
    vec<Op::v_lshrrev_b64, u64(u32, u64)>([](u32 a, u64 b) { return b >> (a & 63); }),
    vec<Op::v_ashrrev_i64, i64(u32, i64)>([](u32 a, i64 b) { return b >> (a & 63); }),
    vec<Op::v_sat_pk_u8_i16, U1>([](u32 a) {
        const i32 lo = static_cast<i16>(a), hi = static_cast<i16>(a >> 16);
        return static_cast<u32>(middle(0, lo, 255) | middle(0, hi, 255) << 8);
    }),
};

}  // namespace

extern const BindingList kIntRows{kRows, std::size(kRows)};

}  // namespace vgpu::core::VGPU_HOST
